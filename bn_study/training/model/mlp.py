"""A multilayer perceptron."""

from typing import Literal

import keras

from bn_study.plan.types import BelowOne, Count, Number, Positive
from bn_study.training.data import Data
from bn_study.training.network import Chain, Dense, Network


def build(
    data: Data,
    norm,
    seed: int,
    *,
    widths: list[Count],
    activation: Literal["sigmoid", "tanh", "relu", "linear"],
    initializer: Literal["normal", "glorot", "he", "lecun"],
    initializer_scale: Positive,
    initializer_bias: Number,
    dropout: BelowOne,
    dropout_position: Literal["before", "after"],
    normalise_input: bool,
) -> Network:
    """Fully connected hidden layers of the given widths, and a linear output.

    norm: (name, seed) -> Normalizer. Inputs of any shape are flattened.
    """
    chain = Chain(
        data.shape, norm, seed, activation, initializer, initializer_scale, initializer_bias, dropout, dropout_position,
        normalise_input,
    )  # fmt: skip
    if len(data.shape) > 1:
        chain.reshape(keras.layers.Flatten())
    for units in widths:
        chain.hidden(lambda units=units, **options: Dense(units, **options))
    return chain.output(data.classes or 1, xla=True)
