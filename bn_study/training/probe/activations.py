"""The distribution of every layer's values."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import numpy as np

from bn_study.plan.types import Count
from bn_study.training.distribution import DEAD, RANGES, unit_moments
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network

QUANTILES = (5, 15, 50, 85, 95)
FEW = 2**18
"""Up to so many values, sorting them together is quicker than searching each unit's."""


def measure(
    network: Network,
    evaluation: Evaluation,
    *,
    images: Count,
    sites: list[Literal["linear", "pre", "post", "out"]],
    units: bool,
    bins: Count,
) -> Iterator[tuple[str, str, float | np.ndarray]]:
    """Yield, per site and layer, over all units of all fixed test examples together:

    `activation/mean`, `std`, `skewness`, `kurtosis` (excess), `q5` .. `q95`; at `post` also `saturated` (share of
    values; sigmoid and tanh) and `dead` (share of units whose standard deviation over examples is below 0.01);
    vectors `histogram` (counts) and `edges`; with `units` also `unit_q<quantile>`, a value per unit. A feature map
    counts as one unit. Statistics of a normaliser are re-estimated ones.
    """
    observed = evaluation.sites("test", images)
    for site, tensor in observed.items():
        kind = site.split("/")[1]
        if kind not in sites:
            continue
        values = tensor.reshape(-1, tensor.shape[-1])
        by_unit = np.sort(
            np.ascontiguousarray(values.T), axis=-1
        )  # in single precision, and once: this is what takes time
        together = by_unit if values.size > FEW else np.sort(by_unit, axis=None)[None]
        for name, value in zip(("mean", "std", "skewness", "kurtosis"), moments(values), strict=True):
            yield f"activation/{name}", site, value
        for quantile, value in zip(QUANTILES, quantiles(together.size, partial(at_ranks, together)), strict=True):
            yield f"activation/q{quantile}", site, value
        if kind == "post":
            yield "activation/dead", site, (unit_moments(tensor)[1] < DEAD**2).mean()
            if (limits := RANGES.get(network.activation)) is not None:
                yield "activation/saturated", site, saturated(together, *limits)
        if units:
            for quantile, value in zip(QUANTILES, quantiles(len(values), by_unit.T.__getitem__), strict=True):
                yield f"activation/unit_q{quantile}", site, value
        if np.isfinite(together[:, [0, -1]]).all():
            counts, edges = histogram(together, bins)
            yield "activation/histogram", site, counts
            yield "activation/edges", site, edges


def moments(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness and excess kurtosis of all values, in double precision.

    The last two are NaN, as scipy's, where all values are equal but for rounding.
    """
    deviation = values.ravel().astype(np.float64)
    mean = deviation.mean()
    deviation -= mean
    square = deviation**2
    variance = square.mean()
    deviation *= square
    third = deviation.mean()
    square *= square
    if variance <= (np.finfo(np.float64).resolution * mean) ** 2:
        return mean, np.sqrt(variance), np.nan, np.nan
    return mean, np.sqrt(variance), third / variance**1.5, square.mean() / variance**2 - 3


def quantiles(size: int, at: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """QUANTILES of `size` values, of which `at` gives those at some ranks: `np.percentile` of doubles, to the last bit.

    Along the first axis. NaN if the last, where sorting puts them, is NaN.
    """
    places = (size - 1) * (np.array(QUANTILES) / 100)
    lower = places.astype(int)
    low, high, last = (
        at(ranks).astype(np.float64) for ranks in (lower, np.minimum(lower + 1, size - 1), np.array([size - 1]))
    )
    part = (places - lower).reshape(-1, *[1] * (low.ndim - 1))
    step = high - low
    found = np.where(part < 0.5, low + step * part, high - step * (1 - part))
    return np.where(np.isnan(last), np.nan, found) + 0.0  # no negative zeros


def at_ranks(rows: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The values at these ranks among all values in sorted rows of single precision; all NaN if one is."""
    if len(rows) == 1:
        return rows[0, ranks]
    if np.isnan(rows[:, -1]).any():
        return np.full(len(ranks), np.nan)
    low, high = (np.full(len(ranks), end) for end in (_KEYS.min, _KEYS.max))
    while (low < high).any():  # 32 halvings of what a float can be
        middle = (low + high) // 2
        enough = count(rows, _value(middle), "right") > ranks
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return _value(low)


_KEYS = np.iinfo(np.int32)


def _value(keys: np.ndarray) -> np.ndarray:
    """Whole numbers -> floats in the same order, by their bits; what would be NaN is the infinity on its side."""
    bounded = np.clip(keys, -0x7F800001, 0x7F800000).astype(np.int32)
    return np.where(bounded < 0, bounded ^ np.int32(0x7FFFFFFF), bounded).view(np.float32)


def count(rows: np.ndarray, values: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
    """How many values in sorted rows are below each of these, or with the side `right` not above it."""
    return np.sum([np.searchsorted(row, values, side) for row in rows], axis=0)


def saturated(rows: np.ndarray, low: float, high: float) -> float:
    """The share of all values in sorted rows that are within a twentieth of a bounded range from either of its ends."""
    margin = (high - low) / 20
    inside = count(rows, np.array(high - margin), "right") - count(rows, np.array(low + margin), "left")
    return float((rows.size - inside) / rows.size)


def histogram(rows: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """`np.histogram` of all values in sorted rows: counts, and the edges of equal bins over their range."""
    ends = np.array([rows[:, 0].min(), rows[:, -1].max()], np.float64)
    edges = np.histogram_bin_edges(ends, bins)
    return np.diff([0, *count(rows, edges[1:-1], "left"), rows.size]), edges
