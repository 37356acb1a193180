"""How the values of a layer are distributed: in numpy, for the probes that look at them."""

from collections.abc import Iterator

import numpy as np

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""Of the bounded nonlinearities."""
SLOPES = {
    "sigmoid": lambda post: 4 * post * (1 - post),
    "tanh": lambda post: 1 - np.square(post),
    "relu": lambda post: (post > 0).astype(post.dtype),
}
"""f'(pre) / max f', told by f(pre)."""
DEAD = 0.01
"""A unit that moves less than this standard deviation, over examples, carries nothing on."""


def unit_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance over all axes but the last: float32 within an example, float64 over examples."""
    maps = values.reshape(len(values), -1, values.shape[-1])
    mean = maps.mean(axis=1).mean(axis=0, dtype=np.float64)
    deviation = maps - mean.astype(values.dtype)
    return mean, np.square(deviation).mean(axis=1).mean(axis=0, dtype=np.float64)


def described(activation: str, post: np.ndarray, bins: int) -> Iterator[tuple[str, float]]:
    """What the probe `saturation` says of values (examples, units) that have left a nonlinearity: name, number."""
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
    """Bits of the histogram of all values between the limits: 0 if they share a bin, log2(bins) if they are even."""
    low, high = limits
    if not low < high < np.inf:
        return 0.0  # a layer that is all zero, or one with no finite range to be spread over
    counts, _ = np.histogram(values, bins, limits)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
