"""Batch normalization (Ioffe & Szegedy 2015)."""

from typing import Literal

import keras
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
        if training or self.estimating:
            mean, variance = ops.moments(inputs, axes=tuple(range(len(inputs.shape) - 1)))
            keep = 0.0 if self.estimating else self.momentum
            self._store(self.moving_mean, mean, keep)
            self._store(self.moving_variance, variance, keep)
        else:
            mean, variance = self.moving_mean, self.moving_variance
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
