"""No normalization, for the arm without it."""

from bn_study.training.network import Normalizer

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class Identity(Normalizer):
    """The identity. Its placement is after the activation, so the layer before it keeps its bias."""

    def call(self, inputs, training=False):
        return inputs


def layer(name: str, seed: int) -> Normalizer:
    """The identity."""
    return Identity(name=name)
