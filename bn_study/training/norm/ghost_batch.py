"""Ghost batch normalization (Hoffer et al. 2017): statistics over groups smaller than the batch."""

from typing import Literal

from keras import ops

from bn_study.plan.types import Count, Fraction, Positive
from bn_study.training.normalization import BatchNormalization, in_groups
from bn_study.training.normalizer import Normalizer

STATISTICS = True
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class GhostBatchNormalization(BatchNormalization):
    """Batch normalization with separate statistics for every `group_size` consecutive examples of a training batch.

    This separates the normalization batch from the optimizer's batch. The moving averages track the groups' means and
    biased variances, averaged over the groups of a batch. Re-estimated statistics are over all examples together, as
    in batch normalization.
    """

    def __init__(self, *, group_size: int, **options) -> None:
        super().__init__(**options)
        self.group_size = group_size

    def _train(self, inputs, moving_mean, moving_variance):
        grouped, mean, variance = in_groups(inputs, self.group_size)
        groups = tuple(range(len(grouped.shape) - 1))
        self._average(moving_mean, ops.mean(mean, axis=groups))
        self._average(moving_variance, ops.mean(variance, axis=groups))
        return ops.reshape(self._affine(grouped, mean, variance), ops.shape(inputs))


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    group_size: Count,
    momentum: Fraction,
    epsilon: Positive,
    center: bool,
    scale: bool,
) -> Normalizer:
    """Batch normalization over groups of consecutive examples."""
    return GhostBatchNormalization(
        name=name, placement=placement, group_size=group_size, momentum=momentum, epsilon=epsilon, center=center,
        scale=scale,
    )  # fmt: skip
