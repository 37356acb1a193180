"""Batch normalization that treats each pixel of a feature map as a unit of its own (Ioffe & Szegedy 2015, Sec. 3.2)."""

from typing import Literal

from keras import ops

from bn_study.plan.types import Fraction, Positive
from bn_study.training.normalization import BatchNormalization
from bn_study.training.normalizer import Normalizer

STATISTICS = True
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class PerActivationNormalization(BatchNormalization):
    """Batch normalization with a mean and a variance for each value of an example, over the examples of the batch.

    After a fully connected layer it is batch normalization. After a convolution the paper's layer shares one mean and
    variance among all pixels of a feature map, so a shifted image gives a shifted output. Here each pixel has its own;
    that property is lost, and each mean is over only as many values as the batch has examples. gamma and beta are still
    shared by the feature map.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.activations = tuple(shape[1:])
        super().build(shape)

    def _pair(self, features, suffix):
        return super()._pair(self.activations, suffix)

    def _by_batch(self, inputs):
        mean, variance = ops.moments(inputs, axes=0)
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
    """Batch normalization over the examples alone."""
    return PerActivationNormalization(
        name=name, placement=placement, momentum=momentum, epsilon=epsilon, center=center, scale=scale
    )
