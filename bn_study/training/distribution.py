"""Statistics of a layer's values in numpy, for probes."""

from collections.abc import Iterator

import numpy as np

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Ranges of the bounded nonlinearities."""
SLOPES = {
    "sigmoid": lambda post: 4 * post * (1 - post),
    "tanh": lambda post: 1 - np.square(post),
    "relu": lambda post: (post > 0).astype(post.dtype),
}
"""f'(pre) / max f' as a function of f(pre)."""
DEAD = 0.01
"""A unit whose standard deviation over examples is smaller counts as dead."""


def unit_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance over all axes but the last: float32 within an example, float64 over examples."""
    maps = values.reshape(len(values), -1, values.shape[-1])
    mean = maps.mean(axis=1).mean(axis=0, dtype=np.float64)
    deviation = maps - mean.astype(values.dtype)
    return mean, np.square(deviation).mean(axis=1).mean(axis=0, dtype=np.float64)


def described(activation: str, post: np.ndarray, bins: int) -> Iterator[tuple[str, float]]:
    """(name, value) of each record of the probe `saturation`, for outputs (examples, units) of a nonlinearity."""
    limits = RANGES.get(activation)
    if limits is not None:
        middle, half = np.mean(limits), np.ptp(limits) / 2
        yield "share", (abs(post - middle) > 0.9 * half).mean()
        yield "asymmetry", abs(np.sign(post - middle).mean(axis=0, dtype=np.float64)).mean()
    if (slope := SLOPES.get(activation)) is not None:
        yield "derivative", slope(post).mean(dtype=np.float64)
        yield "entropy", entropy(post, limits or (0.0, float(post.max())), bins)
    yield "dead", (post.std(axis=0, dtype=np.float64) < DEAD).mean()


def entropy(values: np.ndarray, limits: tuple[float, float], bins: int) -> float:
    """Entropy in bits of the histogram of all values between the limits: 0 for one full bin, log2(bins) if uniform."""
    low, high = limits
    if not low < high < np.inf:
        return 0.0  # the layer is all zero, or its range is not finite
    counts, _ = np.histogram(values, bins, limits)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
