"""Batch normalization (Ioffe & Szegedy 2015)."""

from typing import Literal

import keras
import tensorflow as tf
from keras import ops

from bn_study.plan.types import Fraction, Positive
from bn_study.training.network import Normalizer


class BatchNormalization(Normalizer):
    """Normalise each feature by the mean and variance of the batch, then scale by gamma and shift by beta.

    Statistics are per last axis: per unit after a dense layer, per feature map after a convolution (Ioffe & Szegedy
    2015, Sec. 3.2). Training uses the batch's biased variance (Alg. 1); inference the moving averages, which, as in
    Keras 3, are of the biased variance too (Alg. 2 asks for the unbiased one: the probe `curves` reports both).
    """

    def __init__(
        self,
        *,
        name: str,
        placement: Literal["before", "after"],
        momentum: float,
        epsilon: float,
        center: bool,
        scale: bool,
    ) -> None:
        super().__init__(name=name)
        self.placement = placement
        self.momentum = momentum
        self.epsilon = epsilon
        self.center = center
        self.scale = scale

    def build(self, shape: tuple[int | None, ...]) -> None:
        features = (shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=features, initializer="ones") if self.scale else None
        self.beta = self.add_weight(name="beta", shape=features, initializer="zeros") if self.center else None
        self.moving_mean = self.add_weight(name="moving_mean", shape=features, initializer="zeros", trainable=False)
        self.moving_variance = self.add_weight(
            name="moving_variance", shape=features, initializer="ones", trainable=False
        )

    @property
    def statistics(self) -> list[tuple[keras.Variable, keras.Variable]]:
        return [(self.moving_mean, self.moving_variance)]

    def call(self, inputs, training=False):
        if not (training or self.estimating):
            return self._affine(inputs, self.moving_mean, self.moving_variance)
        images = len(inputs.shape) == 4 and keras.backend.backend() == "tensorflow"
        outputs, mean, variance = self._fused(inputs) if images else self._portable(inputs)
        keep = 0.0 if self.estimating else self.momentum
        self._store(self.moving_mean, mean, keep)
        self._store(self.moving_variance, variance, keep)
        return outputs

    def _portable(self, inputs):
        mean, variance = ops.moments(inputs, axes=tuple(range(len(inputs.shape) - 1)))
        return self._affine(inputs, mean, variance), mean, variance

    def _fused(self, images):
        """The same by TensorFlow's own operation, which takes fewer passes over the images, forward and backward."""
        features = images.shape[-1]
        gamma = ops.ones(features) if self.gamma is None else self.gamma
        beta = ops.zeros(features) if self.beta is None else self.beta
        nothing = ops.zeros(0)  # of statistics to be used instead of the batch's
        outputs, mean, unbiased, *_ = tf.raw_ops.FusedBatchNormV3(
            x=images, scale=gamma, offset=beta, mean=nothing, variance=nothing, epsilon=self.epsilon
        )
        count = ops.cast(ops.size(images) // features, "float32")
        return outputs, mean, unbiased * ((count - 1.0) / count)

    def _affine(self, inputs, mean, variance):
        factor = ops.rsqrt(variance + self.epsilon)
        if self.gamma is not None:
            factor = factor * self.gamma
        shift = -mean * factor
        if self.beta is not None:
            shift = shift + self.beta
        return inputs * factor + shift

    @staticmethod
    def _store(moving, value, keep: float) -> None:
        moving.assign(value if keep == 0.0 else moving * keep + value * (1.0 - keep))


def layer(
    name: str,
    *,
    placement: Literal["before", "after"],
    momentum: Fraction,
    epsilon: Positive,
    center: bool,
    scale: bool,
) -> Normalizer:
    """Batch normalization over all axes but the last."""
    return BatchNormalization(
        name=name, placement=placement, momentum=momentum, epsilon=epsilon, center=center, scale=scale
    )
