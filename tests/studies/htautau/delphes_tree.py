"""A hand-made Delphes tree whose right answer is known, written with uproot."""

import numpy as np

# The generated particles of one event: pid, d1, d2, (pt, eta, phi, m).
# Tau 1 goes by a copy of itself to rho nu, rho to pi- pi0, pi0 to two photons: mode 1.
# Tau 2 goes to a1 nu, a1 to rho pi, rho to pi pi: mode 10.
# Tau 3 goes to mu nu nu and does not count.
GOOD = [
    (25, 1, 2, (0.1, 0.0, 0.0, 125.0)),
    (15, 3, 3, (60.0, 0.5, 3.10, 1.777)),
    (-15, 4, 5, (50.0, -1.0, 0.00, 1.777)),
    (15, 6, 7, (59.0, 0.5, 3.10, 1.777)),
    (20213, 8, 9, (40.0, -1.0, 0.02, 1.2)),
    (-16, -1, -1, (10.0, -1.0, 0.0, 0.0)),
    (-213, 10, 11, (45.0, 0.5, 3.14, 0.77)),
    (16, -1, -1, (14.0, 0.5, 3.0, 0.0)),
    (113, 12, 13, (30.0, -1.0, 0.0, 0.77)),
    (211, -1, -1, (10.0, -1.0, 0.0, 0.14)),
    (-211, -1, -1, (20.0, 0.5, 3.14, 0.14)),
    (111, 14, 15, (25.0, 0.5, 3.14, 0.135)),
    (211, -1, -1, (15.0, -1.0, 0.0, 0.14)),
    (-211, -1, -1, (15.0, -1.0, 0.0, 0.14)),
    (22, -1, -1, (12.0, 0.5, 3.14, 0.0)),
    (22, -1, -1, (13.0, 0.5, 3.14, 0.0)),
    (15, 17, 19, (30.0, 0.0, 1.5, 1.777)),
    (13, -1, -1, (20.0, 0.0, 1.5, 0.106)),
    (-14, -1, -1, (5.0, 0.0, 1.5, 0.0)),
    (16, -1, -1, (5.0, 0.0, 1.5, 0.0)),
]
# Jet 1 (pt 70) belongs to no tau, jet 2 to tau 2, jet 3 to tau 1 across phi = pi.
JETS = [(70.0, 2.0, 1.0, 9.0), (48.0, -1.0, 0.05, 6.0), (42.0, 0.5, -3.13, 5.0)]
# In the images of jet 3 (row 1): a track at (+0.01, +0.01), a tower at (-0.39, -0.01), the
# azimuth of the latter across pi; one track outside of every window.
TRACKS = [(20.0, 0.51, -3.12), (7.0, -1.01, 0.06), (5.0, 2.0, 2.0)]
TOWERS = [(0.11, -3.14, 8.0, 4.0), (-1.0, 0.05, 0.0, 6.0)]

FIELDS = {
    "Particle": ("PID", "D1", "D2", "Px", "Py", "Pz", "E"),
    "Jet": ("PT", "Eta", "Phi", "Mass"),
    "Track": ("PT", "Eta", "Phi"),
    "Tower": ("Eta", "Phi", "Eem", "Ehad"),
}


def particle_rows(particles):
    rows = []
    for pid, d1, d2, (pt, eta, phi, mass) in particles:
        momentum = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        energy = np.sqrt(sum(p**2 for p in momentum) + mass**2)
        rows.append((pid, d1, d2, *momentum, energy))
    return rows


def event(particles=GOOD, jets=JETS, tracks=TRACKS, towers=TOWERS, weight=None):
    rows = {"Particle": particle_rows(particles), "Jet": jets, "Track": tracks, "Tower": towers}
    made = {kind: np.reshape(rows[kind], (-1, len(FIELDS[kind]))) for kind in FIELDS}
    return made if weight is None else made | {"Event": np.reshape(weight, (1, 1))}


def write(path, events, leave_out=(), tree="Delphes"):
    """Write events; branches as Delphes names them, such as `Particle.PID`."""
    import awkward
    import uproot

    arrays = {}
    weights = {"Event": ("Weight",)} if "Event" in events[0] else {}
    for kind, fields in (FIELDS | weights).items():
        counts = [len(one[kind]) for one in events]
        flat = np.concatenate([one[kind] for one in events])
        columns = {
            field: flat[:, i].astype("i4" if field in ("PID", "D1", "D2") else "f4")
            for i, field in enumerate(fields)
            if f"{kind}.{field}" not in leave_out
        }
        if columns:
            arrays[kind] = awkward.zip(
                {name: awkward.unflatten(column, counts) for name, column in columns.items()}
            )
    with uproot.recreate(path) as file:
        types = {kind: array.type.content for kind, array in arrays.items()}
        made = file.mktree(
            tree, types, field_name=lambda outer, inner: f"{outer}.{inner}" if inner else outer
        )
        made.extend(arrays)
