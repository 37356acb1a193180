"""Batch normalization (Ioffe & Szegedy 2015)."""

from typing import Literal

from bn_study.plan.types import Fraction, Positive
from bn_study.training.network import Normalizer
from bn_study.training.normalization import BatchNormalization


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
    """Batch normalization over all axes but the last."""
    return BatchNormalization(
        name=name, placement=placement, momentum=momentum, epsilon=epsilon, center=center, scale=scale
    )
