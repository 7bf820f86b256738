"""Straight lines and helices from the vertex to the surface of the tracking cylinder.

The cylinder is centred at the origin, its axis and the magnetic field along z. A particle leaves
through the barrel or, if it reaches an end first or curls up inside, through an endcap. These are
the trajectories of Delphes' ParticlePropagator, without time.
"""

import numpy as np

from msml.data.kinematics import Array
from msml.simulation.detector_card import Detector
from msml.simulation.particles import Particles

# Transverse momentum in GeV of a unit charge on a circle of 1 m in 1 T: c / (1e9 m/s).
GEV_PER_TESLA_METRE = 0.299792458


def propagate(particles: Particles, detector: Detector) -> tuple[Array, Array, Array]:
    """Find where particles leave the tracking volume.

    Args:
        particles: The particles.
        detector: The cylinder and its field.

    Returns:
        `(reached, eta, phi)`: whether a particle was made inside and leaves at all, and the
        pseudorapidity and azimuth of the point where it does, seen from the origin.
    """
    inside = (np.hypot(particles.x, particles.y) < detector.radius) & (
        np.abs(particles.z) < detector.half_length
    )
    curved = (particles.charge != 0) & (detector.magnetic_field != 0)
    x, y, z = (np.zeros(len(particles)) for _ in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        for chosen, path in ((~curved, _straight), (curved, _helix)):
            x[chosen], y[chosen], z[chosen] = path(particles.take(chosen), detector)
        eta = np.arcsinh(z / np.hypot(x, y))
    return inside & np.isfinite(eta), eta, np.arctan2(y, x)


def _straight(particles: Particles, detector: Detector) -> tuple[Array, Array, Array]:
    cos, sin = np.cos(particles.phi), np.sin(particles.phi)
    along = particles.x * cos + particles.y * sin
    radius_squared = particles.x**2 + particles.y**2
    to_barrel = np.sqrt(along**2 + detector.radius**2 - radius_squared) - along
    length = np.minimum(to_barrel, _to_endcap(particles, detector))
    return (
        particles.x + length * cos,
        particles.y + length * sin,
        particles.z + length * particles.sinh_eta,
    )


def _helix(particles: Particles, detector: Detector) -> tuple[Array, Array, Array]:
    """The transverse path is a circle; its turning angle is the path's length over its radius.

    A positive charge in a field along +z turns clockwise. The point at turning angle t is the
    circle's centre plus its radius at angle `start + turn * t`.
    """
    bend = particles.charge * detector.magnetic_field
    turn = -np.sign(bend)
    radius = particles.pt / (GEV_PER_TESLA_METRE * np.abs(bend))
    start = particles.phi - turn * (np.pi / 2)
    centre_x = particles.x - radius * np.cos(start)
    centre_y = particles.y - radius * np.sin(start)
    distance = np.hypot(centre_x, centre_y)
    # The circle meets the barrel where its radius makes this angle with the centre's direction;
    # a circle inside the barrel (cosine above 1) never does, and curls on to an endcap.
    cosine = (detector.radius**2 - distance**2 - radius**2) / (2 * distance * radius)
    opening = np.arccos(np.minimum(cosine, 1.0))
    to_barrel = np.where(
        cosine < 1.0,
        (turn * (np.arctan2(centre_y, centre_x) - start) - opening) % (2 * np.pi),
        np.inf,
    )
    turned = np.minimum(to_barrel, _to_endcap(particles, detector) / radius)
    angle = start + turn * turned
    return (
        centre_x + radius * np.cos(angle),
        centre_y + radius * np.sin(angle),
        particles.z + turned * radius * particles.sinh_eta,
    )


def _to_endcap(particles: Particles, detector: Detector) -> Array:
    """Transverse path length to the end the particle flies to, in m; infinite at right angles."""
    slope = particles.sinh_eta
    length = (np.copysign(detector.half_length, slope) - particles.z) / slope
    return np.where(slope == 0, np.inf, length)
