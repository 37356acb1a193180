"""A plain convolutional network in the manner of VGG."""

from functools import partial
from typing import Literal

import keras

from bn_study.errors import UsageError
from bn_study.plan.declared import layer_sites
from bn_study.plan.types import Activation, BelowOne, Count, Number, Positive
from bn_study.training.data import Data
from bn_study.training.layers import Dense
from bn_study.training.network import Chain, Network
from bn_study.training.pooling import max_pooling

CONVOLUTIONAL = True


def sites(*, blocks: list[list[Count]], dense: list[Count], **others: object) -> list[str]:
    """The sites of the hidden layers, which `build` makes for the same options."""
    return layer_sites(sum(map(len, blocks)) + len(dense))


def build(
    data: Data,
    norm,
    seed: int,
    *,
    blocks: list[list[Count]],
    pooling: Literal["max", "average"],
    dense: list[Count],
    activation: Activation,
    initializer: Literal["normal", "glorot", "he", "lecun"],
    initializer_scale: Positive,
    initializer_bias: Number,
    dropout: BelowOne,
    dropout_position: Literal["before", "after"],
    normalize_input: bool | Literal["only"],
) -> Network:
    """Blocks of 3x3 convolutions that keep the size, each ended by 2x2 pooling; then fully connected layers.

    norm: (name, seed) -> Normalizer. Raises UsageError if the data are not images, or too small for all poolings.
    """
    if len(data.shape) != 3:
        raise UsageError(
            f"model=cnn needs images, but an input of this data set has shape {data.shape}; take model=mlp"
        )
    if min(data.shape[:2]) < 2 ** len(blocks):
        raise UsageError(
            f"model.blocks: {len(blocks)} poolings need images of at least {2 ** len(blocks)} pixels a side, "
            f"these have {min(data.shape[:2])}; give fewer blocks"
        )
    chain = Chain(
        data.shape, norm, seed, activation, initializer, initializer_scale, initializer_bias, dropout, dropout_position,
        normalize_input,
    )  # fmt: skip
    pool = max_pooling if pooling == "max" else partial(keras.layers.AveragePooling2D, 2)
    for filters_of_block in blocks:
        for index, filters in enumerate(filters_of_block):
            last = index == len(filters_of_block) - 1
            chain.hidden(
                lambda filters=filters, **options: keras.layers.Conv2D(filters, 3, padding="same", **options),
                then=pool() if last else None,
            )
    chain.reshape(keras.layers.Flatten())
    for units in dense:
        chain.hidden(lambda units=units, **options: Dense(units, **options))
    return chain.output(data.outputs, xla=False)
