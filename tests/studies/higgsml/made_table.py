"""A small table in the challenge's format, whose derived features follow from its momenta."""

import numpy as np
import pandas as pd

from msml.studies.higgsml.table import (
    _IDENTITIES,
    BACKGROUND,
    DERIVED,
    FEATURES,
    OFFICIAL,
    SIGNAL,
    _centrality,
    _vector,
)


def table(rows=300, seed=0, sets="t") -> pd.DataFrame:
    """Signal is harder; the sets follow one another over and over."""
    rng = np.random.default_rng(seed)
    signal = rng.random(rows) < 0.4
    jets = rng.integers(0, 4, rows)
    found = {"PRI_jet_num": jets.astype(float)}
    for name, least in (("tau", 20), ("lep", 26), ("jet_leading", 30), ("jet_subleading", 30)):
        found[f"PRI_{name}_pt"] = least + rng.exponential(np.where(signal, 40, 20))
        found[f"PRI_{name}_eta"] = rng.uniform(-2.4, 2.4, rows)
        found[f"PRI_{name}_phi"] = rng.uniform(-3.14, 3.14, rows)
    found["PRI_met"] = rng.exponential(40, rows)
    found["PRI_met_phi"] = rng.uniform(-3.14, 3.14, rows)
    found["PRI_met_sumet"] = rng.uniform(50, 400, rows)
    for number, name in enumerate(("jet_leading", "jet_subleading")):
        for part in ("pt", "eta", "phi"):
            found[f"PRI_{name}_{part}"][jets <= number] = np.nan
    leading, second = (np.nan_to_num(found[f"PRI_jet_{n}_pt"]) for n in ("leading", "subleading"))
    found["PRI_jet_all_pt"] = leading + second + 31 * (jets > 2)
    found = {name: np.round(values, 3) for name, values in found.items()}
    names = ("tau", "lep", "jet_leading", "jet_subleading")
    vectors = {name: _vector(found, name) for name in names}
    met, phi = found["PRI_met"], found["PRI_met_phi"]
    vectors["met"] = np.stack([met * np.cos(phi), met * np.sin(phi)])
    derived = {name: each.formula(found, vectors) for name, each in _IDENTITIES.items()}
    derived["DER_met_phi_centrality"] = _centrality(found)
    derived["DER_mass_MMC"] = np.where(rng.random(rows) < 0.1, np.nan, rng.uniform(60, 160, rows))
    made = pd.DataFrame({"EventId": 100_000 + np.arange(rows)})
    for name in FEATURES:
        made[name] = np.round((derived if name in DERIVED else found)[name], 3)
    made = made.fillna(-999.0)
    made["PRI_jet_num"] = jets
    weight = np.where(signal, 0.002, 2.0) * rng.uniform(0.5, 1.5, rows)
    made["Weight"] = weight
    made["Label"] = np.where(signal, "s", "b")
    made["KaggleSet"] = [sets[i % len(sets)] for i in range(rows)]
    made["KaggleWeight"] = 0.0
    for name in set(sets):
        for label, total in (("s", SIGNAL), ("b", BACKGROUND)):
            here = (made["KaggleSet"] == name) & (made["Label"] == label)
            made.loc[here, "KaggleWeight"] = weight[here] * total / weight[here].sum()
    return made[list(OFFICIAL)]
