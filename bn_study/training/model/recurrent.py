"""A recurrent network that reads an image row by row (Laurent et al. 2016; Cooijmans et al. 2016).

Sites of a layer: `linear` is Wx_t + b at all time steps, (batch, time, gates · units). The others are of the last step:
`pre` is what enters the layer's nonlinearity (of an LSTM the cell state c, of a GRU the candidate), `post` what leaves
it, `out` the state h after dropout. The next layer receives the states of all steps.

With `input_to_hidden` the normalizer stands on Wx_t (Laurent et al., arXiv 1510.01378), and b is left out where beta
stands in for it. With `hidden_to_hidden` it stands on Uh_(t-1), from the second step on, because h_0 = 0. Statistics of
each step are those of Cooijmans et al. (arXiv 1603.09025), who normalize both sums, and c_t on its way into φ. Uh
cannot be normalized over time steps together, because a step needs the one before: with `sequence` it is normalized
step by step in training, and by the mean of these statistics in inference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import keras
from keras import ops

from bn_study.errors import UsageError
from bn_study.plan.declared import layer_sites
from bn_study.plan.types import Activation, BelowOne, Count, Number, Positive
from bn_study.training import cells
from bn_study.training.cells import Cell
from bn_study.training.data import Data
from bn_study.training.layers import Dense, SquareBlocks, seed_of
from bn_study.training.network import Chain, Network
from bn_study.training.normalizer import Identity, Normalizer

CONVOLUTIONAL = False


def sites(*, units: list[Count], **others: object) -> list[str]:
    """The sites of the recurrent layers, which `build` makes for the same options."""
    return layer_sites(len(units))


def build(
    data: Data,
    norm,
    seed: int,
    *,
    units: list[Count],
    cell: Literal["simple", "lstm", "gru"],
    normalize: Literal["input_to_hidden", "hidden_to_hidden"],
    statistics: Literal["sequence", "step"],
    activation: Activation,
    initializer: Literal["normal", "glorot", "he", "lecun"],
    initializer_scale: Positive,
    initializer_bias: Number,
    recurrent_initializer: Literal["orthogonal", "identity"],
    dropout: BelowOne,
    dropout_position: Literal["before", "after"],
    normalize_input: bool | Literal["only"],
) -> Network:
    """Recurrent layers, one on another, that get a row of the image at each time step; a linear output of the last h.

    norm: (name, seed) -> Normalizer. A step gets all channels of its row. cell: the way from Wx_t + b and Uh_(t-1) to
    the state h_t, as in training/cells.py. normalize: which of the two passes the normalizer, for all gates together.
    statistics: `step`: of the examples at each time step; `sequence`: of the examples at all time steps together.
    Raises UsageError for inputs without rows, or with one where Uh is normalized, for a normalizer after the
    nonlinearity, and for one that cannot keep time steps apart.
    """
    _check_rows(data.shape, normalize)
    chain = Chain(
        data.shape, norm, seed, activation, initializer, initializer_scale, initializer_bias, dropout, dropout_position,
        normalize_input,
    )  # fmt: skip
    chain.reshape(keras.layers.Reshape((data.shape[0], -1)))
    kind, back = cells.KINDS[cell], normalize == "hidden_to_hidden"
    recurrence = _Recurrence(chain, kind, back, statistics == "step", recurrent_initializer)
    for width in units:
        chain.hidden(partial(_linear, kind.gates * width, biased=back), between=recurrence)
        chain.sites[f"layer{chain.length}/out"] = chain.end[:, -1]
        if statistics == "step":
            _check(chain.normalizers.get(f"layer{chain.length}"))
    chain.reshape(lambda states: states[:, -1])
    return chain.output(data.outputs, xla=cell != "lstm")  # which XLA compiles ten times as long and runs no faster


def _check_rows(shape: tuple[int, ...], normalize: str) -> None:
    if len(shape) < 2:
        raise UsageError(f"model=recurrent reads rows, but an input of this data set has shape {shape}")
    if normalize == "hidden_to_hidden" and shape[0] < 2:
        raise UsageError("model.normalize=hidden_to_hidden needs inputs of two rows or more")


def _linear(units: int, *, biased: bool, use_bias: bool, **options: Any) -> Dense:
    """Wx+b. biased: it has b although a normalizer follows, because that is not the normalizer of Wx."""
    return Dense(units, use_bias=use_bias or biased, **options)


def _check(normalizer: Normalizer | None) -> None:
    """Raises UsageError for a normalizer that would mix the statistics of time steps."""
    if normalizer is not None and normalizer.statistics and not normalizer.separates_time_steps:
        raise UsageError(
            f"model.statistics=step: {type(normalizer).__name__} keeps one mean and variance for all time steps; take "
            "norm=batch or model.statistics=sequence"
        )


@dataclass(frozen=True)
class _Recurrence:
    """The way from Wx+b, (batch, time, gates · units), to the states of a layer, (batch, time, units).

    It is written out step by step, because a loop of TensorFlow would hide the calls of a normalizer. back: whether Uh
    is normalized instead of Wx. by_step: whether each time step has statistics of its own. start: of U.
    """

    chain: Chain
    cell: Cell
    back: bool
    by_step: bool
    start: Literal["orthogonal", "identity"]

    def __call__(self, name: str, product: Any, enter: Callable, leave: Callable) -> tuple[Any, Any, Any]:
        times, width = product.shape[1:]
        apart = self._set_up(name, times - self.back)
        recurrent = self.chain.layer(partial(self._recurrent, width), f"{name}_back", use_bias=False)
        nonlinearity = self.chain.nonlinearity(name)

        def normalized(value, time):
            return enter(value, time=time) if apart else enter(value)

        if not self.back and not self.by_step:
            product = enter(product)
        rows = ops.unstack(product, axis=1)  # the gradient of a slice for each step would be as large as all of them
        back = ops.zeros_like(rows[0])
        pre, post, memory = None, None, back[:, : width // self.cell.gates]
        states: list[Any] = []
        for time, forward in enumerate(rows):
            if not self.back and self.by_step:
                forward = normalized(forward, time)
            if time:
                back = recurrent(states[-1])
                back = normalized(back, time - 1) if self.back else back
            pre, post, state, memory = self.cell.step(forward, back, memory, nonlinearity)
            states.append(state)
        return pre, post, leave(ops.stack(states, axis=1))

    def _set_up(self, name: str, steps: int) -> bool:
        """Have the layer's normalizer keep statistics of so many steps. Returns whether it will."""
        normalizer = self.chain.normalizers.get(name)
        if normalizer is None or isinstance(normalizer, Identity):
            return False
        if normalizer.placement == "after":
            raise UsageError(
                "norm.placement=after: a normalizer in model=recurrent stands on a sum that enters the nonlinearity; "
                "set norm.placement=before"
            )
        if self.by_step and normalizer.separates_time_steps:
            normalizer.time_steps = steps
            return True
        return False

    def _recurrent(self, width: int, *, name: str, **options: Any) -> Dense:
        blocks = SquareBlocks(self.start, seed_of(self.chain.seed, name))
        return Dense(width, name=name, **options | {"kernel_initializer": blocks})
