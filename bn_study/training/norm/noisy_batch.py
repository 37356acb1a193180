"""Batch normalization followed by noise (Santurkar et al. 2018, Alg. 1): BN with unstable distributions."""

from typing import Literal

import keras

from bn_study.plan.types import AtLeastOne, Fraction, NonNegative, Positive
from bn_study.training.noise import DistributionNoise
from bn_study.training.normalization import BatchNormalization
from bn_study.training.normalizer import Normalizer

STATISTICS = True
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class NoisyBatchNormalization(BatchNormalization):
    """Batch normalization that adds noise to its outputs in training, but not in inference."""

    noisy = True

    def __init__(self, *, noise: DistributionNoise, seed: int, **options) -> None:
        super().__init__(**options)
        self.noise = noise
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False, time=0):
        outputs = super().call(inputs, training=training, time=time)
        return self.noise(outputs, self.seed_generator) if training or self.showing_noise else outputs


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    momentum: Fraction,
    epsilon: Positive,
    center: bool,
    scale: bool,
    mean_range: NonNegative,
    scale_range: AtLeastOne,
    mean_spread: NonNegative,
    scale_spread: NonNegative,
) -> Normalizer:
    """Batch normalization, then noise whose distribution changes at every step."""
    noise = DistributionNoise(mean_range, scale_range, mean_spread, scale_spread)
    return NoisyBatchNormalization(
        name=name, placement=placement, momentum=momentum, epsilon=epsilon, center=center, scale=scale, noise=noise,
        seed=seed,
    )  # fmt: skip
