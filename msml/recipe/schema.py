"""The schema of a training recipe: data, tasks, candidates and stages.

`base/htautau.yaml` among the shipped recipes shows every block at work.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msml.domains import LARGEST, Count, Domain, Finite, Natural, NotNegative, Positive, Seed
from msml.recipe.schema_explain import Dependence, Importance

MODES = ("connected", "sequential", "joint")
"""The ways to train a chain."""

INITIAL = "initial"
"""What training starts from where nothing was trained before."""

UNRESOLVED = {"resolved": False}
"""Metadata of a field that a run does not depend on: it is left out of the resolved recipe."""


@dataclass(frozen=True)
class Split:
    """How the events are divided by purpose; a property of the data, the same for every run.

    By fractions of a permutation; by the values of a column, where parts that are fractions divide
    the events of all other values; or in folds of a permutation, of which one is for test, the next
    one (the first after the last) for valid, and all others for train.

    Attributes:
        train: For weights: a fraction, or a list of the column's values.
        valid: For early stopping, selection and architecture weights: the same.
        test: Opened by `evaluate` only: the same.
        seed: Seed of the permutation that is cut.
        column: Column whose values divide the events.
        unused: Values of it whose events are left out.
        folds: Number of folds.
        fold: The fold, from 0, that is for test.
        stratify: Column of classes, each of which is divided by itself.
    """

    train: Any = 0.6
    valid: Any = 0.2
    test: Any = 0.2
    seed: Seed = 1
    column: str | None = None
    unused: list[Any] = field(default_factory=list)
    folds: Annotated[int, Domain(3, LARGEST)] | None = None
    fold: Natural = 0
    stratify: str | None = None


@dataclass(frozen=True)
class Data:
    """The events.

    Attributes:
        file: An HDF5 file of events.
        files: Several instead, read as one: a glob pattern, which stands for its matches in the
            order of their names, or a list of names and patterns.
        origin: Where `file` comes from, for those who have not got it.
        transform: By column, transforms in their order: a name, `{name: ..., argument: ...}`, or a
            list of these.
        split: How the events are divided.
        weight: Column of event weights, of any sign; all 1 where null.
        balance: Column of classes, whose weights are scaled so that all have the same total.
        events: Use so many events, drawn from the file with the split's seed; all where null.
        train_events: Train on so many of those for train, the first of a fixed order; all where
            null.
        memory_gb: Columns larger than this are streamed from an unpacked cache.
    """

    file: str | None = None
    files: Any = None
    origin: str | None = None
    transform: dict[str, Any] = field(default_factory=dict)
    split: Split = field(default_factory=Split)
    weight: str | None = None
    balance: str | None = None
    events: Count | None = None
    train_events: Count | None = None
    memory_gb: Positive = 8.0

    @property
    def single_columns(self) -> dict[str, str]:
        """The columns of one number an event that the block names, by their key in it."""
        named = {
            "weight": self.weight,
            "balance": self.balance,
            "split.column": self.split.column,
            "split.stratify": self.split.stratify,
        }
        return {key: column for key, column in named.items() if column is not None}


@dataclass(frozen=True)
class Candidate:
    """One model that a task may use.

    Attributes:
        model: Name of a registered builder.
        args: Its hyper-parameters.
        grid: Lists of hyper-parameters; one candidate for each point of their product.
        copies: Independent copies of the candidate.
    """

    model: str
    args: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] = field(default_factory=dict)
    copies: Count = 1


@dataclass(frozen=True)
class Task:
    """One step of the chain.

    Attributes:
        inputs: Columns and outputs of earlier tasks, in the order of the models' inputs: `task` is
            the output that its loss sees, `task.name` another one, and `task.probabilities` those
            of a classification.
        target: Column with the truth.
        loss: `name` of a registered loss and its arguments.
        weight: The task weight v_t, 0 to 1; `remainder` is 1 minus the others.
        candidates: The models to choose from, by name.
        metrics: Metrics of the task's output; its loss is reported where there are none.
        output: Which output of a model that has several the loss and the metrics see.
        each: A column whose first axis is one of objects: the models are applied to each object,
            loss and metrics are of the real ones, as the column's mask says.
    """

    inputs: list[str]
    target: str
    loss: dict[str, Any]
    weight: NotNegative | Literal["remainder"]
    candidates: dict[str, Candidate]
    metrics: list[str] = field(default_factory=list)
    output: str = "output"
    each: str | None = None


@dataclass(frozen=True)
class Average:
    """Which weights of a training are averaged: those after each of some epochs.

    The mean is what is measured on valid and kept; training goes on from the weights themselves.

    Attributes:
        start: The first of these epochs, from 1; before it nothing is averaged.
        every: They are so many epochs apart; in between the mean stays.
    """

    start: Count = 1
    every: Count = 1


@dataclass(frozen=True)
class Augment:
    """Events turned and mirrored anew each time that they train; all momenta of one together.

    Attributes:
        columns: Columns of momenta, with components pt, eta, phi or px, py, pz.
        rotate: Whether to rotate around the beam, by any angle.
        flip_phi: Whether to mirror in φ.
        flip_eta: Whether to mirror in η.
        rotations: Angles around the circle at test, where the predictions of all copies are
            averaged: each angle, mirrored or not. 0 for the event alone.
    """

    columns: list[str] = field(default_factory=list)
    rotate: bool = True
    flip_phi: bool = True
    flip_eta: bool = True
    rotations: Natural = 0


@dataclass(frozen=True)
class Fit:
    """How a model is trained.

    Attributes:
        optimizer: `name` of a Keras optimizer and its arguments.
        batch_size: Events of one step.
        epochs: Most passes over the training events.
        patience: Epochs without improvement after which training stops.
        clip_norm: Largest global norm of the gradients; not clipped where null.
        schedule: `name` of a schedule of the learning rate and its arguments.
        average: Which weights are averaged; none where null.
        augment: How the events are moved; they stay as they are where null.
    """

    optimizer: dict[str, Any] = field(
        default_factory=lambda: {"name": "adam", "learning_rate": 1e-3}
    )
    batch_size: Count = 100
    epochs: Count = 100
    patience: Count = 10
    clip_norm: Positive | None = None
    schedule: dict[str, Any] = field(default_factory=lambda: {"name": "constant"})
    average: Average | None = None
    augment: Augment | None = None


@dataclass(frozen=True)
class Ensemble:
    """Several trainings of the same chain, whose predictions are averaged.

    Attributes:
        members: How many.
        folds: Parts into which the train split is cut: each member is trained on all but one of
            them, by which it is stopped and weighted. Null for the whole train split, and valid.
        weight: Shares of the members: by 1 over `valid_loss`, or `equal`.
        at_once: Members that are trained in one graph; where null, all that can be.
    """

    members: Annotated[int, Domain(2, 1000)] = 10
    folds: Annotated[int, Domain(2, 1000)] | None = 10
    weight: Literal["valid_loss", "equal"] = "valid_loss"
    at_once: Annotated[int, Domain(1, 1000)] | None = None


@dataclass(frozen=True)
class Posttrain(Fit):
    """Training of the connected chain.

    Attributes:
        modes: Which of `connected`, `sequential` and `joint` to do; the last is the result.
        from_: Weights that `joint` starts from: `search`, those that the search ended with where
            there was one that left any, else those of `pretrain`; or `initial`, those before any
            training. The key is `from`.
        ensemble: Several trainings of `joint` instead of one; one where null.
    """

    modes: list[str] = field(default_factory=lambda: ["joint"])
    from_: str = "search"
    ensemble: Ensemble | None = None


@dataclass(frozen=True)
class Select:
    """How combinations of candidates are ranked, by strategies that do.

    Attributes:
        metric: A metric of the last task, `task/metric` for that of another, or `total` for the
            weighted sum of the task losses. Ties go to the lower loss of the last task.
        split: Where it is measured: `valid`; or `test` if `allow_test`, as the published code does.
        allow_test: Whether the test split may be used, which makes its final figures optimistic.
    """

    metric: str = "total"
    split: str = "valid"
    allow_test: bool = False


@dataclass(frozen=True)
class Validity:
    """A Gaussian process that says which outputs of a task are momenta; paper, section 4.4.1.

    It is trained on the train split, once for all runs with the same events and these settings.

    Attributes:
        sigma: Outputs are valid within so many standard deviations of its prediction.
        latents: Latent processes that are mixed into one for each number.
        inducing: Inducing points of each latent process.
        epochs: Passes over the training events.
        batch_size: Events of one step.
        learning_rate: Of Adam.
        seed: Seed of the inducing points and of the order of the events; not the run's.
    """

    sigma: Positive = 2.0
    latents: Annotated[int, Domain(1, 1000)] = 6
    inducing: Annotated[int, Domain(1, 10_000)] = 15
    epochs: Count = 30
    batch_size: Count = 100
    learning_rate: Positive = 1e-2
    seed: Seed = 1


@dataclass(frozen=True)
class Subset:
    """Events of the test split that are also measured by themselves.

    Attributes:
        column: Column of one number an event, as the file has it.
        values: Its values, exactly.
        blind: Whether nothing of these events may be seen until `evaluate.unblind`.
    """

    column: str
    values: list[Finite]
    blind: bool = False

    @property
    def condition(self) -> str:
        """The condition in words."""
        return f"{self.column} = {' or '.join(f'{value:.12g}' for value in self.values)}"


@dataclass(frozen=True)
class Evaluate:
    """Measurement on the test split.

    Attributes:
        bootstrap: Replicas of the test events for the uncertainties.
        validity: The reference for the outputs of the momentum task; none where null.
        subsets: Parts of the test split by name.
        unblind: Whether to show blind subsets, whose events are else left out of the test split. No
            part of the run itself: what is trained stays, and both results are kept.
        importance: What a task loses without an input; not measured where null.
        dependence: How a task's answer depends on an input; not measured where null.
    """

    bootstrap: Count = 200
    validity: Validity | None = None
    subsets: dict[str, Subset] = field(default_factory=dict)
    unblind: bool = field(default=False, metadata=UNRESOLVED)
    importance: Importance | None = field(default=None, metadata=UNRESOLVED)
    dependence: Dependence | None = field(default=None, metadata=UNRESOLVED)

    @property
    def hidden(self) -> list[Subset]:
        """The subsets of which nothing may be seen."""
        return [each for each in self.subsets.values() if each.blind and not self.unblind]


@dataclass(frozen=True)
class Sweep:
    """Many runs of the recipe, and how they are carried out; no part of the runs themselves.

    Attributes:
        over: What is scanned: a list of values, or a range of whole numbers (`0:20`, the end left
            out), for each dotted key. Named variants under any other name: a mapping of names to
            mappings of dotted keys to values. All combinations are done, the first axis varying
            slowest. Null removes an axis or a variant of an extended recipe.
        stage: What is done at each point: `search`, `grid`, `posttrain`, `evaluate` or `run`.
        cluster: `local`, `slurm`, `htcondor`, or the address `tcp://...` of a Dask scheduler.
        workers: Units at work at the same time; where null, as many as fill this machine's cores
            or GPUs, and on a batch system one for each unit, 32 at most.
        threads: Threads of a unit. The last digits of a result depend on it.
        options: Arguments of dask-jobqueue's cluster: `queue`, `memory`, `walltime`, ...
        max_points: Most points that a slip of the pen may ask for.
    """

    over: dict[str, Any] = field(default_factory=dict)
    stage: str = "run"
    cluster: str = "local"
    workers: Annotated[int, Domain(1, 10_000)] | None = None
    threads: Annotated[int, Domain(1, 1024)] = 1
    options: dict[str, Any] = field(default_factory=dict)
    max_points: Count = 10_000


@dataclass(frozen=True)
class Limits:
    """Totals above which a recipe is refused as a slip of the pen; no part of the runs themselves.

    Attributes:
        candidates: Most candidates of all tasks, grids and copies expanded.
        chains: Most chains that are trained: of a grid, a random search or the recipe's choice.
        replicas: Most bootstrap replicas.
        weights: Most weights of a model: training takes about 24 bytes of memory for each.
    """

    candidates: Count = 1000
    chains: Count = 10_000
    replicas: Count = 10_000
    weights: Count = 10**8


@dataclass(frozen=True)
class Report:
    """What `msml report` makes of the runs; no part of the runs themselves.

    Attributes:
        figures: Names of figures, such as `fig2`; all that the results allow where empty.
        also: Recipes whose runs are shown beside this one's.
        expected: File of the statements that `msml check` judges.
    """

    figures: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    expected: str = "paper/expected.yaml"


@dataclass(frozen=True)
class TrainRecipe:
    """A recipe of the training commands.

    Attributes:
        name: Name of the run.
        data: The events.
        tasks: The tasks by name, in the order of the chain.
        chain: Chosen candidate of each task, where no strategy chooses. A list stands for several
            chains: every combination is done.
        strategy: `name` of the strategy that chooses a candidate of each task, and its arguments.
        select: How combinations are ranked.
        seed: Seed of initialisation, batch order and noise.
        precision: `auto`, `float32`, `mixed_bfloat16` or `mixed_float16`.
        xla: Whether to compile with XLA; by a fixed rule where null.
        plugins: Python files with further models, losses and metrics.
        pretrain: Training of each candidate alone.
        posttrain: Training of the chain.
        evaluate: The measurement.
        weighting: What takes the place of the task weights v_t in joint training: `name` of a
            registered weighting and its arguments. Early stopping and ranking keep to v_t.
        free_weights: Whether the task weights may have any sum, not 1 alone.
        sweep: Many runs of it; not part of a run's resolved recipe.
        report: Figures of its runs; not part of a run's resolved recipe.
        limits: The largest totals; not part of a run's resolved recipe.
    """

    name: str
    data: Data
    tasks: dict[str, Task]
    chain: dict[str, Any] = field(default_factory=dict)
    strategy: dict[str, Any] = field(default_factory=dict)
    select: Select = field(default_factory=Select)
    seed: Seed = 0
    precision: str = "auto"
    xla: bool | None = None
    plugins: list[str] = field(default_factory=list)
    pretrain: Fit = field(default_factory=Fit)
    posttrain: Posttrain = field(default_factory=Posttrain)
    evaluate: Evaluate = field(default_factory=Evaluate)
    weighting: dict[str, Any] = field(default_factory=lambda: {"name": "fixed"})
    free_weights: bool = False
    sweep: Sweep = field(default_factory=Sweep, metadata=UNRESOLVED)
    report: Report = field(default_factory=Report, metadata=UNRESOLVED)
    limits: Limits = field(default_factory=Limits, metadata=UNRESOLVED)

    @property
    def fits(self) -> dict[str, Fit]:
        """The trainings by their key."""
        return {"pretrain": self.pretrain, "posttrain": self.posttrain}
