"""The recipe of an event file. Units: GeV, m, T, rad."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from msml.domains import Count, Domain, Label, NotNegative, Positive, Seed
from msml.simulation.detector_card import Detector


@dataclass(frozen=True)
class Process:
    """One process of the file.

    Attributes:
        label: Class of its events; 1 is the signal.
        pythia: Pythia settings by name, read after the common ones; a list reads its lines in turn.
        slha: Masses and decays of new particles, a text in the format of the SUSY Les Houches
            Accord; Pythia's supersymmetric processes need one.
        events: Accepted events wanted; the recipe's `events` where None.
    """

    label: Label
    pythia: dict[str, Any]
    slha: str = ""
    events: Count | None = None


@dataclass(frozen=True)
class PileUp:
    """Minimum-bias interactions overlaid on each event, as Delphes' PileUpMerger does.

    Attributes:
        mean: Mean of their Poisson-distributed number; 0 switches pile-up off.
        pool: Different interactions made once and drawn from with replacement.
        seed: Seed of the pool; the pool is shared by all recipes that agree on this block.
        eta_max: Particles beyond this |eta| are not kept.
        pythia: Pythia settings by name, read after the common ones.
    """

    mean: Annotated[float, Domain(0, 10_000)] = 50.0
    pool: Count = 10_000
    seed: Seed = 1
    eta_max: Positive = 5.3
    pythia: dict[str, Any] = field(default_factory=lambda: {"SoftQCD:all": True})


@dataclass(frozen=True)
class Jets:
    """Anti-kT jets of energy-flow objects.

    Attributes:
        radius: The anti-kT radius; 0.5 in the CMS pile-up card.
        pt_min: Least transverse momentum, before and after pile-up subtraction.
    """

    radius: Positive = 0.5
    pt_min: NotNegative = 20.0


@dataclass(frozen=True)
class Images:
    """Images around the jet axes.

    Attributes:
        pixels: Pixels along eta and along phi.
        half_width: Half the window, in eta and in rad.
        source: `towers` (all calorimeter towers) or `energy_flow` (neutral energy-flow objects).
            The tracks are those left by charged-hadron subtraction in both.
    """

    pixels: Annotated[int, Domain(1, 1024)] = 16
    half_width: Positive = 0.4
    source: str = "towers"


@dataclass(frozen=True)
class Collections:
    """Optional columns for hierarchical studies.

    Constituents are rounded: finer than the detector resolves, so that they take less space.

    Attributes:
        jets: Jets kept of each event; 0 leaves these columns out.
        constituents: Energy-flow objects kept of each jet.
        delta_r_max: Largest distance between a jet and a visible tau that labels it.
        jet_eta_max: Largest |eta| of a jet.
        pt_bits: Binary digits of a constituent's pt; 8 are 0.4 % at most, as good as the best
            tracks.
        angle_bits: Its eta and phi are multiples of 2 to minus so many; 10 are 0.001, a twentieth
            of a tower.
    """

    jets: Annotated[int, Domain(0, 1000)] = 0
    constituents: Annotated[int, Domain(1, 10_000)] = 50
    delta_r_max: Positive = 0.3
    jet_eta_max: Positive = 2.5
    pt_bits: Annotated[int, Domain(1, 24)] = 8
    angle_bits: Annotated[int, Domain(0, 24)] = 10


@dataclass(frozen=True)
class EventRecipe:
    """A recipe of `msml generate`.

    Attributes:
        output: The event file to make.
        processes: The processes by name, in the order of the file.
        events: Accepted events of each process.
        seed: Seed of everything but the pile-up pool.
        shard_size: Accepted events of one unit of work; part of what the events depend on.
        max_tries: Attempts without an accepted event after which a shard gives up.
        pythia: Pythia settings common to all processes and to the pile-up.
        pileup: The pile-up.
        detector: The detector.
        jets: The jets.
        selection: `name` of the event selection and its cuts.
        images: The images.
        collections: Optional columns.
        columns: Columns to keep; all where None.
    """

    output: str
    processes: dict[str, Process]
    events: Count = 50_000
    seed: Seed = 1
    shard_size: Count = 500
    max_tries: Count = 50_000
    pythia: dict[str, Any] = field(default_factory=dict)
    pileup: PileUp = field(default_factory=PileUp)
    detector: Detector = field(default_factory=Detector)
    jets: Jets = field(default_factory=Jets)
    selection: dict[str, Any] = field(default_factory=lambda: {"name": "two_hadronic_taus"})
    images: Images = field(default_factory=Images)
    collections: Collections = field(default_factory=Collections)
    columns: list[str] | None = None
