"""Batch Renormalization (Ioffe 2017, arXiv 1702.03275)."""

from typing import Literal

from keras import ops

from bn_study.plan.types import AtLeastOne, Count, Fraction, Natural, NonNegative, Positive
from bn_study.training.normalization import CountedBatchNormalization, in_groups
from bn_study.training.normalizer import Normalizer

STATISTICS = True
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class BatchRenormalization(CountedBatchNormalization):
    """Batch normalization whose training outputs are corrected toward the outputs of inference.

    Alg. 1: x_hat = (x - mu_B) / sigma_B * r + d, with r = sigma_B / sigma within 1/r_max .. r_max and
    d = (mu_B - mu) / sigma within -d_max .. d_max. The gradient treats r and d as constants. mu and sigma are the
    moving averages before this batch. As in the paper, every sigma includes epsilon, and the average is over sigma: the
    moving variance stores sigma^2 - epsilon, so that inference is the same as in batch normalization.

    The bounds on r and d start at 1 and 0, which is batch normalization, and rise linearly from step `warm_up` to their
    final values at `r_steps` and `d_steps`.
    """

    def __init__(
        self, *, group_size: int | None, r_max: float, d_max: float, warm_up: int, r_steps: int, d_steps: int, **options
    ) -> None:
        super().__init__(**options)
        self.group_size = group_size
        self.r_max, self.d_max = r_max, d_max
        self.warm_up, self.r_steps, self.d_steps = warm_up, r_steps, d_steps

    def _train(self, inputs, moving_mean, moving_variance):
        grouped, mean, variance = in_groups(inputs, self.group_size)
        sigma = ops.sqrt(variance + self.epsilon)
        moving_sigma = ops.sqrt(moving_variance + self.epsilon)
        r_max = 1.0 + (self.r_max - 1.0) * self._risen(self.r_steps)
        d_max = self.d_max * self._risen(self.d_steps)
        r = ops.stop_gradient(ops.clip(sigma / moving_sigma, 1.0 / r_max, r_max))
        d = ops.stop_gradient(ops.clip((mean - moving_mean) / moving_sigma, -d_max, d_max))
        factor, shift = r / sigma, d - mean * r / sigma
        if self.gamma is not None:
            factor, shift = factor * self.gamma, shift * self.gamma
        if self.beta is not None:
            shift = shift + self.beta
        groups = tuple(range(len(grouped.shape) - 1))
        self._average(moving_mean, ops.mean(mean, axis=groups))
        averaged = moving_sigma * self.momentum + ops.mean(sigma, axis=groups) * (1.0 - self.momentum)
        moving_variance.assign(ops.maximum(averaged**2 - self.epsilon, 0.0))  # rounding may give less than 0
        self.steps.assign(self.steps + 1)
        return ops.reshape(grouped * factor + shift, ops.shape(inputs))

    def _risen(self, until: int):
        """Progress of a bound toward its final value at this step, 0 .. 1."""
        if until <= self.warm_up:
            return ops.cast(self.steps >= self.warm_up, "float32")
        return ops.clip(ops.cast(self.steps - self.warm_up, "float32") / (until - self.warm_up), 0.0, 1.0)


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    group_size: Count | None,
    momentum: Fraction,
    epsilon: Positive,
    center: bool,
    scale: bool,
    r_max: AtLeastOne,
    d_max: NonNegative,
    warm_up: Natural,
    r_steps: Natural,
    d_steps: Natural,
) -> Normalizer:
    """Batch Renormalization over the whole batch or over groups of consecutive examples."""
    return BatchRenormalization(
        name=name, placement=placement, group_size=group_size, momentum=momentum, epsilon=epsilon, center=center,
        scale=scale, r_max=r_max, d_max=d_max, warm_up=warm_up, r_steps=r_steps, d_steps=d_steps,
    )  # fmt: skip
