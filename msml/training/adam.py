"""Adam in one operation for each variable, where Keras's takes a dozen."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from msml.training.environment import tensorflow


@cache
def fused_adam(name: str) -> Any:
    """Make a class that does what Keras's optimizer of that name does, `adam` or `adamw`.

    Its arguments are those of Keras's, without `amsgrad`. It differs in the last digits: small
    models spend much of their time in starting operations, large ones in passing over memory.
    """
    import keras

    tf = tensorflow()
    base: Any = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[name]

    class Fused(base):  # type: ignore[misc]
        def _backend_update_step(
            self, gradients: Sequence[Any], variables: Sequence[Any], learning_rate: Any
        ) -> None:
            """Change variables and their moments."""
            kinds = {variable.dtype for variable in variables}
            numbers = {kind: self._numbers(kind, learning_rate) for kind in kinds}
            for gradient, variable in zip(gradients, variables, strict=True):
                kind, index = variable.dtype, self._get_variable_index(variable)
                tf.raw_ops.ResourceApplyAdam(
                    var=variable.value.handle,
                    m=self._momentums[index].value.handle,
                    v=self._velocities[index].value.handle,
                    # Of an embedding it is sparse.
                    grad=tf.cast(tf.convert_to_tensor(gradient), kind),
                    **numbers[kind],
                )

        def _numbers(self, kind: Any, learning_rate: Any) -> dict[str, Any]:
            """What variables share in a step; small models feel it if each computes it anew."""
            step = tf.cast(keras.ops.convert_to_tensor(self.iterations), kind) + 1
            beta_1, beta_2 = (tf.cast(beta, kind) for beta in (self.beta_1, self.beta_2))
            return {
                "beta1_power": beta_1**step,
                "beta2_power": beta_2**step,
                "lr": tf.cast(learning_rate, kind),
                "beta1": beta_1,
                "beta2": beta_2,
                "epsilon": tf.cast(self.epsilon, kind),
            }

    return Fused
