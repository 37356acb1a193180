"""Root mean square normalization (Zhang & Sennrich 2019, arXiv 1910.07467)."""

from typing import Literal

from bn_study.plan.types import Positive
from bn_study.training.normalizer import Normalizer
from bn_study.training.per_example import PerExampleNormalization

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    epsilon: Positive,
    center: bool,
    scale: bool,
) -> Normalizer:
    """Each example divided by the root of its features' mean square (Eq. 4), over all pixels in an image."""
    return PerExampleNormalization(
        name=name, placement=placement, groups=1, epsilon=epsilon, center=False, gamma=scale, beta=center
    )
