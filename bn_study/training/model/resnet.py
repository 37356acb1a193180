"""A residual network for small images (He et al. 2015, arXiv 1512.03385, Sec. 4.2; 2016, arXiv 1603.05027)."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import keras
from keras import ops

from bn_study.errors import UsageError
from bn_study.plan.declared import layer_sites
from bn_study.plan.types import Activation, BelowOne, Count, Counts, Number, Positive
from bn_study.training.data import Data
from bn_study.training.layers import Scalar
from bn_study.training.network import Chain, Network

CONVOLUTIONAL = True


def sites(*, filters: Counts, blocks: Count, preactivated: bool, shortcut: str, **others: object) -> list[str]:
    """The sites of the first convolution, of the two of each block, and of the projections that change the size."""
    ends = [3 + 2 * blocks * stage for stage in range(1, len(filters))]
    return layer_sites(1 + 2 * blocks * len(filters), ends if shortcut == "projection" else (), not preactivated)


def build(
    data: Data,
    norm,
    seed: int,
    *,
    filters: Counts,
    blocks: Count,
    preactivated: bool,
    shortcut: Literal["projection", "padding"],
    branch: Literal["zero_gamma", "skip_init", "fixup"] | None,
    activation: Activation,
    initializer: Literal["normal", "glorot", "he", "lecun"],
    initializer_scale: Positive,
    initializer_bias: Number,
    dropout: BelowOne,
    dropout_position: Literal["before", "after"],
    normalize_input: bool | Literal["only"],
) -> Network:
    """A 3x3 convolution; for each number of filters as many blocks of two; the mean over pixels; a linear output.

    norm: (name, seed) -> Normalizer. With three numbers of filters it has 6 blocks + 2 layers. From the second number
    on, the first block halves the image. preactivated: normalizer and nonlinearity stand before the convolutions, so
    that nothing stands on the stream. branch: how a block's branch starts, so that all blocks but those that change the
    size begin as nearly the identity.
      zero_gamma: the branch's last normalizer has gamma 0 (Goyal et al. 2017, arXiv 1706.02677, Sec. 5.1).
      skip_init: the branch ends with a learned factor that is 0 (De & Smith 2020, arXiv 2002.10444, Sec. 3).
      fixup: its last kernel and the output's are 0, its first is divided by the square root of the number of branches,
        and it ends with a learned factor that is 1 (Zhang et al. 2019, arXiv 1901.09321, Sec. 3.2; each map's bias
        takes the place of the single ones there).
    Raises UsageError if the data are no images, padding would drop filters, or there is no gamma that could be 0.
    """
    if len(data.shape) != 3:
        raise UsageError(f"model=resnet needs images, but an input of this data set has shape {data.shape}")
    if shortcut == "padding" and filters != sorted(filters):
        raise UsageError(f"model.filters={filters}: padding cannot make fewer filters; take model.shortcut=projection")
    chain = Chain(
        data.shape, norm, seed, activation, initializer, initializer_scale, initializer_bias, dropout, dropout_position,
        normalize_input,
    )  # fmt: skip
    chain.hidden(partial(keras.layers.Conv2D, filters[0], 3, padding="same"), preactivated=preactivated)
    start = _start(branch, blocks * len(filters))
    for stage, width in enumerate(filters):
        for block in range(blocks):
            _block(chain, width, bool(stage) and not block, preactivated, shortcut, start)
            if branch == "zero_gamma":
                _zero_gamma(chain, chain.length - preactivated, preactivated)
    chain.reshape(keras.layers.GlobalAveragePooling2D())
    return chain.output(data.outputs, xla=False, kernel_scale=0.0 if branch == "fixup" else 1.0)


@dataclass(frozen=True)
class _Start:
    """first, last: factors on a branch's initial kernels. factor: what its learned factor is at the start, if any."""

    first: float
    last: float
    factor: float | None


def _start(branch: str | None, branches: int) -> _Start:
    match branch:
        case "fixup":
            return _Start(branches**-0.5, 0.0, 1.0)
        case "skip_init":
            return _Start(1.0, 1.0, 0.0)
    return _Start(1.0, 1.0, None)


def _zero_gamma(chain: Chain, layer: int, preactivated: bool) -> None:
    normalizer = chain.normalizers.get(f"layer{layer}")
    gamma = getattr(normalizer, "gamma", None)
    if normalizer is None or gamma is None:
        raise UsageError("model.branch=zero_gamma needs a normalizer that learns gamma, such as norm=batch")
    if normalizer.placement == "after" and not preactivated:  # it stands on the sum, which would be 0, and stay so
        raise UsageError("model.branch=zero_gamma: set norm.placement=before or model.preactivated=true")
    gamma.assign(ops.zeros_like(gamma))


def _block(chain: Chain, width: int, halved: bool, preactivated: bool, shortcut: str, start: _Start) -> None:
    end, stream = chain.end, chain.stream if preactivated else chain.end
    if halved:
        chain.reshape(keras.layers.ZeroPadding2D(1))  # the middle pixel is then the shortcut's
    strides, padding = (2, "valid") if halved else (1, "same")
    chain.hidden(partial(keras.layers.Conv2D, width, 3, strides=strides, padding=padding), kernel_scale=start.first)
    if halved and shortcut == "projection":
        pixels = end[:, ::2, ::2]  # TensorFlow's strided 1x1 convolution corrupts memory where channels are few
        stream = chain.shortcut(partial(keras.layers.Conv2D, width, 1), pixels, normalized=not preactivated)
    elif halved:
        stream = ops.pad(stream[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], [0, width - stream.shape[-1]]])
    chain.hidden(
        partial(keras.layers.Conv2D, width, 3, padding="same"), add=stream, preactivated=preactivated,
        scaled=None if start.factor is None else Scalar(start.factor, name=f"layer{chain.length + 1}_factor"),
        kernel_scale=start.last,
    )  # fmt: skip
