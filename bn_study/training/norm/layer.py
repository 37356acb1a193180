"""Layer normalization (Ba, Kiros & Hinton 2016, arXiv 1607.06450)."""

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
    """Each example by all its features, of all pixels in an image (as in Wu & He 2018, Fig. 2)."""
    return PerExampleNormalization(
        name=name, placement=placement, groups=1, epsilon=epsilon, center=True, gamma=scale, beta=center
    )
