"""Training of the Gaussian process in GPflow; nothing else imports it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from msml.data.kinematics import Array
from msml.errors import DivergedError
from msml.recipe.schema_evaluation import Validity
from msml.training.chatter import quiet
from msml.training.environment import tensorflow
from msml.training.epoch import Batch, Step, Stream, Tensor, compile_epoch, epoch_order
from msml.validity.reference import (
    JITTER,
    Process,
    Reference,
    flat,
    robust_scaling,
    targets_of,
)

_KEY = "validity"
# Inputs are scaled to a spread of about 1 each. Where training starts matters little: centres of
# clusters of the events gave the same predictions, longer scales slightly worse ones.
_FIRST_LENGTHSCALE = math.log(2)


def train_reference(
    jets: Array,
    taus: Array,
    weight: Array,
    settings: Validity,
    after_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Reference:
    """Train the reference.

    Args:
        jets: `(events, objects, 4)` of the training events, transformed.
        taus: `(events, objects, 3)` true momenta.
        weight: `(events,)` with a mean of 1.
        settings: How.
        after_epoch: Told the epoch, from 1, and the mean loss in it; may raise to stop.

    Raises:
        DivergedError: If the loss is not finite any more.
    """
    inputs, targets = flat(jets), targets_of(taus, jets)
    scalings = robust_scaling(inputs, weight), robust_scaling(targets, weight)
    process = train_process(
        scalings[0].apply(inputs), scalings[1].apply(targets), weight, settings, after_epoch
    )
    return Reference(process, *scalings)


def train_process(
    inputs: Array,
    targets: Array,
    weight: Array,
    settings: Validity,
    after_epoch: Callable[[int, float], None] = lambda epoch, loss: None,
) -> Process:
    """Train a process on scaled `(events, inputs)` and `(events, outputs)`; see `train_reference`.

    It runs on the CPU also where there is a GPU, which matrices this small would keep waiting.
    """
    tf = tensorflow()
    with tf.device("/CPU:0"):
        model = _model(inputs, targets, settings)
        columns = {"inputs": inputs, "targets": targets, "weight": weight.astype(np.float64)}
        epoch = compile_epoch(
            _step(model, settings, len(inputs)),
            Stream({n: tf.constant(c) for n, c in columns.items()}, settings.batch_size),
            losses=1,
            xla=False,
        )
        for number in range(settings.epochs):
            order = epoch_order(len(inputs), settings.seed, _KEY, number)
            try:
                result = epoch(order)
            except tf.errors.InvalidArgumentError:  # a covariance that is not positive any more
                raise _diverged(number) from None
            if result.bad_batch >= 0:
                raise _diverged(number)
            after_epoch(number + 1, float(result.losses[0]))
        return _process(model)


def _diverged(number: int) -> DivergedError:
    return DivergedError(
        f"evaluate.validity: the reference diverged in epoch {number + 1}; "
        "try a smaller evaluate.validity.learning_rate"
    )


def _model(inputs: Array, targets: Array, settings: Validity) -> Any:
    """Build the process before training."""
    with quiet():
        import gpflow

    gpflow.config.set_default_jitter(JITTER)
    outputs = targets.shape[1]
    rng = np.random.default_rng(settings.seed)
    mixing = np.eye(outputs, settings.latents)
    if settings.latents > outputs:  # a latent process that no output sees would never be used
        mixing[:, outputs:] = rng.normal(size=(outputs, settings.latents - outputs))
    kernels = [
        gpflow.kernels.SquaredExponential(lengthscales=_FIRST_LENGTHSCALE)
        for _ in range(settings.latents)
    ]
    points = rng.uniform(size=(settings.latents, settings.inducing, inputs.shape[1]))
    return gpflow.models.SVGP(
        gpflow.kernels.LinearCoregionalization(kernels, W=mixing),
        gpflow.likelihoods.Gaussian(np.ones((1, outputs))),  # broadcast: a variance an output
        gpflow.inducing_variables.SeparateIndependentInducingVariables(
            [gpflow.inducing_variables.InducingPoints(each) for each in points]
        ),
        num_latent_gps=settings.latents,
        mean_function=gpflow.mean_functions.Constant(np.zeros(outputs)),
    )


def _step(model: Any, settings: Validity, events: int) -> Step:
    """Descend the negative evidence lower bound of an event, with event weights."""
    import keras

    tf = tensorflow()
    variables = list(model.trainable_variables)
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    optimizer.build(variables)

    def step(batch: Batch) -> Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            mean, variance = model.predict_f(batch["inputs"])
            fits = model.likelihood.variational_expectations(
                batch["inputs"], mean, variance, batch["targets"]
            )
            loss = model.prior_kl() / events - tf.reduce_mean(batch["weight"] * fits)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return tf.cast(loss, tf.float32)[None]

    return step


def _process(model: Any) -> Process:
    """Take the numbers out of a model."""
    kernels = model.kernel.kernels
    inducing = model.inducing_variable.inducing_variable_list
    return Process(
        inducing=np.stack([each.Z.numpy() for each in inducing]),
        lengthscale=np.array([kernel.lengthscales.numpy() for kernel in kernels]),
        variance=np.array([kernel.variance.numpy() for kernel in kernels]),
        mean=model.q_mu.numpy(),
        root=model.q_sqrt.numpy(),
        mixing=model.kernel.W.numpy(),
        offset=model.mean_function.c.numpy(),
        noise=model.likelihood.variance.numpy()[0],
    )
