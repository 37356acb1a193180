"""Evaluate a network between two training steps without changing a variable or drawing a random number.

A normalizer's statistics at inference are a choice. Each choice gives a metric of the same run, never a separate arm:

* `reestimated`: of training examples, passed through the network as it is now (all normalizers use these examples);
* `moving`: the moving averages that training left behind; `moving_unbiased`: with the variance times m/(m-1);
* `batch`: each batch of evaluated examples as a training step would normalize it, by its own statistics (or those of
  its groups), dropout and noise off.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from bn_study.plan.declared import SOURCES
from bn_study.training.data import Data, Split
from bn_study.training.network import Network
from bn_study.training.scoring import Scorer

Made = TypeVar("Made")


class Evaluator:
    """Compiled forward passes of one network."""

    def __init__(self, network: Network, data: Data) -> None:
        self.network = network
        self.data = data
        self.variables = network.averages
        inputs = tf.TensorSpec((None, *data.shape), tf.float32)
        statistics = [tf.TensorSpec(variable.shape, tf.float32) for variable in self.variables]
        # XLA draws different random numbers, and this noise must be the noise that the training loop draws
        xla = network.xla and network.noisy
        self.observe = tf.function(self._observe, input_signature=(inputs, statistics), jit_compile=xla or None)
        self.estimate = tf.function(self._estimate, input_signature=(inputs,))
        self.estimate_with_noise = tf.function(
            self._estimate_with_noise, input_signature=(inputs,), jit_compile=xla or None
        )
        self._slices: dict[tuple[str, int], Split] = {}
        self._inputs: dict[tuple[str, int], tf.Tensor] = {}
        self._made: dict[Callable, Any] = {}
        self.score = Scorer(network, data, self.slice)

    def once(self, make: Callable[[Network, Data], Made]) -> Made:
        """What `make` makes for this network, made at the first call: compiled functions of a probe, say."""
        if make not in self._made:
            self._made[make] = make(self.network, self.data)
        return self._made[make]

    def slice(self, split: str, count: int | None) -> Split:
        """A fixed part of a split, or all of it."""
        whole: Split = getattr(self.data, split)
        key = split, len(whole) if count is None else count
        if key not in self._slices:
            self._slices[key] = whole.slice(key[1])
        return self._slices[key]

    def inputs(self, split: str, count: int | None) -> tf.Tensor:
        """The inputs of that part, as a tensor that stays in memory."""
        part = self.slice(split, count)
        key = split, len(part)
        if key not in self._inputs:
            self._inputs[key] = tf.constant(part.inputs)
        return self._inputs[key]

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
        self._seen: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of statistics that this network distinguishes."""
        return SOURCES if self.network.statistics else SOURCES[:1]

    @cached_property
    def reestimated(self) -> list:
        """Statistics of fixed training examples in one forward pass, each layer seeing the others normalized so."""
        if not self.network.statistics:
            return []
        return self.evaluator.estimate(self.evaluator.inputs("train", self._reestimate))

    def statistics(self, source: str) -> list:
        """The values that stand for the normalizers' means and variances, in pairs."""
        if source == "reestimated":
            return self.reestimated
        factor = 1.0
        values = []
        for layer in self.network.normalizers:
            for mean, variance in layer.statistics:
                if source == "moving_unbiased":
                    m = self.network.values(layer, self.batch_size)  # as Keras 3, we average the biased variance
                    factor = m / max(m - 1, 1)
                values += [mean.value, variance.value * factor]
        return values

    def scores(
        self, counts: Mapping[str, int | None], sources: Sequence[str]
    ) -> dict[tuple[str, str], tuple[float, float]]:
        """(split, source) -> mean loss and accuracy over fixed examples. Accuracy is NaN for a regression.

        counts: split -> number of examples; None for all. With the source `batch`, batches have the size of training's,
        and an incomplete last one is left out.
        """
        if not sources:
            return {}
        given = [source for source in sources if source != "batch"]
        means = [self.evaluator.score(counts, [self.statistics(source) for source in given])] if given else []
        if "batch" in sources:
            means.append(self.evaluator.score.by_batch(counts, self.batch_size))
            given.append("batch")
        table = np.concatenate(means, axis=1).tolist()
        return {(split, source): tuple(table[i][j]) for i, split in enumerate(counts) for j, source in enumerate(given)}

    def training_loss(self) -> float:
        """The loss of one fixed batch of training examples as training would see it next, but for dropout and noise."""
        return self.scores({"train": self.batch_size}, ["batch"])["train", "batch"][0]

    def sites(self, split: str, count: int) -> dict[str, np.ndarray]:
        """Values at every site for fixed examples, with re-estimated statistics: (count, ...) each, to be read only.

        Layers are seen as training sees them: where a normalizer adds noise, with the noise that the next step would
        draw, and with statistics that were re-estimated under it. Sites with the same values may be the same array.
        """
        observed = self._observed(split, count)
        return {site: observed[site] for site in self.network.sites}

    def outputs(self, split: str, count: int) -> np.ndarray:
        """Logits or values for fixed examples, seen as in `sites`: (count, classes) or (count, outputs)."""
        return self._observed(split, count)["output"]

    def _observed(self, split: str, count: int) -> dict[str, np.ndarray]:
        """Computed once for all probes, as views of the tensors; where two share their memory, the view is the same."""
        if (split, count) not in self._seen:
            tensors = self.evaluator.observe(self.evaluator.inputs(split, count), self._estimated_with_noise)
            views = {site: np.asarray(tensor) for site, tensor in tensors.items()}
            unique = {(view.ctypes.data, view.shape): view for view in views.values()}
            self._seen[split, count] = {site: unique[view.ctypes.data, view.shape] for site, view in views.items()}
        return self._seen[split, count]

    @cached_property
    def _estimated_with_noise(self) -> list:
        if not (self.network.noisy and self.network.statistics):
            return self.reestimated
        return self.evaluator.estimate_with_noise(self.evaluator.inputs("train", self._reestimate))
