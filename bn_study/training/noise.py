"""The noise with which Santurkar et al. 2018 (arXiv 1805.11604) make the distributions of layer inputs unstable."""

from typing import Any

import keras
from keras import ops


class DistributionNoise:
    """a -> s a + m, with s and m from distributions that are redrawn at every step (Alg. 1).

    Per step and feature mu ~ U(-mean_range, mean_range) and sigma ~ U(1, scale_range); then, independently for every
    example, m ~ U(mu - mean_spread, mu + mean_spread) and s ~ N(sigma, scale_spread). A feature of an image is a
    channel. Every pixel has its own m and s, because batch normalization treats pixels as separate samples.
    """

    def __init__(self, mean_range: float, scale_range: float, mean_spread: float, scale_spread: float) -> None:
        self.mean_range = mean_range
        self.scale_range = scale_range
        self.mean_spread = mean_spread
        self.scale_spread = scale_spread

    def __call__(self, inputs: Any, seed: keras.random.SeedGenerator) -> Any:
        """seed: of the calling layer, so that its state, which each draw advances, is a variable of the network."""
        shape = ops.shape(inputs)
        feature = (1,) * (len(shape) - 1) + (inputs.shape[-1],)
        mu = keras.random.uniform(feature, -self.mean_range, self.mean_range, seed=seed)
        sigma = keras.random.uniform(feature, 1.0, self.scale_range, seed=seed)
        m = mu + keras.random.uniform(shape, -self.mean_spread, self.mean_spread, seed=seed)
        s = sigma + keras.random.normal(shape, 0.0, self.scale_spread, seed=seed)
        return s * inputs + m
