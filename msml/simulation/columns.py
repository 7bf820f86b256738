"""The columns that simulated events have."""

from enum import IntEnum

from msml.data.schema import FOUR_VECTOR_UNITS, PT_ETA_PHI_M, Column, register

_TAU_AXIS = "tau jet, leading in jet pt first"

_JETS = "jet, leading first"
_MEMBERS = (_JETS, "constituent, leading first")

COLLECTIONS = {
    column.name: column
    for column in (
        Column(
            "all_jets",
            "float32",
            (_JETS, "component"),
            (None, 4),
            PT_ETA_PHI_M,
            FOUR_VECTOR_UNITS,
            "jets of the event within the acceptance; m has the sign of its square",
            mask="all_jets_real",
        ),
        Column(
            "all_jets_real",
            "bool",
            (_JETS,),
            (None,),
            (),
            ("1",),
            "false for rows past the last jet",
        ),
        Column(
            "all_jets_tau",
            "int8",
            (_JETS,),
            (None,),
            (),
            ("1",),
            "1 if a true visible hadronic tau is matched to the jet",
            mask="all_jets_real",
        ),
        Column(
            "all_jets_taus",
            "float32",
            (_JETS, "component"),
            (None, 3),
            ("pt", "eta", "phi"),
            ("GeV", "1", "rad"),
            "the true tau lepton of each jet that has one, neutrino included",
            mask="all_jets_tau",
        ),
        Column(
            "constituents",
            "float32",
            (*_MEMBERS, "component"),
            (None, None, 3),
            ("pt", "delta_eta", "delta_phi"),
            ("GeV", "1", "rad"),
            "energy-flow objects of each jet, angles from its axis; rounded",
            mask="constituents_real",
        ),
        Column(
            "constituents_real",
            "bool",
            _MEMBERS,
            (None, None),
            (),
            ("1",),
            "false for rows past the last constituent",
        ),
        Column(
            "constituent_charges",
            "int8",
            _MEMBERS,
            (None, None),
            (),
            ("1",),
            "electric charge of each constituent",
            mask="constituents_real",
        ),
    )
}
"""Columns for hierarchical studies: jets with their constituents."""


class ObjectType(IntEnum):
    """What an object is, as a number in event files."""

    NONE = 0
    LEPTON = 1
    B_JET = 2
    JET = 3
    MET = 4


_OBJECTS = "object: leptons, missing transverse momentum, b-jets, jets, each leading first"
OBJECTS = {
    column.name: column
    for column in (
        Column(
            "event_objects",
            "float32",
            (_OBJECTS, "component"),
            (None, 4),
            PT_ETA_PHI_M,
            FOUR_VECTOR_UNITS,
            "leptons, b-jets, jets and missing transverse momentum, whose eta and m are 0; m has "
            "the sign of its square",
            mask="event_objects_real",
        ),
        Column(
            "event_object_types",
            "int8",
            (_OBJECTS,),
            (None,),
            (),
            ("1",),
            "1 lepton, 2 b-jet, 3 jet without a tag, 4 missing transverse momentum; 0 none",
            mask="event_objects_real",
        ),
        Column(
            "event_objects_real",
            "bool",
            (_OBJECTS,),
            (None,),
            (),
            ("1",),
            "false where there is no object",
        ),
        Column(
            "event_object_counts",
            "uint8",
            ("type",),
            (3,),
            ("leptons", "b_jets", "jets"),
            ("1",),
            "objects of the event within the cuts, kept or not",
        ),
    )
}
"""Columns of the selection `objects`."""

TAU_PAIRS = {
    column.name: column
    for column in (
        Column(
            "jets",
            "float32",
            (_TAU_AXIS, "component"),
            (2, 4),
            PT_ETA_PHI_M,
            FOUR_VECTOR_UNITS,
            "reconstructed tau jets after pile-up subtraction; m has the sign of its square",
        ),
        Column(
            "calo_images",
            "float32",
            (_TAU_AXIS, "eta", "phi", "layer"),
            (2, None, None, 3),
            ("tracker_pt", "ecal_et", "hcal_et"),
            ("GeV", "GeV", "GeV"),
            "tracks and calorimeter energy around the jet axis, summed in pixels of eta and phi",
        ),
        Column(
            "taus",
            "float32",
            (_TAU_AXIS, "component"),
            (2, 3),
            ("pt", "eta", "phi"),
            ("GeV", "1", "rad"),
            "true tau leptons, neutrino included, each in the row of its jet",
        ),
        Column(
            "visible_taus",
            "float32",
            (_TAU_AXIS, "component"),
            (2, 4),
            PT_ETA_PHI_M,
            FOUR_VECTOR_UNITS,
            "true visible tau decay products, each in the row of its jet",
        ),
        Column(
            "decay_modes",
            "int8",
            (_TAU_AXIS,),
            (2,),
            (),
            ("1",),
            "5 (charged hadrons - 1) + neutral pions; -1 where unknown",
        ),
    )
}
"""Columns of the selection `two_hadronic_taus`."""

register(
    *TAU_PAIRS.values(),
    Column("process", "uint8", (), (), (), ("1",), "index into the file's list of processes"),
    Column("seed", "uint32", (), (), (), ("1",), "Pythia's seed of the event's batch"),
    Column(
        "event_number",
        "uint32",
        (),
        (),
        (),
        ("1",),
        "number of the accepted event within its process, from 0",
    ),
    Column(
        "pileup_interactions",
        "uint16",
        (),
        (),
        (),
        ("1",),
        "minimum-bias interactions overlaid",
    ),
    Column(
        "rho",
        "float32",
        (),
        (),
        (),
        ("GeV",),
        "pile-up transverse momentum per unit area at |eta| < 2.5",
    ),
    *COLLECTIONS.values(),
    *OBJECTS.values(),
)

ALWAYS = (
    "label",
    "process",
    "seed",
    "event_number",
    "pileup_interactions",
    "rho",
)
"""Columns that all simulated events have."""
