"""What all stages of a run share: recipe, data on the device, precision, progress, interruption."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from msml.chain import WEIGHT, Chain
from msml.checks.data import check_data, column_names
from msml.checks.features import Input, described
from msml.checks.meaning import classes_of, kind_of
from msml.data.dataset import SplitData, check_classes, load_splits, make_pipelines
from msml.data.described import EventFile, paths
from msml.data.events import describe
from msml.data.source import event_source
from msml.data.subsets import all_hidden
from msml.data.transforms import Pipeline, label
from msml.errors import StoppedError
from msml.files import atomic, fingerprint, locked
from msml.recipe import Recipe
from msml.recipe.schema import TrainRecipe
from msml.registry import plugin_hash
from msml.runs import layout
from msml.runs.columns import RunColumns
from msml.runs.directory import RunDirectory, read_json, write_json
from msml.runs.repair import clean_cache
from msml.stages.setup import Setup
from msml.stages.sharing import named_files, transform_sources
from msml.training.epoch import Tensor, to_device

# Blocks of a recipe in which functions get arguments, which may name files.
_WITH_ARGUMENTS = ("tasks", "strategy", "weighting")


@dataclass(frozen=True)
class Progress:
    """How a session shows what it does, and is asked to stop.

    Attributes:
        epoch: Called after each epoch: what is trained, the epoch's losses, best, patience left.
        done: Called when a unit of work is finished, with one line about it.
        stop: Returns a reason to save and stop, or None.
    """

    epoch: Callable[[str, Mapping[str, Any]], None] = lambda name, facts: None
    done: Callable[[str], None] = lambda line: None
    stop: Callable[[], str | None] = lambda: None


class Session(Setup):
    """A run at work.

    Args:
        recipe: A valid recipe.
        directory: Where the run lives.
        progress: How it is shown.
    """

    def __init__(
        self, recipe: Recipe[TrainRecipe], directory: RunDirectory, progress: Progress
    ) -> None:
        columns = check_data(recipe)[0]
        tasks = recipe.values.tasks.items()
        classes = {name: classes_of(task, columns) for name, task in tasks}
        super().__init__(recipe.values, directory, columns, classes)
        self.progress = progress
        self.resolved = recipe.resolved()
        self.recipe = recipe
        self.data_file = event_source(recipe)
        self.plugins = [
            plugin_hash(recipe.locate(f"plugins.{i}", name))
            for i, name in enumerate(recipe.values.plugins)
        ]
        plain = recipe.plain()
        arguments = [plain["data"].get("transform"), *(plain.get(name) for name in _WITH_ARGUMENTS)]
        self.files = named_files(arguments)
        self._splits: dict[str, SplitData] = {}
        self._device: dict[str, dict[str, Tensor]] = {}

    @cached_property
    def data_fingerprint(self) -> str:
        """Hash of the event files' bytes."""
        digest = hashlib.sha256()
        for path in paths(self.data_file):
            with path.open("rb") as handle:
                while block := handle.read(2**24):
                    digest.update(block)
        return digest.hexdigest()

    @property
    def evaluation(self) -> Path:
        """Folder of what is measured on test."""
        return layout.evaluation(self.directory.path, self.values.evaluate.unblind)

    def facts(self) -> dict[str, Any]:
        """What every result depends on besides what was trained and how."""
        return {
            "data": self._data_facts,
            "seed": self.values.seed,
            "precision": self.precision,
            "xla": self.values.xla,
            "environment": asdict(self.environment),
            **({"starts": self.start_marks} if self.starts else {}),
        }

    @property
    def start_marks(self) -> dict[str, str]:
        """Hashes of the weights that candidates start from, by where these lie."""
        return {each.where: each.mark for each in self.starts.values()}

    @cached_property
    def _data_facts(self) -> list[Any]:
        """The events and how they are used, wherever their file lies."""
        block = asdict(self.values.data) | {"file": "", "files": None, "origin": None}
        facts: list[Any] = [self.data_fingerprint, block]
        sources = transform_sources(self.values.data)
        return [*facts, sources] if sources else facts

    def described(self, task: str) -> list[Input]:
        """What the inputs of a task are made of."""
        classes = {name: spec.classes for name, spec in self.tasks.items()}
        outputs = {name: self.output_shapes(name) for name in self._with_named_outputs(task)}
        return described(self.values, task, self._columns, classes, outputs)

    @cached_property
    def file(self) -> EventFile:
        """Description of the event file."""
        return describe(self.data_file, column_names(self.values))

    @cached_property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """The transforms by column: fitted on train once in a run, and kept in its folder."""
        path = layout.transforms(self.directory.path)
        if path.exists():
            return make_pipelines(self.values.data, self.file, read_json(path))
        self.keep_transforms()
        return self._columns.pipelines

    def keep_transforms(self) -> None:
        """Write what the transforms find on train, unless it is there."""
        path, found = layout.transforms(self.directory.path), self._columns.pipelines
        if found and not path.exists():
            write_json(path, {name: pipeline.states() for name, pipeline in found.items()})

    @property
    def transforms(self) -> dict[str, str]:
        """Names of the transforms by column."""
        return {name: label(given) for name, given in self.values.data.transform.items()}

    def split(self, name: str) -> SplitData:
        """A split with all columns that the tasks use, read once; train and valid together."""
        if name not in self._splits:
            whole = Chain(self.tasks, dict.fromkeys(self.tasks))
            data, columns = self.values.data, whole.columns()
            names = ["test"] if name == "test" else ["train", "valid"]
            hidden = self.values.evaluate.hidden if name == "test" else []
            key = fingerprint([*self._data_facts, *map(asdict, hidden)])[:20]
            unpacked = self.directory.cache / "unpacked" / key
            about = (self.data_file, unpacked, self.pipelines, hidden)
            splits = load_splits(data, names, columns, *about)
            if name != "test":
                self._check_test()
            for split in splits.values():
                self._check(split)
                self._note_negative(split)
                self._splits[split.name] = replace(split, columns=self.oriented(split.columns))
        return self._splits[name]

    def _check_test(self) -> None:
        """Refuse labels and weights of test now, not after hours; nothing else of it is read."""
        data, hidden = self.values.data, self.values.evaluate.hidden
        if all_hidden(data, self.file, hidden):
            return
        columns = [*self._labels, *filter(None, self._labels.values())]
        about = (self.data_file, None, self.pipelines, hidden)
        self._check(load_splits(data, ["test"], columns, *about)["test"])

    @property
    def task_weights(self) -> dict[str, float]:
        """v_t of each task."""
        return {name: spec.weight for name, spec in self.tasks.items()}

    @property
    def _labels(self) -> dict[str, str]:
        """The targets that are classes, each with its mask, "" where there is none."""
        kinds = {name: kind_of(task) for name, task in self.values.tasks.items()}
        labels = [self.tasks[name] for name in kinds if kinds[name] in ("label", "classes")]
        return {spec.target: spec.mask for spec in labels}

    def _check(self, split: SplitData) -> None:
        """Check the classes of a split."""
        for column, mask in self._labels.items():
            check_classes(split, column, self.data_file, mask)

    def _note_negative(self, split: SplitData) -> None:
        """Say how many weights are negative."""
        if negative := int((split.yields < 0).sum()):
            total = f"{negative} of {len(split)} events of the {split.name} split"
            self.progress.done(f"{total} have negative weights")

    def on_device(self, name: str) -> dict[str, Tensor]:
        """A split's columns and event weights as tensors, put there once."""
        if name not in self._device:
            split = self.split(name)
            self._device[name] = to_device({**split.columns, WEIGHT: split.weight})
        return self._device[name]

    @contextlib.contextmanager
    def shared(self, kind: str, mark: str) -> Iterator[Path]:
        """Hold a folder of the shared cache, emptied if anything in it is damaged."""
        folder = self.directory.cache / kind / mark
        with locked(folder / "lock", waiting=self.check_stop):
            for line in clean_cache(folder):
                self.progress.done(line)
            yield folder

    def write_recipe(self) -> None:
        """Keep the resolved recipe beside the results."""
        path = layout.recipe(self.directory.path)
        if not path.exists():
            with atomic(path) as temporary:
                temporary.write_text(self.resolved)

    def write_columns(self) -> None:
        """Keep what the events say of the columns that are used, so that others can be compared."""
        path = layout.columns(self.directory.path)
        if not path.exists():
            classes = {name: spec.classes for name, spec in self.tasks.items()}
            RunColumns.of(self.file, column_names(self.values), classes).write(path)

    def check_stop(self) -> None:
        """Leave between two units of work where that was asked for.

        Raises:
            StoppedError: It was.
        """
        if reason := self.progress.stop():
            raise StoppedError(f"{reason}: the same command continues")
