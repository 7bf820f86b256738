"""Numbers from the calorimeter images, read block by block so that memory stays bounded."""

from dataclasses import dataclass
from math import prod

import numpy as np

from msml.data.events import read
from msml.data.kinematics import Array
from msml.data.schema import COLUMNS
from msml.studies.htautau.events.sample import MODE_NAMES, Sample, mode_name

IMAGES = "calo_images"
LAYERS = COLUMNS[IMAGES].components
_BLOCK_BYTES = 2**25


@dataclass(frozen=True)
class ImageStatistics:
    """Sums over the images of a file.

    Attributes:
        mean: `(eta pixels, phi pixels, layers)` mean image of the leading jets, GeV.
        energy: `(groups, layers)` mean sum of an image, both jets, GeV.
        energy_error: `(groups, layers)` its standard error.
        filled: `(groups, layers)` fraction of pixels that are not zero.
    """

    mean: Array
    energy: Array
    energy_error: Array
    filled: Array


@dataclass(frozen=True)
class SingleImage:
    """The image of one leading jet.

    Attributes:
        mode: Name of the tau's decay mode; empty where the file does not know it.
        jet_pt: GeV; None where the file has no jets.
        image: `(eta pixels, phi pixels, layers)` GeV.
    """

    mode: str
    jet_pt: float | None
    image: Array


def image_statistics(sample: Sample) -> ImageStatistics:
    """Average the images of a sample that has some."""
    pixels = sample.shapes[IMAGES][2:]
    total = np.zeros(pixels)
    sums = np.zeros((3, len(sample.groups), pixels[-1]))
    rows = max(1, _BLOCK_BYTES // (4 * prod(sample.shapes[IMAGES][1:])))
    for start in range(0, sample.events, rows):
        block = slice(start, start + rows)
        images = read(sample.path, [IMAGES], block)[IMAGES]
        total += images[:, 0].sum(axis=0, dtype=np.float64)
        energy = images.sum(axis=(2, 3), dtype=np.float64)
        filled = np.count_nonzero(images, axis=(1, 2, 3)).astype(np.float64)
        for index, group in enumerate(sample.groups):
            inside = group.rows[block]
            sums[0, index] += energy[inside].sum(axis=(0, 1))
            sums[1, index] += (energy[inside] ** 2).sum(axis=(0, 1))
            sums[2, index] += filled[inside].sum(axis=0)
    jets = 2 * np.array([[group.events] for group in sample.groups])
    mean = sums[0] / jets
    variance = np.maximum(sums[1] / jets - mean**2, 0.0)
    return ImageStatistics(
        total / sample.events,
        mean,
        np.sqrt(variance / jets),
        sums[2] / (jets * prod(pixels[:-1])),
    )


def typical_events(sample: Sample, most: int = 5) -> list[int]:
    """Pick one event for each of the commonest decay modes of the leading jet.

    It is the first of the file whose leading jet's pt lies between the 50 and 84 % quantiles, so
    that the picture is neither chosen by eye nor of an unusual jet. Without decay modes it is the
    first such events of any kind.

    Returns:
        Indices of at most `most` events, in the order of `MODE_NAMES`.
    """
    usual = np.ones(sample.events, dtype=bool)
    if "jets" in sample.columns:
        pt = sample.columns["jets"][:, 0, 0]
        low, high = np.quantile(pt, (0.5, 0.84))
        between = (pt >= low) & (pt <= high)
        usual = between if between.any() else usual
    if "decay_modes" in sample.columns:
        modes = sample.columns["decay_modes"][:, 0]
        counts = {mode: int((usual & (modes == mode)).sum()) for mode in MODE_NAMES}
        common = sorted((mode for mode in counts if counts[mode]), key=lambda mode: -counts[mode])
        if common:
            return [int(np.argmax(usual & (modes == mode))) for mode in sorted(common[:most])]
    return [int(index) for index in np.flatnonzero(usual)[:most]]


def single_images(sample: Sample, events: list[int]) -> list[SingleImage]:
    """Read the leading jet's image of a few events."""
    images = []
    for event in events:
        image = read(sample.path, [IMAGES], slice(event, event + 1))[IMAGES][0, 0]
        modes, jets = sample.columns.get("decay_modes"), sample.columns.get("jets")
        known = modes is not None and int(modes[event, 0]) in MODE_NAMES
        name = mode_name(int(modes[event, 0])) if modes is not None and known else ""
        images.append(SingleImage(name, None if jets is None else float(jets[event, 0, 0]), image))
    return images
