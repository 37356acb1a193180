"""Where the values of every nonlinearity lie in its range, and what is left of its slope."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.types import Count
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network

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


def measure(
    network: Network, evaluation: Evaluation, *, images: Count, bins: Count
) -> Iterator[tuple[str, str, float]]:
    """Yield, per hidden layer at `post`, over fixed test examples seen with re-estimated statistics:

    * `saturation/share`: of values within a twentieth of the range from either end (|tanh| > 0.9);
    * `saturation/derivative`: mean of f'(pre) / max f', for a ReLU the share of values that are not cut off;
    * `saturation/entropy`: bits, of the histogram over its range, for a ReLU from 0 to the largest value;
    * `saturation/asymmetry`: mean over units of |mean over examples of the side of the range's middle, -1 or 1|, which
      is 0 for a unit that uses both sides alike and 1 for one that stays on one side (Kim et al. 2023);
    * `saturation/dead`: the share of units whose standard deviation over examples is below 0.01.

    A feature map counts as one unit. Share and asymmetry need a bounded nonlinearity, slope and histogram one that is
    not linear; what has no meaning is left out.
    """
    for site, tensor in evaluation.sites("test", images).items():
        if not site.endswith("/post"):
            continue
        for name, value in described(network.activation, tensor.reshape(-1, tensor.shape[-1]), bins):
            yield f"saturation/{name}", site, value


def described(activation: str, post: np.ndarray, bins: int) -> Iterator[tuple[str, float]]:
    """The same for the values (examples, units) that have left a nonlinearity."""
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
