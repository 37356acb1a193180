"""The noise of `noisy_batch` without the normalization: the control of Santurkar et al. 2018."""

from typing import Literal

import keras

from bn_study.plan.types import AtLeastOne, NonNegative
from bn_study.training.noise import DistributionNoise
from bn_study.training.normalizer import Normalizer

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class Noise(Normalizer):
    """Adds noise in training; the identity in inference. The layer before it keeps its bias."""

    noisy = True

    def __init__(
        self, *, name: str, placement: Literal["before", "after"], noise: DistributionNoise, seed: int
    ) -> None:
        super().__init__(name=name)
        self.placement = placement
        self.noise = noise
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        return self.noise(inputs, self.seed_generator) if training or self.showing_noise else inputs


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    mean_range: NonNegative,
    scale_range: AtLeastOne,
    mean_spread: NonNegative,
    scale_spread: NonNegative,
) -> Normalizer:
    """Noise whose distribution changes at every step; for the same seed it is the noise of `noisy_batch`."""
    noise = DistributionNoise(mean_range, scale_range, mean_spread, scale_spread)
    return Noise(name=name, placement=placement, noise=noise, seed=seed)
