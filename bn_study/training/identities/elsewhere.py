"""Facts that need no normalizer: nonlinearities of standard normal values, and code samples of a source."""

import ast

import keras
import numpy as np
from scipy import integrate, stats

from bn_study.training.distribution import described
from bn_study.training.identities.case import Case, Fact

SAMPLE = """model.add(Conv2D(6, 5, input_shape=(28, 28, 3)
                 activation='relu'))"""
"""From the source's convolutional network, where a comma is missing after `input_shape`."""


def standard_normal(case: Case) -> Fact:
    """Absolute errors of the probe `saturation` for nonlinearities of N(0, 1), against the integrals."""
    z = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000).astype(np.float32)[:, None]
    records = {name: dict(described(name, z, np.asarray(keras.layers.Activation(name)(z)), 20)) for name in SLOPES}
    yield "tanh_saturation", "", float(abs(records["tanh"]["share"] - 2 * stats.norm.sf(np.arctanh(0.9))))
    for name, (slope, largest) in SLOPES.items():
        expected, _ = integrate.quad(lambda x, slope=slope: slope(x) * stats.norm.pdf(x), -12, 12)
        yield f"{name}_derivative", "", float(abs(largest * records[name]["derivative"] - expected))


SLOPES = {
    "tanh": (lambda x: 1 / np.cosh(x) ** 2, 1.0),
    "sigmoid": (lambda x: 1 / (2 * np.cosh(x / 2)) ** 2, 0.25),
}
"""f'(x), and its maximum."""


def code_samples(case: Case) -> Fact:
    """Whether a sample like the source's parses (1 or 0), and the output ranks of two networks (a classifier has 2)."""
    try:
        ast.parse(SAMPLE)
        yield "sample_parses", "", 1.0
    except SyntaxError:
        yield "sample_parses", "", 0.0
    images, row = keras.Input((28, 28, 3)), keras.Input((1, 5))
    convolved = keras.layers.Conv2D(6, 5, activation="relu", kernel_initializer="zeros")(images)
    pooled = keras.layers.BatchNormalization()(keras.layers.MaxPooling2D()(convolved))
    yield "sample_output_rank", "", float(len(_classes(pooled).shape))
    hidden = keras.layers.Dense(6, activation="relu", kernel_initializer="zeros")(row)
    yield "sample_mlp_rank", "", float(len(_classes(keras.layers.BatchNormalization()(hidden)).shape))


def _classes(values):
    return keras.layers.Dense(2, activation="softmax", kernel_initializer="zeros")(values)
