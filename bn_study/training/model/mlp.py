"""A multilayer perceptron."""

from typing import Literal

import keras

from bn_study.plan.declared import layer_sites
from bn_study.plan.types import Activation, BelowOne, Count, Number, Positive
from bn_study.training.data import Data
from bn_study.training.layers import Dense
from bn_study.training.network import Chain, Network

CONVOLUTIONAL = False


def sites(*, widths: list[Count], **others: object) -> list[str]:
    """The sites of the hidden layers, which `build` makes for the same options."""
    return layer_sites(len(widths))


def build(
    data: Data,
    norm,
    seed: int,
    *,
    widths: list[Count],
    activation: Activation,
    initializer: Literal["normal", "glorot", "he", "lecun"],
    initializer_scale: Positive,
    initializer_bias: Number,
    dropout: BelowOne,
    dropout_position: Literal["before", "after"],
    normalize_input: bool | Literal["only"],
    residual: bool | None,
) -> Network:
    """Fully connected hidden layers of the given widths, and a linear output.

    norm: (name, seed) -> Normalizer. Inputs of any shape are flattened.

    residual: from the second hidden layer on, where it is as wide as the one before, z <- z + norm(W f(z) + b), or
    z + W norm(f(z)) + b with the normalizer after the activation: the stream z is what enters the nonlinearities, and
    no activation or normalizer stands on it (He et al. 2016, arXiv 1603.05027, Fig. 4d). Sites of such a layer:
    `linear` the branch before its normalizer, `pre` the stream after the addition, `post` and `out` f of it. With ReLU
    and He's initialization the variance of the stream doubles in each layer; normalized branches add one to it in each.
    """
    chain = Chain(
        data.shape, norm, seed, activation, initializer, initializer_scale, initializer_bias, dropout, dropout_position,
        normalize_input,
    )  # fmt: skip
    if len(data.shape) > 1:
        chain.reshape(keras.layers.Flatten())
    for units in widths:
        add = chain.stream if residual and chain.length and chain.stream.shape[-1] == units else None
        chain.hidden(lambda units=units, **options: Dense(units, **options), add=add)
    return chain.output(data.outputs, xla=True)
