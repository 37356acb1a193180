"""Normalization within each example, which several files in norm/ set up."""

from typing import Any, Literal

from keras import ops

from bn_study.errors import UsageError
from bn_study.training.normalizer import Normalizer
from bn_study.training.roots import reciprocal_root


class PerExampleNormalization(Normalizer):
    """Normalize each example by moments over groups of neighboring features and all pixels of an image.

    groups: how many (Wu & He 2018, Sec. 3.1). One is layer normalization, as many as features (None) is instance
    normalization. center: whether to subtract the mean; without it the second moment replaces the variance. gamma and
    beta: whether each feature learns a factor and a shift.

    Other examples of the batch do not matter, so training and inference are the same. A bias before it is canceled only
    if groups have one feature, but beta replaces it, and it is usually left out.
    """

    def __init__(
        self,
        *,
        name: str,
        placement: Literal["before", "after"],
        groups: int | None,
        epsilon: float,
        center: bool,
        gamma: bool,
        beta: bool,
    ) -> None:
        super().__init__(name=name)
        self.placement = placement
        self.replaces_bias = beta
        self.groups = groups
        self.epsilon = epsilon
        self.center = center
        self.learned = (gamma, beta)

    def build(self, shape: tuple[int | None, ...]) -> None:
        features: Any = shape[-1]  # known, unlike the size of the batch
        if self.groups is not None and features % self.groups:
            raise UsageError(
                f"norm.groups={self.groups}: {self.name} has {features} features, which is no multiple of it; "
                "give a number that divides them, or other widths"
            )
        gamma, beta = self.learned
        self.gamma = self.add_weight(name="gamma", shape=(features,), initializer="ones") if gamma else None
        self.beta = self.add_weight(name="beta", shape=(features,), initializer="zeros") if beta else None

    def call(self, inputs, training=False):
        shape = ops.shape(inputs)
        groups = inputs.shape[-1] if self.groups is None else self.groups
        grouped = ops.reshape(inputs, (*shape[:-1], groups, inputs.shape[-1] // groups))
        axes = (*range(1, len(shape) - 1), len(shape))
        if self.center:
            mean, variance = ops.moments(grouped, axes=axes, keepdims=True)
            grouped = grouped - mean
        else:
            variance = ops.mean(ops.square(grouped), axis=axes, keepdims=True)
        outputs = ops.reshape(grouped * reciprocal_root(variance + self.epsilon), shape)
        if self.gamma is not None:
            outputs = outputs * self.gamma
        return outputs if self.beta is None else outputs + self.beta
