"""Group normalization (Wu & He 2018, arXiv 1803.08494)."""

from typing import Literal

from bn_study.plan.types import Count, Positive
from bn_study.training.normalizer import Normalizer
from bn_study.training.per_example import PerExampleNormalization

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    groups: Count,
    epsilon: Positive,
    center: bool,
    scale: bool,
) -> Normalizer:
    """Each example by groups of its features. Building it raises UsageError if groups do not divide the features."""
    return PerExampleNormalization(
        name=name, placement=placement, groups=groups, epsilon=epsilon, center=True, gamma=scale, beta=center
    )
