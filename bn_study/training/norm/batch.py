"""Batch normalization (Ioffe & Szegedy 2015)."""

from typing import Literal

from bn_study.errors import UsageError
from bn_study.plan.types import Fraction, NonNegative, Positive
from bn_study.training.normalization import BatchNormalization
from bn_study.training.normalizer import Normalizer

STATISTICS = True
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    momentum: Fraction,
    epsilon: Positive,
    center: bool,
    scale: bool,
    initial_scale: NonNegative | None,
) -> Normalizer:
    """Batch normalization over all axes but the last.

    initial_scale: what gamma starts from; None is 1. Raises UsageError if it is given and gamma is not learned.
    """
    if initial_scale is not None and not scale:
        raise UsageError(f"norm.initial_scale={initial_scale}: there is no gamma; set norm.scale=true")
    return BatchNormalization(
        name=name, placement=placement, momentum=momentum, epsilon=epsilon, center=center, scale=scale,
        initial_scale=initial_scale,
    )  # fmt: skip
