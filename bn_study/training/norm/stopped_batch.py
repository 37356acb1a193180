"""Batch normalization through whose statistics no gradient flows, as training without it would normalize."""

from typing import Literal

from keras import ops

from bn_study.plan.types import Fraction, Positive
from bn_study.training.normalization import BatchNormalization
from bn_study.training.normalizer import Normalizer

STATISTICS = True
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class StoppedBatchNormalization(BatchNormalization):
    """Batch normalization whose gradient takes the batch's mean and variance for constants.

    Its outputs are those of batch normalization, so what enters the next layer is held just as steady. But a step does
    not know that the normalization will answer to it, and the gradient by the layer's weights is no longer at right
    angles to them. Ioffe & Szegedy (2015, Sec. 2) describe this as what goes wrong without their layer.
    """

    def _by_batch(self, inputs):
        moments = ops.moments(inputs, axes=tuple(range(len(inputs.shape) - 1)))
        mean, variance = (ops.stop_gradient(one) for one in moments)
        return self._affine(inputs, mean, variance), mean, variance


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    momentum: Fraction,
    epsilon: Positive,
    center: bool,
    scale: bool,
) -> Normalizer:
    """Batch normalization over all axes but the last, with constants for statistics in the gradient."""
    return StoppedBatchNormalization(
        name=name, placement=placement, momentum=momentum, epsilon=epsilon, center=center, scale=scale
    )
