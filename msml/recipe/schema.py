"""The schema of a training recipe: data, tasks, candidates and stages.

`base/htautau.yaml` among the shipped recipes shows every block at work.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msml.domains import LARGEST, Count, Domain, Natural, NotNegative, Positive, Probability, Seed
from msml.recipe.metadata import UNRESOLVED, arguments, call, named
from msml.recipe.schema_evaluation import Evaluate
from msml.recipe.schema_training import Fit, Posttrain

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
SPLITS = ("valid", "test")
"""Where combinations may be ranked."""

STAGES = ("search", "grid", "posttrain", "evaluate", "run")
"""What may be done at each point of a sweep."""


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
class Align:
    """Events turned and mirrored into one orientation, all momenta of one together.

    Attributes:
        columns: Columns of momenta, with components pt, eta, phi or px, py, pz.
        to: The one of them, a momentum an event, whose φ becomes 0.
        above: The one whose φ becomes positive; none where null.
        forward: The one whose η becomes positive; none where null.
    """

    columns: list[str]
    to: str
    above: str | None = None
    forward: str | None = None

    @property
    def references(self) -> dict[str, str]:
        """The momenta that decide, by key."""
        named = {"to": self.to, "above": self.above, "forward": self.forward}
        return {key: name for key, name in named.items() if name is not None}


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
        align: How events are turned after that; they stay as they are where null.
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
    transform: dict[str, Any] = field(default_factory=dict, metadata=named("transforms"))
    align: Align | None = None
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
class Start:
    """Weights of another run that a candidate starts from; all its other weights are drawn.

    Attributes:
        from_: The folder of a run, or a recipe, whose run lies below the same folder of runs.
        overrides: What `key=value` made the run of the recipe.
        chain: Candidates of all tasks of that run, joined by `+`; where null, the chain that it
            has chosen.
        task: Task of that run; the one of the same name where null.
        layers: Patterns of names of the layers that start from there.
        without: Patterns of those that do not; by default the layer that makes the prediction.
        mode: `tuned` trains the weights on, `fixed` leaves them as they are.
        batchnorm: Whether batch normalisation of `fixed` layers normalises by the statistics of the
            batch and goes on to gather them, `adapt`, or keeps those of that run, `freeze`.
    """

    from_: str
    overrides: list[str] = field(default_factory=list)
    chain: str | None = None
    task: str | None = None
    layers: list[str] = field(default_factory=lambda: ["*"])
    without: list[str] = field(default_factory=lambda: ["numbers"])
    mode: Literal["fixed", "tuned"] = "tuned"
    batchnorm: Literal["adapt", "freeze"] = "adapt"


@dataclass(frozen=True)
class Candidate:
    """One model that a task may use.

    Attributes:
        model: Name of a registered builder.
        args: Its hyper-parameters.
        grid: Lists of hyper-parameters; one candidate for each point of their product.
        copies: Independent copies of the candidate.
        start: What it starts from; weights that are drawn where null.
    """

    model: str = field(metadata=named("models"))
    args: dict[str, Any] = field(default_factory=dict, metadata=arguments("models"))
    grid: dict[str, list[Any]] = field(default_factory=dict)
    copies: Count = 1
    start: Start | None = None


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
        hide: Inputs, the target among them perhaps, of which models see 0 in the place of each row,
            such as an object, or number with this probability: others at each step of training,
            the same ones each time that it is measured.
    """

    inputs: list[str]
    target: str
    loss: dict[str, Any] = field(metadata=call("losses"))
    weight: NotNegative | Literal["remainder"]
    candidates: dict[str, Candidate]
    metrics: list[str] = field(default_factory=list, metadata=named("metrics"))
    output: str = "output"
    each: str | None = None
    hide: dict[str, Probability] = field(default_factory=dict)


@dataclass(frozen=True)
class Select:
    """How combinations of candidates are ranked, by strategies that do.

    Attributes:
        metric: A metric of the last task, `task/metric` for that of another, or `total` for the
            weighted sum of the task losses. Ties go to the lower loss of the last task.
        split: Where it is measured: `valid`; or `test` if `allow_test`, as the published code does.
        allow_test: Whether the test split may be used, which makes its final figures optimistic.
    """

    metric: str = field(default="total", metadata=named("metrics"))
    split: str = field(default="valid", metadata=named(SPLITS))
    allow_test: bool = False


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
        replicas: Seeds whose networks are trained at once, in one graph, where the layers allow
            it; `auto` tries how many are no slower, once. The last digits of a result depend on it.
        options: Arguments of dask-jobqueue's cluster: `queue`, `memory`, `walltime`, ...
        max_points: Most points that a slip of the pen may ask for.
    """

    over: dict[str, Any] = field(default_factory=dict)
    stage: str = field(default="run", metadata=named(STAGES))
    cluster: str = field(default="local", metadata=named(("local", "slurm", "htcondor")))
    workers: Annotated[int, Domain(1, 10_000)] | None = None
    threads: Annotated[int, Domain(1, 1024)] = 1
    replicas: Annotated[int, Domain(1, 10_000)] | Literal["auto"] = 1
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

    figures: list[str] = field(default_factory=list, metadata=named("figures"))
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
    strategy: dict[str, Any] = field(default_factory=dict, metadata=call("strategies"))
    select: Select = field(default_factory=Select)
    seed: Seed = 0
    precision: str = field(default="auto", metadata=named(PRECISIONS))
    xla: bool | None = None
    plugins: list[str] = field(default_factory=list)
    pretrain: Fit = field(default_factory=Fit)
    posttrain: Posttrain = field(default_factory=Posttrain)
    evaluate: Evaluate = field(default_factory=Evaluate)
    weighting: dict[str, Any] = field(
        default_factory=lambda: {"name": "fixed"}, metadata=call("weightings")
    )
    free_weights: bool = False
    sweep: Sweep = field(default_factory=Sweep, metadata=UNRESOLVED)
    report: Report = field(default_factory=Report, metadata=UNRESOLVED)
    limits: Limits = field(default_factory=Limits, metadata=UNRESOLVED)

    @property
    def fits(self) -> dict[str, Fit]:
        """The trainings by their key."""
        return {"pretrain": self.pretrain, "posttrain": self.posttrain}
