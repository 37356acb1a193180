"""Batch normalization as a class, which several files in norm/ extend."""

from typing import Any, Literal

import keras
import tensorflow as tf
from keras import ops

from bn_study.errors import UsageError
from bn_study.training.batches import not_in_groups
from bn_study.training.normalizer import Normalizer
from bn_study.training.roots import reciprocal_root


class BatchNormalization(Normalizer):
    """Normalize each feature by the mean and variance of the batch, then scale by gamma and shift by beta.

    Statistics are per feature of the last axis: per unit after a dense layer, per feature map after a convolution
    (Ioffe & Szegedy 2015, Sec. 3.2). Training uses the batch's biased variance (Alg. 1). Inference uses the moving
    averages, which track the biased variance, as in Keras 3; Alg. 2 uses the unbiased one, and `curves` reports both.

    If a forward pass calls the layer several times, at every time step, say, each call is normalized by its own batch
    in training, and the mean over the calls of their means and of their variances counts as the batch's, in the moving
    averages and when statistics are re-estimated. With `time_steps` each of them has a mean and a variance of its own,
    and all share gamma and beta (Cooijmans et al. 2016, arXiv 1603.09025).

    initial_scale: what every gamma starts from; None is 1.
    """

    replaces_bias = True  # the mean is subtracted per feature
    averages_calls = True
    separates_time_steps = True

    def __init__(
        self,
        *,
        name: str,
        placement: Literal["before", "after"],
        momentum: float,
        epsilon: float,
        center: bool,
        scale: bool,
        initial_scale: float | None = None,
    ) -> None:
        super().__init__(name=name)
        self.placement = placement
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.initial_scale = initial_scale

    def build(self, shape: tuple[int | None, ...]) -> None:
        features = (shape[-1],)
        start = "ones" if self.initial_scale is None else keras.initializers.Constant(self.initial_scale)
        self.gamma = self.add_weight(name="gamma", shape=features, initializer=start) if self.scale else None
        self.beta = self.add_weight(name="beta", shape=features, initializer="zeros") if self.center else None
        self._moving = [self._pair(features, f"_{time}" if time else "") for time in range(self.time_steps)]
        self.moving_mean, self.moving_variance = self._moving[0]

    def _pair(self, features: tuple[int | None, ...], suffix: str) -> tuple[keras.Variable, keras.Variable]:
        return (
            self.add_weight(name=f"moving_mean{suffix}", shape=features, initializer="zeros", trainable=False),
            self.add_weight(name=f"moving_variance{suffix}", shape=features, initializer="ones", trainable=False),
        )

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return list(self._moving)

    def call(self, inputs, training=False, time=0):
        moving_mean, moving_variance = self._moving[time]
        if self.estimating:
            outputs, mean, variance = self._by_batch(inputs)
            moving_mean.assign(self.over_calls(moving_mean, mean)[1])
            moving_variance.assign(self.over_calls(moving_variance, variance)[1])
            return outputs
        if training or self.as_training:
            return self._train(inputs, moving_mean, moving_variance)
        return self._affine(inputs, moving_mean, moving_variance)

    def _train(self, inputs, moving_mean: keras.Variable, moving_variance: keras.Variable):
        """The outputs of a training step, which updates these moving averages. Subclasses override this."""
        outputs, mean, variance = self._by_batch(inputs)
        self._average(moving_mean, mean)
        self._average(moving_variance, variance)
        return outputs

    def _by_batch(self, inputs):
        """Outputs normalized by the whole batch, and its mean and biased variance."""
        return self._fused(inputs) if len(inputs.shape) == 4 else self._portable(inputs)

    def _portable(self, inputs):
        mean, variance = ops.moments(inputs, axes=tuple(range(len(inputs.shape) - 1)))
        return self._affine(inputs, mean, variance), mean, variance

    def _fused(self, images):
        """The same by TensorFlow's fused operation, which makes fewer passes over the images, forward and backward."""
        features = images.shape[-1]
        gamma = ops.ones(features) if self.gamma is None else self.gamma
        beta = ops.zeros(features) if self.beta is None else self.beta
        nothing = ops.zeros(0)  # no given statistics: use the batch's
        outputs, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=images, scale=gamma, offset=beta, mean=nothing, variance=nothing, epsilon=self.epsilon
        )
        count = ops.cast(ops.size(images) // features, "float32")
        return outputs, mean, unbiased * ((count - 1.0) / count)

    def _affine(self, inputs, mean, variance):
        factor = reciprocal_root(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * self.gamma
        shift = -mean * factor
        if self.beta is not None:
            shift = shift + self.beta
        return inputs * factor + shift

    def _average(self, moving: keras.Variable, value: Any) -> None:
        before, value = self.over_calls(moving, value)
        moving.assign(before * self.momentum + value * (1.0 - self.momentum))


class CountedBatchNormalization(BatchNormalization):
    """Batch normalization that counts its training steps, so that what it does can depend on them."""

    averages_calls = separates_time_steps = False  # the number of steps is that of a single call

    def build(self, shape: tuple[int | None, ...]) -> None:
        super().build(shape)
        self.steps = self.add_weight(name="steps", shape=(), dtype="int64", initializer="zeros", trainable=False)


def in_groups(inputs: Any, group_size: int | None) -> tuple[Any, Any, Any]:
    """Consecutive examples in groups, with the moments of each feature in each group.

    inputs: (batch, ..., features). group_size: examples per group; None makes one group. Returns the inputs as
    (groups, group_size, ..., features), and mean and biased variance as (groups, 1, ..., 1, features).
    Raises UsageError if the batch is no multiple of the group. In a compiled function, where the batch size is not
    known, a batch that is smaller than a group forms one group.
    """
    batch = ops.shape(inputs)[0]
    size = batch if group_size is None else group_size
    if isinstance(batch, int):
        if group_size is not None and batch % group_size:
            raise UsageError(not_in_groups(group_size, batch))
    else:
        size = ops.minimum(size, batch)
    grouped = ops.reshape(inputs, (-1, size, *inputs.shape[1:]))
    mean, variance = ops.moments(grouped, axes=tuple(range(1, len(grouped.shape) - 1)), keepdims=True)
    return grouped, mean, variance
