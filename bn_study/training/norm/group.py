"""Group normalization (Wu & He 2018, arXiv 1803.08494)."""

from typing import Any, Literal

from keras import ops

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Positive
from bn_study.training.network import Normalizer
from bn_study.training.roots import reciprocal_root

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class GroupNormalization(Normalizer):
    """Normalize each example by mean and variance over groups of neighboring features and all pixels of an image.

    One group is layer normalization. Other examples of the batch do not matter, so training and inference are the same.
    A bias before it is canceled only if groups have one feature, but beta replaces it, and it is usually left out.
    """

    def __init__(
        self,
        *,
        name: str,
        placement: Literal["before", "after"],
        groups: int,
        epsilon: float,
        center: bool,
        scale: bool,
    ) -> None:
        super().__init__(name=name)
        self.placement = placement
        self.replaces_bias = center
        self.groups = groups
        self.epsilon = epsilon
        self.center = center
        self.scale = scale

    def build(self, shape: tuple[int | None, ...]) -> None:
        features: Any = shape[-1]  # known, unlike the size of the batch
        if features % self.groups:
            raise UsageError(
                f"norm.groups={self.groups}: {self.name} has {features} features, which is no multiple of it; "
                "give a number that divides them, or other widths"
            )
        self.gamma = self.add_weight(name="gamma", shape=(features,), initializer="ones") if self.scale else None
        self.beta = self.add_weight(name="beta", shape=(features,), initializer="zeros") if self.center else None

    def call(self, inputs, training=False):
        shape = ops.shape(inputs)
        grouped = ops.reshape(inputs, (*shape[:-1], self.groups, inputs.shape[-1] // self.groups))
        axes = (*range(1, len(shape) - 1), len(shape))
        mean, variance = ops.moments(grouped, axes=axes, keepdims=True)
        outputs = ops.reshape((grouped - mean) * reciprocal_root(variance + self.epsilon), shape)
        if self.gamma is not None:
            outputs = outputs * self.gamma
        return outputs if self.beta is None else outputs + self.beta


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
    """Group normalization of each example. Building it raises UsageError if groups do not divide the features."""
    return GroupNormalization(
        name=name, placement=placement, groups=groups, epsilon=epsilon, center=center, scale=scale
    )
