"""Dynamic tanh, which replaces normalization (Zhu et al. 2025, arXiv 2503.10622)."""

from typing import Literal

import keras
from keras import ops

from bn_study.plan.types import Positive
from bn_study.training.normalizer import Normalizer

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class DynamicTanh(Normalizer):
    """gamma * tanh(alpha * x) + beta (Eq. 1): bounded like normalized values, without any statistics.

    alpha is one learned number a layer. A bias before it stays, because it moves x within tanh.
    """

    def __init__(
        self, *, name: str, placement: Literal["before", "after"], alpha: float, center: bool, scale: bool
    ) -> None:
        super().__init__(name=name)
        self.placement = placement
        self.start = alpha
        self.center = center
        self.scale = scale

    def build(self, shape: tuple[int | None, ...]) -> None:
        features = (shape[-1],)
        start = keras.initializers.Constant(self.start)
        self.alpha = self.add_weight(name="alpha", shape=(), initializer=start)
        self.gamma = self.add_weight(name="gamma", shape=features, initializer="ones") if self.scale else None
        self.beta = self.add_weight(name="beta", shape=features, initializer="zeros") if self.center else None

    def call(self, inputs, training=False):
        outputs = ops.tanh(self.alpha * inputs)
        if self.gamma is not None:
            outputs = outputs * self.gamma
        return outputs if self.beta is None else outputs + self.beta


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    alpha: Positive,
    center: bool,
    scale: bool,
) -> Normalizer:
    """A learned, bounded function of each value. alpha: the factor that training starts from."""
    return DynamicTanh(name=name, placement=placement, alpha=alpha, center=center, scale=scale)
