"""The detector's numbers: Delphes' CMS pile-up card as a recipe block.

Source: the parameters of `delphes_card_CMS_PileUp.tcl` (version of 2017). Units: GeV, m, T, rad.
Bands of |eta| and of pt are closed at their upper edge, as in the card.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

from msml.domains import Domain, Finite, NotNegative, Positive


@dataclass(frozen=True)
class Efficiency:
    """Efficiency of something for one kind of charged particle.

    Attributes:
        eta: Upper edges of the |eta| bands; 0 beyond the last.
        pt: Lower edges of the pt bands; 0 below the first.
        efficiency: One row an |eta| band, one number a pt band.
    """

    eta: list[NotNegative]
    pt: list[NotNegative]
    efficiency: list[list[Annotated[float, Domain(0, 1)]]]


@dataclass(frozen=True)
class Tracking(Efficiency):
    """Efficiency and momentum resolution of one kind of charged particle.

    Attributes:
        eta: See `Efficiency`.
        pt: See `Efficiency`.
        efficiency: See `Efficiency`.
        resolution_eta: Upper edges of the resolution's |eta| bands.
        resolution: `[a, b]` of each band: relative resolution sqrt(a^2 + (b pt)^2).
    """

    resolution_eta: list[NotNegative]
    resolution: list[list[NotNegative]]


@dataclass(frozen=True)
class Calorimeter:
    """Cells and thresholds of one calorimeter.

    Attributes:
        rings: `[eta from, eta to, cells in eta, cells in phi]`, for positive eta and mirrored.
        energy_min: Least energy of a tower and of a neutral excess.
        significance_min: Least energy of both in units of their resolution.
    """

    rings: list[list[NotNegative]]
    energy_min: NotNegative
    significance_min: NotNegative = 2.0


_HADRONS = Tracking(
    eta=[1.5, 2.5],
    pt=[0.1, 1.0],
    efficiency=[[0.70, 0.95], [0.60, 0.85]],
    resolution_eta=[0.5, 1.5, 2.5],
    resolution=[[0.06, 1.3e-3], [0.10, 1.7e-3], [0.25, 3.1e-3]],
)
_ELECTRONS = Tracking(
    eta=[1.5, 2.5],
    pt=[0.1, 1.0, 100.0],
    efficiency=[[0.73, 0.95, 0.99], [0.50, 0.83, 0.90]],
    resolution_eta=[0.5, 1.5, 2.5],
    resolution=[[0.03, 1.3e-3], [0.05, 1.7e-3], [0.15, 3.1e-3]],
)
_MUONS = Tracking(
    eta=[1.5, 2.5],
    pt=[0.1, 1.0],
    efficiency=[[0.75, 0.99], [0.70, 0.98]],
    resolution_eta=[0.5, 1.5, 2.5],
    resolution=[[0.01, 1.0e-4], [0.015, 1.5e-4], [0.025, 3.5e-4]],
)


def _rings(edges: list[float], phi_cells: int) -> list[list[float]]:
    return [[low, high, 1, phi_cells] for low, high in pairwise(edges)]


_FORWARD = [3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525]
_ECAL = Calorimeter(
    rings=[[0.0, 2.958, 170, 360], *_rings([2.958, *_FORWARD, 4.7, 5.0], 36)],
    energy_min=0.5,
)
_HCAL_ENDCAP = [1.653, 1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95]
_HCAL = Calorimeter(
    rings=[
        [0.0, 1.653, 19, 72],
        *_rings([*_HCAL_ENDCAP, *_FORWARD], 36),
        *_rings([4.525, 4.7, 5.0], 18),
    ],
    energy_min=1.0,
)


_ELECTRON_IDENTIFICATION = Efficiency(eta=[1.5, 2.5], pt=[10.0], efficiency=[[0.95], [0.85]])
_MUON_IDENTIFICATION = Efficiency(eta=[2.4], pt=[10.0], efficiency=[[0.95]])


@dataclass(frozen=True)
class BTagging:
    """Probability that a jet is tagged, by its true flavour and its pt.

    The flavour is that of the heaviest quark near the jet after the showers: b, c, or else light.

    Attributes:
        delta_r: Largest distance between a jet and a quark that gives it its flavour.
        quark_pt_min: Least transverse momentum of such a quark.
        quark_eta_max: Largest |eta| of one.
        b: `[height, rise, fall]` of b-jets: height tanh(rise pt) / (1 + fall pt).
        c: The same of c-jets.
        light: `[constant, slope]` of all others: constant + slope pt.
    """

    delta_r: Positive = 0.5
    quark_pt_min: NotNegative = 1.0
    quark_eta_max: Positive = 2.5
    b: list[NotNegative] = field(default_factory=lambda: [21.25, 0.0025, 0.063])
    c: list[NotNegative] = field(default_factory=lambda: [0.25, 0.018, 0.0013])
    light: list[NotNegative] = field(default_factory=lambda: [0.01, 3.8e-5])


@dataclass(frozen=True)
class Detector:
    """A cylinder with a field along its axis, a tracker and two calorimeters.

    Attributes:
        magnetic_field: Magnetic field along the beam, in T.
        radius: Radius of the tracking volume, in m.
        half_length: Half its length, in m.
        vertex_spread: Standard deviation of the interactions along the beam, in m.
        vertex_max: Largest |z| of an interaction, in m.
        vertex_resolution: Pile-up tracks from farther than this from the hard vertex along the
            beam are removed, in m.
        hadrons: Tracking of charged hadrons.
        electrons: Tracking of electrons.
        muons: Tracking of muons.
        ecal: The electromagnetic calorimeter.
        hcal: The hadronic calorimeter.
        electron_identification: Of electrons with a track.
        muon_identification: Of muons with a track.
        b_tagging: Of jets.
    """

    magnetic_field: Finite = 3.8
    radius: Positive = 1.29
    half_length: Positive = 3.0
    vertex_spread: NotNegative = 0.053
    vertex_max: NotNegative = 0.25
    vertex_resolution: NotNegative = 1e-4
    hadrons: Tracking = field(default_factory=lambda: _HADRONS)
    electrons: Tracking = field(default_factory=lambda: _ELECTRONS)
    muons: Tracking = field(default_factory=lambda: _MUONS)
    ecal: Calorimeter = field(default_factory=lambda: _ECAL)
    hcal: Calorimeter = field(default_factory=lambda: _HCAL)
    electron_identification: Efficiency = field(default_factory=lambda: _ELECTRON_IDENTIFICATION)
    muon_identification: Efficiency = field(default_factory=lambda: _MUON_IDENTIFICATION)
    b_tagging: BTagging = field(default_factory=BTagging)
