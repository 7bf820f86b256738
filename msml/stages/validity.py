"""The reference for the momenta of a run: trained once for all runs, applied to the test split."""

from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version

import numpy as np

from msml.data.dataset import load_split
from msml.data.kinematics import Array
from msml.files import fingerprint
from msml.metrics import EventMean, bootstrap
from msml.recipe.schema_evaluation import Validity
from msml.runs import layout
from msml.runs.directory import write_json
from msml.stages.measured import Judged
from msml.stages.session import Session
from msml.training.checkpoint import FORMAT_VERSION, load_arrays, save_arrays
from msml.validity.bands import Bands, Group, groups, inside, metric_name, nominal, size
from msml.validity.reference import Reference, reference_of
from msml.validity.task import MomentumTask, reference_task

UNIT = "evaluate/validity"
_SIGMAS = (1, 2, 3)


class Judge:
    """Measures outputs against the reference, which is found or made when it is first needed.

    Args:
        session: A run whose recipe asks for it.
        seed: Seed of the bootstrap.
    """

    def __init__(self, session: Session, seed: int) -> None:
        settings = session.values.evaluate.validity
        assert settings is not None
        self._session = session
        self._settings: Validity = settings
        self._seed = seed

    @cached_property
    def task(self) -> MomentumTask:
        """The task that is judged."""
        shapes = {name: c.shape[1:] for name, c in self._session.split("test").columns.items()}
        found = reference_task(self._session.tasks, self._session.transforms, shapes)
        assert found is not None  # the recipe was checked
        return found

    @cached_property
    def bands(self) -> Bands:
        """What the reference expects of the test events."""
        jets = self._session.split("test").columns[self.task.jets]
        return reference(self._session, self.task, self._settings).bands(jets)

    @property
    def judged(self) -> Judged:
        """What figures show of it."""
        return Judged(self.bands, self._settings.sigma)

    @cached_property
    def groups(self) -> dict[str, Group]:
        """The groups of numbers that are judged together."""
        return groups(self._objects(), self.task.taus)

    def metrics(self, task: str, kept: Array | slice = slice(None)) -> dict[str, EventMean]:
        """Metrics of a task's output: which fraction is valid, for each group of numbers.

        Args:
            task: The task.
            kept: `(events,) bool`, the test events whose outputs are measured; all by default.
        """
        if task != self.task.name:
            return {}
        sigma, bands = self._settings.sigma, Bands(self.bands.mean[kept], self.bands.std[kept])
        return {
            metric_name(name): _fraction(bands, each, sigma) for name, each in self.groups.items()
        }

    def write_calibration(self) -> None:
        """Write how often the truth of the test events is inside, unless that is done."""
        path = layout.calibration(self._session.evaluation)
        if path.exists():
            return
        singles = {name: each for name, each in self.groups.items() if self._size(each) == 1}
        content = {
            "task": self.task.name,
            "sigma": self._settings.sigma,
            "epochs": self._settings.epochs,
            "truth_inside": {
                name: {str(sigma): self._truth_inside(each, sigma) for sigma in _SIGMAS}
                for name, each in self.groups.items()
            },
            "median_width": {
                name: float(np.median(self.bands.std[:, *each])) for name, each in singles.items()
            },
        }
        write_json(path, content)
        self._session.progress.done("evaluate validity: calibration of the reference")

    def _truth_inside(self, group: Group, sigma: float) -> dict[str, float]:
        """How often the truth is inside, and how often it would be if all were as predicted."""
        test = self._session.split("test")
        truth, weight = test.columns[self.task.taus], test.weight.astype(np.float64)
        metric = _fraction(self.bands, group, sigma)
        replicas = self._session.values.evaluate.bootstrap
        found = bootstrap(metric, (truth, truth), weight, replicas, self._seed)
        return {**found._asdict(), "nominal": nominal(sigma, self._size(group))}

    def _objects(self) -> int:
        return int(self._session.split("test").columns[self.task.taus].shape[1])

    def _size(self, group: Group) -> int:
        return size(self._objects(), group)


def _fraction(bands: Bands, group: Group, sigma: float) -> EventMean:
    return EventMean(lambda _, output: inside(bands.pulls(output), sigma, group))


def reference(session: Session, task: MomentumTask, settings: Validity) -> Reference:
    """Find the reference in the cache, or train it there on the train split."""
    with session.shared("validity", _fingerprint(session, task, settings)) as folder:
        path = folder / "reference.h5"
        if not path.exists():
            session.check_stop()
            save_arrays(path, _trained(session, task, settings).arrays(), asdict(settings))
            session.progress.done("evaluate validity: reference trained")
    return reference_of(load_arrays(path)[0])


def _trained(session: Session, task: MomentumTask, settings: Validity) -> Reference:
    from msml.validity.training import train_reference

    data = session.values.data
    train = load_split(data, "train", [task.jets, task.taus], session.data_file)
    session.directory.forget(UNIT, 0)  # what a run that was stopped here has logged

    def after_epoch(epoch: int, loss: float) -> None:
        facts = {"unit": UNIT, "epoch": epoch, "train": {"reference": loss}, "valid": {}}
        session.directory.log(facts)
        session.progress.epoch(UNIT, {**facts, "epochs": settings.epochs})
        session.check_stop()

    columns = train.columns[task.jets], train.columns[task.taus]
    return train_reference(*columns, train.weight, settings, after_epoch)


def _fingerprint(session: Session, task: MomentumTask, settings: Validity) -> str:
    """Identify what the reference depends on: neither the run's seed nor the width of the band."""
    facts = session.facts()
    described = {
        "data": facts["data"],
        "environment": facts["environment"],
        "columns": [task.jets, task.taus],
        "settings": {**asdict(settings), "sigma": None},
        "gpflow": version("gpflow"),
        "format": FORMAT_VERSION,
    }
    return fingerprint(described)[:20]
