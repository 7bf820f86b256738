"""Rules made for tests, and gradients to try them on."""

import numpy as np
import tensorflow as tf

from msml.training.environment import tensorflow
from msml.weighting.rule import Tasks, make_weighting

tensorflow()

ALL = {
    "fixed": {"name": "fixed"},
    "random": {"name": "random"},
    "seed": {"name": "uncertainty", "learning_rate": 0.01},
    "kendall": {"name": "uncertainty", "form": "kendall", "learning_rate": 0.01},
    "log1p": {"name": "uncertainty", "form": "log1p", "learning_rate": 0.01},
    "dwa": {"name": "dwa"},
    "gradnorm": {"name": "gradnorm"},
    "imtl-g": {"name": "imtl"},
    "imtl-l": {"name": "imtl", "form": "L", "learning_rate": 0.01},
    "mgda": {"name": "mgda"},
    "cagrad": {"name": "cagrad"},
    "pcgrad": {"name": "pcgrad"},
    "famo": {"name": "famo"},
}
ON_GRADIENTS = ("gradnorm", "imtl-g", "mgda", "cagrad", "pcgrad")


def rule(name, count=2, classification=(), seed=3, **arguments):
    classes = tuple(classification) or (False,) * count
    tasks = Tasks((1 / count,) * count, classes, seed)
    return make_weighting({**ALL[name], **arguments}, tasks)


def gram(gradients):
    gradients = np.asarray(gradients, np.float64)
    return tf.constant(gradients @ gradients.T, tf.float32)


def coefficients(weighting, gradients, losses=None):
    gradients = np.asarray(gradients, np.float64)
    losses = np.ones(len(gradients)) if losses is None else losses
    return weighting.coefficients(tf.constant(losses, tf.float32), gram(gradients)).numpy()


def run(weighting, losses, gradients=None, steps=1, xla=False):
    """Update a rule so many times with the same losses and gradients."""
    losses = tf.constant(losses, tf.float32)
    matrix = None if gradients is None else gram(gradients)
    step = tf.function(lambda: weighting.update(losses, matrix), jit_compile=xla, autograph=False)
    for _ in range(steps):
        step()
    return weighting.coefficients(losses, matrix).numpy()
