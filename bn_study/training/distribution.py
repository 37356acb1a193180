"""Statistics of a layer's values in numpy, for probes.

A convolutional layer has millions of values, so they are read in blocks that fit the processor's cache, and sorted as
float32. The results are still those of numpy and scipy for a float64 copy of all values, to the last bit.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from scipy import stats

from bn_study.plan.activations import RANGES, STEEPEST
from bn_study.training.slopes import slope

SLOPES = {
    "sigmoid": lambda post: 4 * post * (1 - post),
    "tanh": lambda post: 1 - np.square(post),
    "relu": lambda post: (post > 0).astype(post.dtype),
}
"""f'(pre) / max f' as a function of f(pre), where that is cheap; of others training/slopes.py computes it from pre."""
DEAD = 0.01
"""A unit whose standard deviation over examples is smaller counts as dead."""
BLOCK = 1 << 15
"""Values of a block."""
STEP = 64
"""Every so many values of a sorted block are a sample of it."""


class Ordered:
    """All values of an array in ascending order, as sorted blocks, which takes half the time of one sort."""

    def __init__(self, values: np.ndarray) -> None:
        flat = values.reshape(-1)
        self.size = flat.size
        self._type = flat.dtype.type
        self._blocks = [np.sort(flat[start : start + BLOCK]) for start in range(0, flat.size, BLOCK)]

    def below(self, limits: np.ndarray) -> np.ndarray:
        """How many values are smaller than each limit."""
        rounded = limits.astype(self._type)
        rounded = np.where(rounded < limits, np.nextafter(rounded, self._type(np.inf)), rounded)  # up to their type
        return np.sum([block.searchsorted(rounded) for block in self._blocks], axis=0)

    def counts(self, edges: np.ndarray) -> np.ndarray:
        """How many values each bin has, as `np.histogram` counts them: the last bin includes its upper edge."""
        borders = edges.astype(np.float64)
        borders[-1] = np.nextafter(borders[-1], np.inf)
        return np.diff(self.below(borders))

    def at(self, places: np.ndarray) -> np.ndarray:
        """The values at these places, 0 the smallest one's. None may be NaN.

        They are looked for between two values of a sample, which is every 64th value of each block: its value number i
        (from 0) has at most 64 (i + 1) smaller ones, and at least 64 (i + 1 - blocks) others that are not larger.
        """
        sample = np.append(np.sort(np.concatenate([block[::STEP] for block in self._blocks])), self._type(np.inf))
        lows = sample[np.maximum(places // STEP - 1, 0)]
        highs = sample[np.minimum(places // STEP + len(self._blocks), len(sample) - 1)]
        starts = np.array([block.searchsorted(lows, "right") for block in self._blocks])
        stops = np.array([block.searchsorted(highs) for block in self._blocks])
        found = np.where(places < starts.sum(axis=0), lows, highs)
        for index in np.nonzero((places >= starts.sum(axis=0)) & (places < stops.sum(axis=0)))[0]:
            between = zip(self._blocks, starts[:, index], stops[:, index], strict=True)
            rest = np.sort(np.concatenate([block[start:stop] for block, start, stop in between]))
            found[index] = rest[places[index] - starts[:, index].sum()]
        return found


class Distribution:
    """Statistics of a layer's values, (..., units) in float32: of all together, and per unit where it says so."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self._units = values.reshape(-1, values.shape[-1])
        self._order = Ordered(values)

    @cached_property
    def finite(self) -> bool:
        return bool(np.isfinite(self._range).all())

    @cached_property
    def moments(self) -> tuple[float, float, float, float]:
        """Mean, standard deviation, skewness and excess kurtosis; the last two are NaN if all values agree."""
        if self.finite:
            return moments(self._units)
        copy = self._double
        return copy.mean(), copy.std(), stats.skew(copy, axis=None), stats.kurtosis(copy, axis=None)

    def quantiles(self, percents: Sequence[int]) -> np.ndarray:
        """`np.percentile` of all values."""
        if self._depends_on_sorting:
            return np.percentile(self._double, percents)
        places, parts = _places(self._order.size, percents)
        return _between(self._order.at(places.reshape(-1)).reshape(places.shape), parts)

    def unit_quantiles(self, percents: Sequence[int]) -> np.ndarray:
        """`np.percentile` of each unit: (percents, units)."""
        if self._depends_on_sorting:
            return np.percentile(self._double, percents, axis=0)
        places, parts = _places(len(self._units), percents)
        return _between(np.sort(self._units.T.copy()).T[places], parts[:, None])

    def histogram(self, bins: int) -> tuple[np.ndarray, np.ndarray]:
        """Counts and edges of `np.histogram` for finite values."""
        if self._depends_on_sorting:
            return np.histogram(self._double, bins)
        edges = np.histogram_bin_edges(self._range.astype(np.float64), bins)
        return self._order.counts(edges), edges

    @cached_property
    def _range(self) -> np.ndarray:
        return np.array([self.values.min(), self.values.max()])

    @property
    def _double(self) -> np.ndarray:
        return self._units.astype(np.float64)

    @cached_property
    def _depends_on_sorting(self) -> bool:
        """Whether numpy's quantiles depend on how it sorts, because there is a NaN or a -0.0, which equals 0.0."""
        return not self.finite or self._units.view(np.int32).min() == np.iinfo(np.int32).min


def _places(count: int, percents: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Where in `count` ordered values the quantiles are: the places before and after them, and the part in between."""
    exact = (count - 1) * (np.array(percents) / 100)
    before = np.floor(exact).astype(int)
    return np.stack([before, np.minimum(before + 1, count - 1)]), exact - before


def _between(values: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Linear interpolation of pairs of values, rounded as numpy's quantiles are."""
    low, high = values.astype(np.float64)
    return np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part))


def moments(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness and excess kurtosis of finite values."""
    flat = values.reshape(-1)
    buffers = np.empty((3, BLOCK))  # reused, because fresh memory costs more than arithmetic

    def plain(start: int, stop: int) -> float:
        one = buffers[0, : stop - start]
        np.copyto(one, flat[start:stop])
        return one.sum()

    def powers(start: int, stop: int) -> np.ndarray:
        one, two, more = buffers[:, : stop - start]
        np.copyto(one, flat[start:stop])
        np.subtract(one, mean, out=one)
        np.multiply(one, one, out=two)
        return np.array([two.sum(), np.multiply(two, one, out=more).sum(), np.multiply(two, two, out=more).sum()])

    mean = _sum(plain, 0, flat.size) / flat.size
    second, third, fourth = _sum(powers, 0, flat.size) / flat.size
    if second <= (np.finfo(np.float64).eps * mean) ** 2:  # as scipy judges
        return mean, np.sqrt(second), np.nan, np.nan
    return mean, np.sqrt(second), third / second**1.5, fourth / second**2.0 - 3


def _sum(part: Callable, start: int, stop: int):
    """The sum of part(start, stop) over blocks that are halves of halves, which is the order in which numpy adds."""
    count = stop - start
    if count <= BLOCK:
        return part(start, stop)
    middle = start + count // 2 - count // 2 % 8
    return _sum(part, start, middle) + _sum(part, middle, stop)


def histogram(values: np.ndarray, bins: int, limits: tuple[float, float]) -> np.ndarray:
    """How many of all values are in each of the equal bins between the limits, as `np.histogram` counts them."""
    return Ordered(values).counts(np.histogram_bin_edges(values[:0], bins, limits))


def dead(values: np.ndarray) -> float:
    """The share of units, (..., units), whose standard deviation over all examples is below 0.01.

    The squared deviations of some examples are a lower bound of those of all, which is enough for most units.
    """
    units = values.reshape(-1, values.shape[-1])
    some = units[::16]
    bound = some.var(axis=0, dtype=np.float64) * (len(some) / len(units))
    (doubtful,) = np.nonzero(~(bound > 1.01 * DEAD**2))
    return (units[:, doubtful].std(axis=0, dtype=np.float64) < DEAD).sum() / units.shape[1]


def unsaturated(activation: str) -> tuple[float, float]:
    """Between these limits a bounded nonlinearity is not saturated: a twentieth of its range from either end."""
    low, high = RANGES[activation]
    margin = (high - low) / 20
    return low + margin, high - margin


def saturated(activation: str, post: np.ndarray) -> float:
    """The share of outputs of a bounded nonlinearity at which it is saturated."""
    low, high = unsaturated(activation)
    return ((post < low) | (post > high)).mean()


def unit_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance over all axes but the last: float32 within an example, float64 over examples."""
    maps = values.reshape(len(values), -1, values.shape[-1])
    mean = maps.mean(axis=1).mean(axis=0, dtype=np.float64)
    deviation = maps - mean.astype(values.dtype)
    return mean, np.square(deviation).mean(axis=1).mean(axis=0, dtype=np.float64)


def described(activation: str, pre: np.ndarray, post: np.ndarray, bins: int) -> Iterator[tuple[str, float]]:
    """(name, value) of each record of the probe `saturation`, for inputs and outputs (examples, units) of one."""
    limits = RANGES.get(activation)
    if limits is not None:
        yield "share", saturated(activation, post)
        middle = post.dtype.type(np.mean(limits))
        yield "asymmetry", abs(np.sign(post - middle).mean(axis=0, dtype=np.float64)).mean()
    if (steepest := STEEPEST.get(activation)) is not None:
        # at a kink Keras may add the slopes of both sides
        own = SLOPES.get(activation)
        share = np.minimum(slope(activation, pre) / steepest, 1) if own is None else own(post)
        yield "derivative", share.mean(dtype=np.float64)
        lowest = 0.0 if activation == "relu" else float(post.min())
        yield "entropy", entropy(post, limits or (lowest, float(post.max())), bins)
    yield "dead", dead(post)


def entropy(values: np.ndarray, limits: tuple[float, float], bins: int) -> float:
    """Entropy in bits of the histogram of all values between the limits: 0 for one full bin, log2(bins) if uniform."""
    low, high = limits
    if not -np.inf < low < high < np.inf:
        return 0.0  # the layer is all zero, or its range is not finite
    counts = histogram(values, bins, limits)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
