"""Batch normalization whose statistics are frozen after a while."""

from typing import Literal

from keras import ops

from bn_study.plan.types import Fraction, Natural, Positive
from bn_study.training.normalization import CountedBatchNormalization
from bn_study.training.normalizer import Normalizer

STATISTICS = True
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class FrozenBatchNormalization(CountedBatchNormalization):
    """Batch normalization for `warm_up` steps; then the moving averages of that step normalize, in training, too.

    From then on a step has no noise from its batch, and no gradient flows through statistics, because they do not
    depend on the batch: each feature is multiplied and shifted by constants, while gamma and beta go on learning.
    """

    def __init__(self, *, warm_up: int, **options) -> None:
        super().__init__(**options)
        self.warm_up = warm_up

    def _train(self, inputs, moving_mean, moving_variance):
        frozen = self.steps >= self.warm_up
        axes = tuple(range(len(inputs.shape) - 1))
        moving = moving_mean, moving_variance
        used = [ops.where(frozen, *pair) for pair in zip(moving, ops.moments(inputs, axes=axes), strict=True)]
        outputs = self._affine(inputs, *used)
        for average, value in zip(moving, used, strict=True):
            average.assign(ops.where(frozen, average, average * self.momentum + value * (1.0 - self.momentum)))
        self.steps.assign(self.steps + 1)
        return outputs


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    momentum: Fraction,
    epsilon: Positive,
    center: bool,
    scale: bool,
    warm_up: Natural,
) -> Normalizer:
    """Batch normalization over all axes but the last, with statistics that no longer change from step `warm_up` on."""
    return FrozenBatchNormalization(
        name=name, placement=placement, momentum=momentum, epsilon=epsilon, center=center, scale=scale, warm_up=warm_up
    )
