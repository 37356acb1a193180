"""No normalisation, for the arm without it."""

from bn_study.training.network import Normalizer

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class Identity(Normalizer):
    """Passes its input on. Its place is after the activation, where the layer before keeps its bias."""

    def call(self, inputs, training=False):
        return inputs


def layer(name: str, seed: int) -> Normalizer:
    """A layer that does nothing."""
    return Identity(name=name)
