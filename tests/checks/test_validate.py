from pathlib import Path

import pytest
from nested import write_nested
from recipe_schema import write
from training import RECIPE, mistakes, write_events

from msml.checks.report import report
from msml.checks.validate import validate
from msml.errors import DataError
from msml.recipe import load, shipped
from msml.recipe.schema import TrainRecipe
from msml.registry import losses, models

TRAINING = [
    path
    for path in shipped().rglob("*.yaml")
    if "events" not in path.relative_to(shipped()).parts and not path.name.endswith("expected.yaml")
    # Their own tests have such events.
    if not {"higgsml", "transfer"} & {path.parent.name, path.stem}
]


@pytest.fixture
def events():
    return write_events()


MANY = """\
name: a/b
data:
  file: events.h5
  transform: {jets: log_tp, label: log_pt, tau: log_pt}
  split: {train: 0.7, valid: 0.2, test: 0.2}
  events: 21
tasks:
  momentum:
    inputs: [jets, calo_image, label_of]
    target: tau
    loss: {name: momentum_mse, scal: 50}
    weight: 0.5
    metrics: [momentun_mse]
    candidates:
      mlp: {model: tau_mpl}
      cnn: {model: tau_cnn, args: {unit: 3}}
      sf: {model: tau_scale_factor, copies: 0}
  label_of:
    inputs: [momentum, label_of]
    target: label
    loss: {name: bce_logit}
    weight: 0.4
    candidates:
      mlp: {model: higgs_mlp, args: {layers: 2}, grid: {units: [16, many], layers: [], depth: [1]}}
      mass: {model: higgs_mass}
chain: {momentum: [mlp, gnn], labels: mass}
precision: float64
plugins: [mine.py]
pretrain: {optimizer: {name: adm, learning_rate: 0}, batch_size: 0, patience: 0}
posttrain: {modes: [joined], epochs: -1, clip_norm: 0.0}
evaluate: {bootstrap: 0}
"""


EXPECTED = """\
r.yaml:17: tasks.momentum.candidates.sf.copies: expected 1 or more, got 0
r.yaml:29: pretrain.batch_size: expected 1 or more, got 0
r.yaml:29: pretrain.patience: expected 1 or more, got 0
r.yaml:30: posttrain.epochs: expected 1 or more, got -1
r.yaml:30: posttrain.clip_norm: expected a number above 0 or null, got 0
r.yaml:31: evaluate.bootstrap: expected 1 or more, got 0
r.yaml:28: plugins.0: plugin mine.py: No such file or directory
r.yaml:1: name: 'a/b' cannot be a name; expected at most 64 letters, digits, _ . -
r.yaml:27: precision: unknown precision 'float64'; did you mean 'float32' or 'mixed_float16'?
r.yaml:5: data.split: train, valid and test sum to 1.1, expected 1
r.yaml:29: pretrain.optimizer.name: unknown optimizer 'adm'; did you mean 'adam' or 'nadam' or \
'adamw'?
r.yaml:29: pretrain.optimizer.learning_rate: expected a number above 0, got 0
r.yaml:30: posttrain.modes.0: unknown mode 'joined'; did you mean 'joint'?
r.yaml:6: data.events: expected at most 20, the events of events.h5, got 21
r.yaml:4: data.transform.jets: unknown transform 'log_tp'; did you mean 'log_pt' or 'log'?
r.yaml:4: data.transform.tau: unknown column 'tau'; did you mean 'taus'? (columns of events.h5)
r.yaml:4: data.transform.label: 'log_pt' wants pt first; 'label' has no components
r.yaml:11: tasks.momentum.loss.scal: unknown argument of loss 'momentum_mse'; did you mean 'scale'?
r.yaml:13: tasks.momentum.metrics.0: unknown metric 'momentun_mse'; did you mean 'momentum_mse' or \
'momentum_mse_gev2'?
r.yaml:15: tasks.momentum.candidates.mlp.model: unknown model 'tau_mpl'; did you mean 'tau_mlp'?
r.yaml:16: tasks.momentum.candidates.cnn.args.unit: unknown argument of model 'tau_cnn'; did you \
mean 'units'?
r.yaml:21: tasks.label_of.loss.name: unknown loss 'bce_logit'; did you mean 'bce_logits'?
r.yaml:24: tasks.label_of.candidates.mlp.grid.layers: is empty; expected a list of values
r.yaml:24: tasks.label_of.candidates.mlp.grid.layers: is under args too; a value is either fixed \
or scanned
r.yaml:24: tasks.label_of.candidates.mlp.model: model 'higgs_mlp' takes 1 input (taus), got 2
r.yaml:24: tasks.label_of.candidates.mlp.grid.units.1: expected a whole number, got the text 'many'
r.yaml:24: tasks.label_of.candidates.mlp.grid.depth.0: unknown argument of model 'higgs_mlp'; \
known: layers, units
r.yaml:25: tasks.label_of.candidates.mass.model: model 'higgs_mass' takes 1 input (taus), got 2
r.yaml:10: tasks.momentum.target: unknown column 'tau'; did you mean 'taus'? (columns of events.h5)
r.yaml:9: tasks.momentum.inputs.1: unknown column 'calo_image'; did you mean 'calo_images'? \
(columns of events.h5)
r.yaml:9: tasks.momentum.inputs.2: the task 'label_of' comes after this one: a cycle, or the wrong \
order
r.yaml:19: tasks.label_of.inputs.1: the task itself: a cycle
r.yaml:26: chain.momentum.1: unknown candidate 'gnn'; did you mean 'cnn'?
r.yaml:26: chain.labels: unknown task 'labels'; did you mean 'label_of'?
"""


@pytest.mark.usefixtures("events")
def test_many_mistakes_give_a_line_each():
    assert mistakes(MANY) == EXPECTED.splitlines()
    assert mistakes(MANY, fast=False) == EXPECTED.splitlines()


@pytest.mark.usefixtures("events")
def test_a_good_recipe_is_good():
    validate(load(write(RECIPE), TrainRecipe), fast=True)
    validate(load(write(RECIPE), TrainRecipe))


@pytest.mark.parametrize("path", TRAINING, ids=lambda p: p.stem)
def test_every_shipped_recipe_is_good(path, events):
    nested = "hierarchy" in (path.parent.name, path.stem) or "three_steps" in path.stem
    file = write_nested(Path("nested.h5")) if nested else events
    found = report(str(path), [f"data.file={file}", "data.events=null"], fast=False)
    assert found.problems == []
    chains = {
        "htautau_reoptimise": 9,
        "htautau_cnn_lstm": 1,
        "fig2": 9,
        **dict.fromkeys(("joint", "hierarchy", "feature_size", "loss_weights"), 1),
    }
    assert found.chains == chains.get(path.stem, 0)
    strategies = {
        "quick": "darts",
        "three_steps": "darts",
        "decay_modes": "grid",
        "regression": "grid",
        "htautau_darts": "darts",
        "htautau_grid": "grid",
    }
    strategies |= {f"htautau_{name}": name for name in ("spos", "asng", "random")}
    strategies |= {"model_size": "grid", "end_to_end": "grid"}
    strategies |= dict.fromkeys(("sweep", "search", "compare_three_steps"), "darts")
    strategies |= dict.fromkeys(("htautau_darts_published", "htautau_darts_robust"), "darts")
    assert found.strategy == strategies.get(path.stem)


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (0.3, 0.6, "tasks: the weights sum to 0.9, expected 1; `free_weights: true` allows it"),
        (0.3, 0.7000021, "tasks: the weights sum to 1.000002, expected 1; "),
        (0.3, 0.7000009, None),
        (1.2, "remainder", "weight: expected a number from 0 to 1, got 1.2"),
        (".nan", "remainder", "expected 0 or more or 'remainder', got nan"),
        ("rest", 0.4, "expected a number or 'remainder', got the text 'rest'"),
        ("remainder", "remainder", "'remainder' is taken by the task 'momentum'"),
        (1, "remainder", None),
        (0, 1.0, None),
    ],
)
@pytest.mark.usefixtures("events")
def test_weights(first, second, problem):
    overrides = [f"tasks.momentum.weight={first}", f"tasks.label_of.weight={second}"]
    found = report(str(write(RECIPE)), overrides, fast=True).problems
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        (10, 1, None),
        (0, 1, None),
        (0.1, 1, None),
        (0, 0, "tasks: all weights are 0"),
        (10, "remainder", "the other weights sum to 10, which leaves no remainder"),
    ],
)
@pytest.mark.usefixtures("events")
def test_weights_of_any_sum_are_an_explicit_choice(first, second, problem):
    overrides = [f"tasks.momentum.weight={first}", f"tasks.label_of.weight={second}"]
    found = report(str(write(RECIPE)), [*overrides, "free_weights=true"], fast=True).problems
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_three_weights_that_leave_no_remainder(events):
    third = RECIPE.partition("  label_of:")[2].replace("weight: remainder", "weight: 0.8")
    text = RECIPE + "  third:" + third
    assert mistakes(text) == [
        "r.yaml:20: tasks.label_of.weight: the other weights sum to 1.1, which leaves no remainder"
    ]


@pytest.mark.usefixtures("events")
def test_cycles():
    text = RECIPE.replace("[jets, calo_images]", "[label_of, momentum]")
    assert mistakes(text) == [
        "r.yaml:7: tasks.momentum.inputs.0: the task 'label_of' comes after this one: a cycle, or"
        " the wrong order",
        "r.yaml:7: tasks.momentum.inputs.1: the task itself: a cycle",
    ]


@pytest.mark.usefixtures("events")
def test_names_that_clash():
    text = RECIPE.replace("momentum:", "jets:").replace("inputs: [momentum]", "inputs: [taus]")
    assert mistakes(text)[0] == (
        "r.yaml:6: tasks.jets: 'jets' is also a column; a task needs a name of its own"
    )
    text = RECIPE.replace("sf: {", "mlp_2: {").replace("tau_mlp}", "tau_mlp, copies: 2}")
    assert mistakes(text) == [
        "r.yaml:12: tasks.momentum.candidates: grids and copies give more than one candidate named"
        " 'mlp_2'"
    ]
    text = RECIPE.replace("  label_of:", "  momentum.label:").replace("label_of", "momentum.label")
    assert any(
        problem.endswith("reads as an output of the task 'momentum'; expected another name")
        for problem in mistakes(text)
    )
    (problem,) = mistakes(RECIPE.replace("inputs: [momentum]", "inputs: [label]"))
    assert problem.endswith("tasks.label_of.inputs.0: 'label' is the target of this task")


def test_columns_that_the_file_has_not():
    write_events(without="taus")
    found = mistakes(RECIPE)
    unknown = "unknown column 'taus'; known: calo_images, decay_modes, jets, label, rho"
    assert [line.partition(" (")[0] for line in found] == [
        f"r.yaml:4: data.transform.taus: {unknown}",
        f"r.yaml:8: tasks.momentum.target: {unknown}",
    ]


def test_a_file_that_cannot_be_read():
    recipe = load(write(RECIPE), TrainRecipe)
    for content in (None, b"not HDF5"):
        if content is not None:
            Path("events.h5").write_bytes(content)
        with pytest.raises(DataError, match=r"^r.yaml:3: data.file: events.h5: ") as caught:
            validate(recipe)
        assert caught.value.exit_code == 3
    found = mistakes(RECIPE, "seed=-1", "tasks.momentum.target=taux")
    assert found[0] == "command line: seed: expected 0 or more, got -1"
    assert found[1].startswith("r.yaml:3: data.file: events.h5: not a complete HDF5 file")
    assert len(found) == 2  # only the file could say that there is no column 'taux'


def test_the_data_file_lies_beside_the_recipe_that_names_it():
    write_events(Path("base/events.h5"))
    write(RECIPE, "base/b.yaml")
    recipe = load(write("extends: base/b.yaml\nseed: 2\n"), TrainRecipe)
    assert recipe.locate("data.file", "events.h5") == Path("base/events.h5")
    validate(recipe, fast=True)
    recipe = load("r.yaml", TrainRecipe, ["data.file=events.h5"])
    assert recipe.locate("data.file", "events.h5") == Path("events.h5")


@pytest.mark.usefixtures("events")
def test_too_few_events_for_the_split():
    assert mistakes(RECIPE, "data.events=4") == [
        "r.yaml:2: data.split.valid: 0.2 of 4 events leaves none",
        "r.yaml:2: data.split.test: 0.2 of 4 events leaves none",
    ]


@pytest.mark.usefixtures("events")
def test_plugins():
    write("def f(:\n", "broken.py")
    write(
        "from msml.registry import models\n"
        "@models.register('mine')\n"
        "def mine(taus, *, units: int = 3):\n"
        "    raise OSError('no way')\n",
        "good.py",
    )
    text = RECIPE.replace("model: higgs_mlp", "model: mine") + "plugins: [broken.py, good.py]\n"
    try:
        found = mistakes(text, fast=False)
    finally:
        models.forget(str(Path("good.py").resolve()))
    assert found == [
        "r.yaml:25: plugins.0: plugin broken.py: line 1: SyntaxError: invalid syntax",
        "r.yaml:23: tasks.label_of.candidates.mlp: model 'mine' cannot be built: OSError: no way"
        " (inputs (2, 3))",
    ]


@pytest.mark.usefixtures("events")
def test_what_tensorflow_remarks_when_a_plugin_imports_it_is_held_back(capfd):
    remark = "I0000 00:00:1795699964.064558 16953 port.cc:153] oneDNN is on."
    write(f"import os\nos.write(2, b'{remark}\\nmine\\n')\n", "chatty.py")
    validate(load(write(RECIPE + "plugins: [chatty.py]\n"), TrainRecipe, ()), fast=True)
    assert capfd.readouterr().err == "mine\n"


@pytest.mark.usefixtures("events")
def test_outputs_that_do_not_fit_the_target():
    text = RECIPE.replace("sf: {model: tau_scale_factor}", "sf: {model: higgs_mlp}")
    text = text.replace("inputs: [jets, calo_images]", "inputs: [jets]")
    text = text.replace("mlp: {model: tau_mlp}", "sf_too: {model: tau_scale_factor}")
    assert mistakes(text, fast=False) == [
        "r.yaml:14: tasks.momentum.candidates.sf: model 'higgs_mlp' has outputs of shape (1,), the"
        " task's loss wants (2, 3) (inputs (2, 4))"
    ]


@pytest.mark.usefixtures("events")
def test_a_task_that_gives_what_the_next_cannot_take():
    text = RECIPE.replace("target: taus", "target: label").replace("momentum_mse, scale: 50", "bce")
    text = text.replace("mlp: {model: tau_mlp}", "zeros_too: {model: zeros}")
    text = text.replace("sf: {model: tau_scale_factor}", "noise: {model: noise}")
    text = text.replace("{name: bce}", "{name: bce_logits}").replace("higgs_mlp", "higgs_lstm")
    text = text.replace("metrics: [momentum_mse]", "metrics: [auc]")
    (problem,) = mistakes(text, fast=False)
    assert problem.startswith(
        "r.yaml:23: tasks.label_of.candidates.mlp: model 'higgs_lstm' cannot be built: "
    )
    assert problem.endswith("(inputs (1,))")


@pytest.mark.usefixtures("events")
def test_points_of_a_grid_that_cannot_be_built_are_named():
    grid = "{model: tau_cnn, grid: {pool_after: [1, 2], kernels: [[3, 3, 2, 2], [9, 9, 2, 2]]}}"
    found = mistakes(RECIPE.replace("{model: tau_scale_factor}", grid), fast=False)
    assert [problem.partition(": model")[0] for problem in found] == [
        "r.yaml:14: tasks.momentum.candidates.sf: 'sf[kernels=9-9-2-2,pool_after=1]'",
        "r.yaml:14: tasks.momentum.candidates.sf: 'sf[kernels=9-9-2-2,pool_after=2]'",
    ]


@pytest.mark.usefixtures("events")
def test_losses_and_optimizers_are_tried():
    write(
        "from msml.registry import losses\n"
        "@losses.register('mine')\n"
        "def mine(target, prediction):\n"
        "    return target[:, 0]\n",
        "mine.py",
    )
    text = RECIPE.replace("name: bce_logits", "name: mine") + "plugins: [mine.py]\n"
    text += "pretrain: {optimizer: {name: adam, clipnorm: 1, clipvalue: 1}}\n"
    try:
        optimizer, loss = mistakes(text, fast=False)
    finally:
        losses.forget(str(Path("mine.py").resolve()))
    assert optimizer.startswith("r.yaml:26: pretrain.optimizer: ")
    assert "Only one of" in optimizer
    assert loss.startswith(
        "r.yaml:19: tasks.label_of.loss: fails for target () and prediction (1,)"
    )


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ("auc(bins=3)", "bins: unknown argument of metric 'auc'; it has none"),
        ("background_rejection(efficiency=high)", "efficiency: expected a number, got the text"),
        ("ece(mask=true)", "mask: is set by msml, not by a recipe"),
        ("auc(", "'auc(' is no metric; expected NAME or NAME(ARGUMENT=VALUE, ...)"),
        ("ece(15)", "'ece(15)': expected ARGUMENT=VALUE in the brackets, got '15'"),
        ("ecee", "unknown metric 'ecee'; did you mean 'ece'?"),
    ],
)
def test_arguments_of_metrics(metric, problem):
    (found,) = mistakes(RECIPE.replace("metrics: [auc]", f"metrics: ['{metric}']"))
    assert found.startswith(f"r.yaml:21: tasks.label_of.metrics.0: {problem}")


@pytest.mark.usefixtures("events")
def test_metrics_with_arguments_and_without_a_direction():
    given = "metrics: ['background_rejection(efficiency=0.3)', ece]"
    validate(load(write(RECIPE.replace("metrics: [auc]", given)), TrainRecipe))
    (found,) = mistakes(RECIPE, "select.metric=momentum/bias")
    assert found == "command line: select.metric: 'bias' does not say which of two chains is better"


@pytest.mark.usefixtures("events")
def test_losses_and_metrics_are_for_certain_targets():
    text = RECIPE.replace("name: bce_logits", "name: momentum_mse")
    text = text.replace("metrics: [momentum_mse]", "metrics: [auc]")
    text = text.replace("taus: log_pt", "jets: log_pt", 1)
    assert mistakes(text.replace("{jets: log_pt, jets: log_pt}", "{jets: log_pt}")) == [
        "r.yaml:8: tasks.momentum.target: 'taus' is not transformed; expected "
        "data.transform.taus: log_pt",
        "r.yaml:11: tasks.momentum.metrics.0: 'auc' is for a label, 0 or 1 for each event or "
        "classes, whole numbers from 0; the loss 'momentum_mse' is for momenta: log pt, eta, phi",
        "r.yaml:18: tasks.label_of.target: 'label' has no components; the loss 'momentum_mse' is "
        "for momenta: log pt, eta, phi",
        "r.yaml:21: tasks.label_of.metrics.0: 'auc' is for a label, 0 or 1 for each event or "
        "classes, whole numbers from 0; the loss 'momentum_mse' is for momenta: log pt, eta, phi",
    ]


@pytest.mark.usefixtures("events")
def test_outputs_that_inputs_name():
    write(
        "from msml.registry import models\n"
        "@models.register('two')\n"
        "def two(*shapes, output):\n"
        "    import keras\n"
        "    inputs = [keras.Input(shape) for shape in shapes]\n"
        "    x = keras.layers.Flatten()(inputs[0])\n"
        "    y = keras.layers.Reshape(output)(keras.layers.Dense(6)(x))\n"
        "    return keras.Model(inputs, {'output': y, 'feature': keras.layers.Dense(4)(x)})\n",
        "two.py",
    )
    text = RECIPE.replace("{model: tau_mlp}", "{model: two}").replace("[momentum]", "[NAME, jets]")
    text = text.replace("{model: higgs_mlp}", "{model: noise}") + "plugins: [two.py]\n"
    text = text.replace("      sf: {model: tau_scale_factor}\n      zeros: {model: zeros}\n", "")
    try:
        write(text.replace("NAME", "momentum.feature"))
        validate(load("r.yaml", TrainRecipe))
        (problem,) = mistakes(text.replace("NAME", "momentum.features"), fast=False)
        assert problem == (
            "r.yaml:15: tasks.label_of.inputs.0: the task 'momentum' has no output 'features'; "
            "did you mean 'feature'?"
        )
        (problem,) = mistakes(text.replace("NAME", "momentum.probabilities"))
        assert problem.endswith("the loss 'momentum_mse' of 'momentum' gives no probabilities")
        several = "{model: two}\n      sf: {model: tau_mlp}"
        unseen = text.replace("NAME", "momentum").replace("{model: two}", several)
        write(unseen)
        validate(load("r.yaml", TrainRecipe))  # nothing sees the feature
        both = unseen.replace("[momentum, jets]", "[momentum.feature, jets]")
        (problem,) = mistakes(both, fast=False)
        assert problem == (
            "r.yaml:14: tasks.momentum.candidates.sf: 'sf' gives output (2, 3), but another "
            "candidate feature (4,), output (2, 3); expected the same of all"
        )
    finally:
        models.forget(str(Path("two.py").resolve()))


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("chain={momentum: sf}", "chain: nothing chosen for the task 'label_of'; choose a cand"),
        ("chain={momentum: [], label_of: mlp}", "chain.momentum: expected a candidate or a list"),
        ("chain={momentum: 3, label_of: mlp}", "chain.momentum: expected a candidate or a list"),
        ("chain={momentum: [sf, sf], label_of: mlp}", "chain.momentum: 'sf' is there more than"),
        ("posttrain.modes=[]", "posttrain.modes: is empty; expected some of connected, sequen"),
        ("posttrain.modes=[joint, joint]", "posttrain.modes: 'joint' is there more than once"),
        ("pretrain.optimizer.name=null", "pretrain.optimizer.name: missing; expected one of ada"),
        ("pretrain.optimizer.use_ema=true", "pretrain.optimizer.use_ema: averages of weights that"),
        ("pretrain.average={start: 0}", "pretrain.average.start: expected 1 or more, got 0"),
        ("pretrain.average={begin: 2}", "pretrain.average.begin: unknown key"),
        (
            "posttrain={epochs: 7, average: {start: 8}}",
            "posttrain.average.start: expected at most 7, the epochs, got 8",
        ),
        (
            "pretrain={patience: 3, average: {start: 1, every: 4}}",
            "pretrain.average.every: expected at most 3, the patience, got 4: training would end",
        ),
        (
            "tasks.momentum.inputs=[jets, weight]",
            "tasks.momentum.inputs.1: 'weight' holds weights of events, which may reveal",
        ),
        ("data.weight=jets", "data.weight: expected a number an event, got shape (2, 4)"),
        ("data.weight=weigt", "data.weight: unknown column 'weigt'"),
        ("data.split.train=1.0", "data.split.train: expected a number between 0 and 1, got 1"),
        ("data.split.train=[1]", "data.split.train: expected a number between 0 and 1, got [1]"),
        ("data.split.fold=1", "data.split.fold: there are no folds; expected `folds`, their numb"),
        ("data.split={folds: 2}", "data.split.folds: expected 3 or more or null, got 2"),
        ("data.split={folds: 5, fold: 5}", "data.split.fold: expected a number from 0 to 4, got 5"),
        ("data.split={column: label, folds: 5}", "data.split.folds: the column divides the event"),
        ("data.split={column: label}", "data.split.train: expected a list of values of 'label', "),
        (
            "data.split={column: label, train: [0, 1], valid: [1], test: [2]}",
            "data.split.valid: 1 is in train already",
        ),
        (
            "data.split={column: label, train: [0], valid: [2], test: [3]}",
            "data.split: events.h5: column 'label': no part has the value 1",
        ),
        (
            "data.split={column: label, train: 0.5, valid: 0.4, test: [1]}",
            "data.split: train and valid sum to 0.9, expected 1",
        ),
        (
            "data.split={column: label, train: 0.5, valid: 0.5, test: [1], unused: [1]}",
            "data.split.unused: 1 is in test already",
        ),
        ("data.split.unused=[1]", "data.split.unused: there is no column; expected `column` be"),
        ("data.split.stratify=lable", "data.split.stratify: unknown column 'lable'; did you mean"),
        ("data.balance=jets", "data.balance: expected a number an event, got shape (2, 4)"),
        ("data.train_events=0", "data.train_events: expected 1 or more or null, got 0"),
        ("data.train_events=999", "data.train_events: events.h5: "),
        ("data.transform={jets: {name: log, components: [ptt]}}", "data.transform.jets: 'jets' ha"),
        ("data.memory_gb=0", "data.memory_gb: expected a number above 0, got 0"),
        ("data.events=0", "data.events: expected 1 or more or null, got 0"),
        ("tasks.momentum.inputs=[]", "tasks.momentum.inputs: there are none"),
    ],
)
def test_single_mistakes(override, problem):
    assert any(line.startswith(f"command line: {problem}") for line in mistakes(RECIPE, override))
