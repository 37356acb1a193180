"""Evaluate a network between two training steps without changing a variable or drawing a random number.

A normalizer's statistics at inference are a choice. Each choice gives a metric of the same run, never a separate arm:

* `reestimated`: of training examples, passed through the network as it is now (all normalizers use these examples);
* `moving`: the moving averages that training left behind; `moving_unbiased`: with the variance times m/(m-1);
* `batch`: each batch of evaluated examples as a training step would normalize it, by its own statistics (or those of
  its groups), dropout and noise off.
"""

from collections.abc import Iterator
from functools import cached_property, partial

import keras
import numpy as np
import tensorflow as tf

from bn_study.plan.declared import SOURCES
from bn_study.training import loss
from bn_study.training.data import Data, Split
from bn_study.training.network import Network

_CHUNK = {True: 1000, False: 100}
"""Examples of one forward pass, for compiled MLPs and for others: the values of more would leave the cache."""


class Evaluator:
    """Compiled forward passes of one network, with statistics handed in as values."""

    def __init__(self, network: Network, data: Data) -> None:
        self.network = network
        self.data = data
        self.variables = [variable for pair in network.statistics for variable in pair]
        inputs = tf.TensorSpec((None, *data.shape), tf.float32)
        targets = tf.TensorSpec((None, *data.train.targets.shape[1:]), data.train.targets.dtype)
        statistics = [tf.TensorSpec(variable.shape, tf.float32) for variable in self.variables]
        self.score = tf.function(self._score, input_signature=(inputs, targets, statistics))
        # XLA draws different random numbers, and this noise must be the noise that the training loop draws
        xla = network.xla and network.noisy
        self.observe = tf.function(self._observe, input_signature=(inputs, statistics), jit_compile=xla or None)
        self.estimate = tf.function(self._estimate, input_signature=(inputs,))
        self.estimate_with_noise = tf.function(
            self._estimate_with_noise, input_signature=(inputs,), jit_compile=xla or None
        )
        self.score_batch = tf.function(self._score_batch, input_signature=(inputs, targets))
        self._slices: dict[tuple[str, int], Split] = {}

    def slice(self, split: str, count: int | None) -> Split:
        """A fixed part of a split, or all of it."""
        whole: Split = getattr(self.data, split)
        key = split, len(whole) if count is None else count
        if key not in self._slices:
            self._slices[key] = whole.slice(key[1])
        return self._slices[key]

    def _score(self, inputs, targets, statistics):
        with keras.StatelessScope(state_mapping=list(zip(self.variables, statistics, strict=True))):
            outputs = self.network.model(inputs, training=False)
        return self._sums(targets, outputs)

    def _score_batch(self, inputs, targets):
        with keras.StatelessScope(), self.network.as_training():
            outputs = self.network.model(inputs, training=False)
        return self._sums(targets, outputs)

    def _sums(self, targets, outputs):
        losses = tf.reduce_sum(loss.per_example(self.data)(targets, outputs))
        right = tf.constant(np.nan) if self.data.classes is None else tf.reduce_sum(loss.correct(targets, outputs))
        return losses, right

    def _observe(self, inputs, statistics):
        mapping = list(zip(self.variables, statistics, strict=True))
        with keras.StatelessScope(state_mapping=mapping), self.network.showing_noise():
            return self.network.observed(inputs, training=False)

    def _estimate(self, inputs):
        with keras.StatelessScope() as scope, self.network.estimating():
            self.network.model(inputs, training=False)
        return [scope.get_current_value(variable) for variable in self.variables]

    def _estimate_with_noise(self, inputs):
        with self.network.showing_noise():
            return self._estimate(inputs)


class Evaluation:
    """What a probe may read at one measuring point.

    step: the optimizer step it follows. final: whether it is the run's last one.
    """

    def __init__(self, evaluator: Evaluator, batch_size: int, reestimate: int, step: int, final: bool) -> None:
        self.evaluator = evaluator
        self.network = evaluator.network
        self.data = evaluator.data
        self.batch_size = batch_size
        self.step = step
        self.final = final
        self._reestimate = reestimate

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of statistics that this network distinguishes."""
        return SOURCES if self.network.statistics else SOURCES[:1]

    @cached_property
    def reestimated(self) -> list:
        """Statistics of fixed training examples in one forward pass, each layer seeing the others normalized so."""
        if not self.network.statistics:
            return []
        return self.evaluator.estimate(self.evaluator.slice("train", self._reestimate).inputs)

    def statistics(self, source: str) -> list:
        """The values that stand for the normalizers' means and variances, in pairs."""
        if source == "reestimated":
            return self.reestimated
        factor = 1.0
        values = []
        for layer in self.network.normalizers:
            if source == "moving_unbiased":
                m = layer.values(self.batch_size)  # as Keras 3, we average the biased variance
                factor = m / max(m - 1, 1)
            for mean, variance in layer.statistics:
                values += [mean.value, variance.value * factor]
        return values

    def loss_and_accuracy(self, split: str, count: int | None, source: str) -> tuple[float, float]:
        """Means over `count` fixed examples of a split (None: all). Accuracy is NaN for a regression.

        With the source `batch`, batches have the size of training's, and an incomplete last one is left out.
        """
        part = self.evaluator.slice(split, count)
        if source == "batch":
            size = min(self.batch_size, len(part))
            size -= size % min(size, self.network.group_size)
            used, score = len(part) // size * size, self.evaluator.score_batch
        else:
            size, used = _CHUNK[self.network.xla], len(part)
            score = partial(self.evaluator.score, statistics=self.statistics(source))
        sums = np.sum([score(inputs, targets) for inputs, targets in _chunks(part, used, size)], axis=0)
        return float(sums[0]) / used, float(sums[1]) / used

    def training_loss(self) -> float:
        """The loss of one fixed batch of training examples as training would see it next, but for dropout and noise."""
        return self.loss_and_accuracy("train", self.batch_size, "batch")[0]

    def sites(self, split: str, count: int) -> dict[str, np.ndarray]:
        """Values at every site for fixed examples, with re-estimated statistics: (count, ...) each.

        Layers are seen as training sees them: where a normalizer adds noise, with the noise that the next step would
        draw, and with statistics that were re-estimated under it.
        """
        observed = self._observed(split, count)
        return {site: observed[site].numpy() for site in self.network.sites}

    def outputs(self, split: str, count: int) -> np.ndarray:
        """Logits or values for fixed examples, seen as in `sites`: (count, classes) or (count, 1)."""
        return self._observed(split, count)["output"].numpy()

    def _observed(self, split: str, count: int) -> dict:
        return self.evaluator.observe(self.evaluator.slice(split, count).inputs, self._estimated_with_noise)

    @cached_property
    def _estimated_with_noise(self) -> list:
        if not (self.network.noisy and self.network.statistics):
            return self.reestimated
        return self.evaluator.estimate_with_noise(self.evaluator.slice("train", self._reestimate).inputs)


def _chunks(part: Split, used: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, used, size):
        stop = min(start + size, used)
        yield part.inputs[start:stop], part.targets[start:stop]
