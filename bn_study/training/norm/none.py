"""No normalization, for the arm without it."""

from bn_study.training.normalizer import Identity, Normalizer

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


def layer(name: str, seed: int) -> Normalizer:
    """The identity."""
    return Identity(name=name)
