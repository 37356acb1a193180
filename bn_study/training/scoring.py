"""Loss and accuracy of fixed examples, with several sources of statistics, in one compiled call.

The examples of all splits are one tensor that stays in memory, and the compiled function walks over it in chunks. Each
chunk goes through the network once for every source. What does not depend on the source, such as the first layer's Wx,
is computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from bn_study.training import loss
from bn_study.training.data import Data, Split
from bn_study.training.network import Network
from bn_study.training.widening import widening

_CHUNK = {True: 1000, False: 100}
"""Examples of one forward pass, for compiled MLPs and for others: the values of more would leave the cache."""


class _Examples(NamedTuple):
    """Fixed examples of several splits. chunks: first and end of each. firsts: the first chunk of each split."""

    inputs: tf.Tensor
    targets: tf.Tensor
    chunks: np.ndarray
    firsts: list[int]


class Scorer:
    """Scores one network; the examples and what was compiled for them are kept."""

    def __init__(self, network: Network, data: Data, part: Callable[[str, int | None], Split]) -> None:
        """part: fixed examples of a split, by their number; None for all."""
        self._network, self._data, self._part = network, data, part
        self._widened = widening(data)
        self._averages = network.averages
        self._examples: dict[object, _Examples] = {}
        self._walks: dict[object, tf.types.experimental.PolymorphicFunction] = {}

    def __call__(self, counts: Mapping[str, int | None], statistics: Sequence[list]) -> np.ndarray:
        """Mean loss and accuracy, (splits, sources, 2). Accuracy is NaN for a regression.

        counts: split -> number of examples; None for all. statistics: for each source what stands for the normalizers'
        means and variances. The number of sources is compiled in, so another one takes longer the first time.
        """
        size = _CHUNK[self._network.xla]
        examples = self._kept(counts, lambda count: [*range(0, count, size), count])
        return self._means(examples, self._walk(examples, len(statistics))(*examples[:3], list(statistics)))

    def by_batch(self, counts: Mapping[str, int | None], batch_size: int) -> np.ndarray:
        """The same of one source, the statistics of each batch. An incomplete last batch is left out."""

        def bounds(count: int) -> list[int]:
            size = min(batch_size, count)
            size -= size % min(size, self._network.group_size)
            return list(range(0, count + 1, size))

        examples = self._kept(counts, bounds, batch_size)
        return self._means(examples, self._walk(examples, None)(*examples[:3]))

    def _kept(
        self, counts: Mapping[str, int | None], bounds: Callable[[int], list[int]], batch_size: int | None = None
    ) -> _Examples:
        key = tuple(counts.items()), batch_size
        if key not in self._examples:
            parts = [self._part(*one) for one in counts.items()]
            whole = set(counts.values()) == {None}  # so large that bytes are worth a compiled function of their own
            inputs = tf.constant(np.concatenate([part.stored if whole else part.inputs for part in parts]))
            targets = tf.constant(np.concatenate([part.targets for part in parts]))
            chunks: list[tuple[int, int]] = []
            firsts, offset = [], 0
            for part in parts:
                firsts.append(len(chunks))
                chunks += [(offset + start, offset + end) for start, end in pairwise(bounds(len(part)))]
                offset += len(part)
            self._examples[key] = _Examples(inputs, targets, np.array(chunks, np.int32), firsts)
        return self._examples[key]

    def _means(self, examples: _Examples, sums: tf.Tensor) -> np.ndarray:
        """sums: (chunks, sources, 2)."""
        totals = [one.sum(axis=0) for one in np.split(sums.numpy(), examples.firsts[1:])]
        counts = [one.sum() for one in np.split(np.diff(examples.chunks), examples.firsts[1:])]
        return np.asarray(totals, float) / np.reshape(counts, (-1, 1, 1))

    def _walk(self, examples: _Examples, sources: int | None) -> tf.types.experimental.PolymorphicFunction:
        """The compiled function for examples of this type. sources: their number; None for each batch's statistics."""
        key = examples.inputs.dtype, sources
        if key not in self._walks:
            shapes = [(one.dtype, (None, *one.shape[1:])) for one in examples[:3]]
            signature: list[Any] = [tf.TensorSpec(shape, dtype) for dtype, shape in shapes]
            if sources is not None:
                signature.append([[tf.TensorSpec(one.shape, tf.float32) for one in self._averages]] * sources)
            self._walks[key] = tf.function(self._all_sums, input_signature=signature, autograph=False)
        return self._walks[key]

    def _all_sums(self, inputs, targets, chunks, statistics=None):
        def sums(chunk):
            here = self._widened(inputs[chunk[0] : chunk[1]]), targets[chunk[0] : chunk[1]]
            return self._sums_of_batch(*here) if statistics is None else self._sums(*here, statistics)

        shape = (1 if statistics is None else len(statistics), 2)
        return tf.map_fn(sums, chunks, parallel_iterations=1, fn_output_signature=tf.TensorSpec(shape, tf.float32))

    def _sums(self, inputs, targets, statistics):
        # every variable is read once, else the compiler would not see what the sources share
        weights = [(variable, tf.convert_to_tensor(variable.value)) for variable in self._network.model.variables]
        found = []
        for values in statistics:
            given = list(zip(self._averages, values, strict=True))
            with keras.StatelessScope(state_mapping=[*weights, *given]):
                found.append(self._scores(targets, self._network.model(inputs, training=False)))
        return tf.stack(found)

    def _sums_of_batch(self, inputs, targets):
        with keras.StatelessScope(), self._network.as_training():
            return self._scores(targets, self._network.model(inputs, training=False))[tf.newaxis]

    def _scores(self, targets, outputs):
        losses = tf.reduce_sum(loss.per_example(self._data)(targets, outputs))
        right = tf.constant(np.nan) if self._data.classes is None else tf.reduce_sum(loss.correct(targets, outputs))
        return tf.stack([losses, right])
