"""What is known of the challenge's table: its columns, sizes, sums, and what follows from what.

Source: Adam-Bourdarios et al., Learning to discover: the Higgs boson machine learning challenge,
v1.8, appendix B. The formulas are for massless particles, as the file's own numbers are but for
those of jets.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DataError

DERIVED = tuple(
    f"DER_{name}"
    for name in (
        *("mass_MMC", "mass_transverse_met_lep", "mass_vis", "pt_h", "deltaeta_jet_jet"),
        *("mass_jet_jet", "prodeta_jet_jet", "deltar_tau_lep", "pt_tot", "sum_pt"),
        *("pt_ratio_lep_tau", "met_phi_centrality", "lep_eta_centrality"),
    )
)
_THREE = ("pt", "eta", "phi")
FEATURES = (
    *DERIVED,
    *(f"PRI_{one}_{part}" for one in ("tau", "lep") for part in _THREE),
    *("PRI_met", "PRI_met_phi", "PRI_met_sumet", "PRI_jet_num"),
    *(f"PRI_jet_{one}_{part}" for one in ("leading", "subleading") for part in _THREE),
    "PRI_jet_all_pt",
)
OFFICIAL = ("EventId", *FEATURES, "Weight", "Label", "KaggleSet", "KaggleWeight")
TRAINING = ("EventId", *FEATURES, "Weight", "Label")
TEST = ("EventId", *FEATURES)

SETS = ("t", "b", "v", "u")
ROWS = (250_000, 100_000, 450_000, 18_238)
"""Events of each set."""

SIGNAL, BACKGROUND = 691.9886, 410_999.847
"""What the weights of each set sum to: events expected in 2012's data."""

_SUM_TOLERANCE = 1e-3
_RATIO_TOLERANCE = 1e-4
_SHARE = 0.01  # of rows whose centrality may have another sign

Values = Mapping[str, Array]
Vectors = Mapping[str, Array]


@dataclass(frozen=True)
class _Identity:
    """A feature that others give.

    Attributes:
        formula: Their value.
        per_gev: How far the file may be off for each GeV of transverse momentum in the event, by
            the rounding of what it is computed from.
        plain: How far besides.
    """

    formula: Callable[[Values, Vectors], Array]
    per_gev: float = 0.0
    plain: float = 0.01


def check_sets(kaggle_set: Array, label: Array, weight: Array, kaggle_weight: Array) -> list[str]:
    """Check sizes and sums of the sets.

    Args:
        kaggle_set: `(events,)` indices into `SETS`.
        label: `(events,)`, 1 for signal.
        weight: `(events,)`, normalised over all sets.
        kaggle_weight: `(events,)`, normalised in each set.

    Returns:
        What cannot be checked, as a set is not complete.

    Raises:
        DataError: A set has too many events, or weights do not sum to what they must.
    """
    said = []
    for number, (name, rows) in enumerate(zip(SETS, ROWS, strict=True)):
        here = kaggle_set == number
        found = int(here.sum())
        if found > rows:
            raise DataError(f"KaggleSet '{name}' has {found:,} rows, expected {rows:,}")
        if found and (text := _odd_ratio(here, label, weight, kaggle_weight)):
            raise DataError(f"KaggleSet '{name}': {text}")
        if 0 < found < rows:
            said.append(f"KaggleSet '{name}': {found:,} of {rows:,} rows, weight sums not checked")
        for value, wanted in ((1, SIGNAL), (0, BACKGROUND)) if found == rows else ():
            total = float(kaggle_weight[here & (label == value)].sum(dtype=np.float64))
            if abs(total - wanted) > _SUM_TOLERANCE * wanted:
                message = f"KaggleWeight of label {'bs'[value]} sums to {total:,.4f}"
                raise DataError(f"KaggleSet '{name}': {message}, expected {wanted:,.4f}")
    return said


def _odd_ratio(here: Array, label: Array, weight: Array, kaggle_weight: Array) -> str:
    """Say in which row KaggleWeight is no constant times Weight, of a set and class."""
    for value in (0, 1):
        rows = np.flatnonzero(here & (label == value))
        if not len(rows):
            continue
        ratio = kaggle_weight[rows].astype(np.float64) / weight[rows]
        usual = np.median(ratio)
        wrong = np.flatnonzero(~(np.abs(ratio / usual - 1) < _RATIO_TOLERANCE))
        if len(wrong):
            row = f"row {rows[wrong[0]]} (from 0)"
            return f"{row}: KaggleWeight is {ratio[wrong[0]]:.6g} Weight, expected {usual:.6g}"
    return ""


def check_derived(features: Array, event: Array) -> None:
    """Compute the derived features again, all but that of the mass fit.

    Args:
        features: `(events, 30)` in the order of `FEATURES`, NaN where missing.
        event: `(events,)` numbers of the events.

    Raises:
        DataError: One differs; the message names the first such row.
    """
    values = dict(zip(FEATURES, features.T.astype(np.float64), strict=True))
    vectors = {name: _vector(values, name) for name in ("tau", "lep", "jet_leading")}
    vectors["jet_subleading"] = _vector(values, "jet_subleading")
    met, phi = values["PRI_met"], values["PRI_met_phi"]
    vectors["met"] = np.stack([met * np.cos(phi), met * np.sin(phi)])
    hard = values["DER_sum_pt"] + met
    for name, identity in _IDENTITIES.items():
        expected, found = identity.formula(values, vectors), values[name]
        off = np.abs(found - expected) > identity.plain + identity.per_gev * hard
        wrong = np.flatnonzero(off | (np.isnan(found) != np.isnan(expected)))
        if len(wrong):
            row = wrong[0]
            where = f"row {row} (from 0), EventId {event[row]}"
            raise DataError(
                f"{where}: {name} is {_shown(found[row])}, but the momenta give "
                f"{_shown(expected[row])}"
            )
    off = np.abs(values["DER_met_phi_centrality"] - _centrality(values)) > 0.1
    if off.mean() > _SHARE:
        rows = f"{off.sum():,} of {len(off):,} rows"
        raise DataError(f"DER_met_phi_centrality is not what the momenta give in {rows}")


def _shown(value: float) -> str:
    return "missing" if np.isnan(value) else f"{value:.4g}"


def _vector(values: Values, name: str) -> Array:
    """px, py, pz, E of a massless particle, `(4, events)`."""
    pt, eta, phi = (values[f"PRI_{name}_{part}"] for part in _THREE)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)])


def _mass(vector: Array) -> Array:
    return np.sqrt(np.maximum(vector[3] ** 2 - (vector[:3] ** 2).sum(axis=0), 0))


def _transverse(*vectors: Array) -> Array:
    """Length of a sum in the transverse plane; what is missing adds nothing."""
    total = np.nan_to_num(np.stack([vector[:2] for vector in vectors])).sum(axis=0)
    return np.asarray(np.hypot(total[0], total[1]))


def _transverse_mass(values: Values, vectors: Vectors) -> Array:
    total = values["PRI_lep_pt"] + values["PRI_met"]
    return np.sqrt(np.maximum(total**2 - _transverse(vectors["lep"], vectors["met"]) ** 2, 0))


def _distance(values: Values, _: Vectors) -> Array:
    eta = values["PRI_tau_eta"] - values["PRI_lep_eta"]
    phi = values["PRI_tau_phi"] - values["PRI_lep_phi"]
    return np.hypot(eta, (phi + np.pi) % (2 * np.pi) - np.pi)


def _between(values: Values, _: Vectors) -> Array:
    """How central the lepton is between the jets, in η."""
    first, second = _etas(values)
    off = values["PRI_lep_eta"] - (first + second) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(-4 * (off / (first - second)) ** 2)


def _centrality(values: Values) -> Array:
    """How central the missing momentum is between tau and lepton, in φ.

    With the sign of the angle between them, which the source's formula lacks.
    """
    tau, lep, met = (values[f"PRI_{name}_phi"] for name in ("tau", "lep", "met"))
    sign = np.sign(np.sin(tau - lep))
    a, b = sign * np.sin(met - lep), sign * np.sin(tau - met)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a + b) / np.hypot(a, b)


def _etas(values: Values) -> tuple[Array, Array]:
    return values["PRI_jet_leading_eta"], values["PRI_jet_subleading_eta"]


def _separation(values: Values, _: Vectors) -> Array:
    first, second = _etas(values)
    return np.abs(first - second)


_IDENTITIES: Mapping[str, _Identity] = {
    "DER_mass_transverse_met_lep": _Identity(_transverse_mass, per_gev=0.004),
    "DER_mass_vis": _Identity(lambda x, v: _mass(v["tau"] + v["lep"]), per_gev=0.004),
    "DER_pt_h": _Identity(lambda x, v: _transverse(v["tau"], v["lep"], v["met"]), per_gev=0.004),
    "DER_deltaeta_jet_jet": _Identity(_separation),
    "DER_mass_jet_jet": _Identity(  # jets have masses, which the file does not give
        lambda x, v: _mass(v["jet_leading"] + v["jet_subleading"]), per_gev=0.1
    ),
    "DER_prodeta_jet_jet": _Identity(lambda x, v: np.multiply(*_etas(x))),
    "DER_deltar_tau_lep": _Identity(_distance),
    "DER_pt_tot": _Identity(
        lambda x, v: _transverse(
            *(v[n] for n in ("tau", "lep", "met", "jet_leading")), v["jet_subleading"]
        ),
        per_gev=0.004,
    ),
    "DER_sum_pt": _Identity(
        lambda x, v: x["PRI_lep_pt"] + x["PRI_tau_pt"] + x["PRI_jet_all_pt"], per_gev=1e-5
    ),
    "DER_pt_ratio_lep_tau": _Identity(lambda x, v: x["PRI_lep_pt"] / x["PRI_tau_pt"]),
    "DER_lep_eta_centrality": _Identity(_between, plain=0.05),
}


def kind_of(header: list[str], where: str) -> str:
    """Say which of the challenge's files has a header: `official`, `training` or `test`.

    Raises:
        DataError: None has; the message names the first column that differs.
    """
    kinds = {"official": OFFICIAL, "training": TRAINING, "test": TEST}
    for kind, names in kinds.items():
        if tuple(header) == names:
            return kind
    number, (found, wanted) = next(_differences(header))
    raise DataError(f"{where}: column {number} is '{found}', expected '{wanted}'")


def _differences(header: list[str]) -> Iterator[tuple[int, tuple[str, str]]]:
    width = max(len(header), len(OFFICIAL))
    padded = [(*names, *["nothing"] * (width - len(names))) for names in (header, OFFICIAL)]
    for number, pair in enumerate(zip(*padded, strict=True), 1):
        if pair[0] != pair[1]:
            yield number, pair
