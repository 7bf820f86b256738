"""What a weighting is: coefficients of the task losses, or of their gradients, and its state.

All rules that act on gradients give a sum of c_t g_t over the tasks' gradients on the shared
weights. These c_t follow from the losses and from the Gram matrix of the g_t alone, so that one
interface serves every rule.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msml.chain import Chain
from msml.data.kinematics import Array
from msml.errors import RecipeError
from msml.registry import losses, weightings
from msml.training.environment import tensorflow

Tensor = Any


@dataclass(frozen=True)
class Tasks:
    """What a weighting is made for.

    Attributes:
        task_weights: The task weights v_t.
        classification: Whether a task's loss is the negative logarithm of a class probability.
        seed: Seed of the weighting's random numbers.
    """

    task_weights: tuple[float, ...]
    classification: tuple[bool, ...]
    seed: int

    @property
    def count(self) -> int:
        """Number of tasks."""
        return len(self.task_weights)


@dataclass(frozen=True)
class Weighting:
    """A rule at work. What it does within a batch is traced into the graph of the epoch.

    Attributes:
        coefficients: From losses `(tasks,)` and, where it acts on gradients, their Gram matrix
            `(tasks, tasks)` to coefficients `(tasks,) float32`. Changes nothing.
        on_gradients: Whether the coefficients are those of the gradients on the shared weights,
            else those of the losses.
        constant: The coefficients where they never change; a loss of coefficient 0 is left out.
        state: All variables of the rule, by name.
        update: Called once a batch with what `coefficients` was given, after it.
        after: Called once a batch with its losses before and after the weights moved.
        after_epoch: Called with an epoch's mean losses `(tasks,)`, not traced.
        logged: Whether to log after each epoch how it sees the tasks.
    """

    coefficients: Callable[[Tensor, Tensor | None], Tensor]
    on_gradients: bool = False
    constant: tuple[float, ...] | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    update: Callable[[Tensor, Tensor | None], None] | None = None
    after: Callable[[Tensor, Tensor], None] | None = None
    after_epoch: Callable[[Array], None] | None = None
    logged: bool = True

    @property
    def variables(self) -> dict[str, Any]:
        """All variables of the rule, as checkpoints name them."""
        return {f"weighting/{name}": variable for name, variable in self.state.items()}


def make_weighting(settings: Mapping[str, Any], tasks: Tasks) -> Weighting:
    """Make the weighting of a recipe, with fresh state.

    Raises:
        RecipeError: An argument is out of range, or a plugin gives something else.
    """
    arguments = {name: value for name, value in settings.items() if name != "name"}
    made = weightings.get(settings["name"]).function(tasks, **arguments)
    if not isinstance(made, Weighting):
        message = f"weighting '{settings['name']}' gives a {type(made).__name__}"
        raise RecipeError(f"{message}, expected a msml.weighting.rule.Weighting")
    return made


def tasks_of(chain: Chain, task_weights: Mapping[str, float], seed: int) -> Tasks:
    """Describe the tasks of a chain for its weighting."""
    facts = [losses.get(chain.tasks[name].loss).facts for name in chain.models]
    return Tasks(
        tuple(task_weights[name] for name in chain.models),
        tuple(bool(fact.get("classification", False)) for fact in facts),
        seed,
    )


class Learned:
    """A vector that a rule descends, one step a batch, with an Adam of its own."""

    def __init__(self, initial: float, count: int, learning_rate: float) -> None:
        import keras

        self.value = keras.Variable([initial] * count, dtype="float32", name="weighting")
        self._optimizer = keras.optimizers.Adam(learning_rate)
        self._optimizer.build([self.value])

    @property
    def state(self) -> dict[str, Any]:
        """The vector and its optimizer's variables."""
        moments = {f"adam/{i}": v for i, v in enumerate(self._optimizer.variables)}
        return {"value": self.value, **moments}

    def descend(self, gradient: Tensor) -> None:
        """Take a step down; parts that are not finite, as after a float16 overflow, are 0."""
        tf = tensorflow()
        kept = tf.where(tf.math.is_finite(gradient), gradient, 0.0)
        self._optimizer.apply([kept], [self.value])


class Draws:
    """Random numbers that follow from a seed and the number of batches done."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._done = tensorflow().Variable(0, dtype="int64", trainable=False)

    @property
    def state(self) -> dict[str, Any]:
        """The counter."""
        return {"draws": self._done}

    def key(self) -> Tensor:
        """Seed of this batch's numbers, for TensorFlow's stateless functions."""
        tf = tensorflow()
        return tf.stack([tf.constant(self._seed, tf.int64), self._done])

    def advance(self, losses: Tensor, gram: Tensor | None) -> None:
        """Go on to the next batch; an `update`."""
        self._done.assign_add(1)
