"""One number from a seed's runs over a factor, such as the largest usable learning rate or the width of a range.

A claim asks for it with `over: {factor: optimizer.learning_rate, take: largest_usable, fraction: 0.9}` beside its
measure. Each function gets the factor's values in ascending order and the measure's value at each. The measure is NaN
where a run diverged and its value is not imputed. Larger is better. A list stands for its length, so that the factor
`model.widths` is the number of hidden layers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bn_study.analysis import arguments
from bn_study.analysis.reach import Reach
from bn_study.analysis.rounding import rounded
from bn_study.analysis.settings import comparable
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.types import Fraction, Number


def place(factor: str, value: Any) -> float:
    """Where a setting is on the axis of a factor: a number at itself, a list at its length. Raises UsageError."""
    known = comparable(value)
    if isinstance(known, tuple):
        return float(len(known))
    if isinstance(known, (int, float)):
        return float(known)
    raise UsageError(f"over: {factor} is {'null' if known is None else known}, neither a number nor a list")


def largest_usable(factor: np.ndarray, values: np.ndarray, *, fraction: Fraction) -> float:
    """The largest factor value such that all from the best value up to it reach `fraction` of the best measure."""
    if np.isnan(values).all():
        return math.nan
    return float(factor[_around_best(values, fraction * np.nanmax(values))[-1]])


def usable_decades(factor: np.ndarray, values: np.ndarray, *, level: Number) -> float:
    """The number of decades of the factor around its best value that reach `level`. Each value covers its surroundings.

    In a grid with steps of half a decade each value counts as half a decade. 0 if even the best value does not reach
    the level. NaN with fewer than two values.
    """
    if len(values) < 2:
        return math.nan
    if np.isnan(values).all() or np.nanmax(values) < level:
        return 0.0
    return float(np.gradient(np.log10(factor))[_around_best(values, level)].sum())


def area(factor: np.ndarray, values: np.ndarray) -> float:
    """The mean of the measure over the logarithm of the factor (trapezoids). NaN with fewer than two values."""
    if len(values) < 2:
        return math.nan
    decades = np.log10(factor)
    return float(np.trapezoid(values, decades) / (decades[-1] - decades[0]))


def deviation(factor: np.ndarray, values: np.ndarray) -> float:
    """The standard deviation of the measure over the factor's values."""
    return float(np.std(values))


def spearman(factor: np.ndarray, values: np.ndarray) -> float:
    """Spearman's rank correlation of the measure with the factor; 0 where the measure is constant.

    Values are rounded first, because those that differ only in their last places are ties.
    """
    from scipy import stats  # imported late: a sweep with a tuning reads measures, and would wait half a second for it

    ranked = [rounded(one) for one in values]
    return 0.0 if np.ptp(ranked) == 0 else float(stats.spearmanr(factor, ranked).statistic)


TAKES: dict[str, Callable[..., float]] = {
    one.__name__: one for one in (largest_usable, usable_decades, area, deviation, spearman)
}
RISES = ("largest_usable", "usable_decades")
"""The functions that ask for values at or above a level, so less of the measure must not be better."""
LOGARITHMIC = ("usable_decades", "area")
"""The functions that use the factor's logarithm, so the factor must be above 0."""


@dataclass(frozen=True)
class Over:
    """A checked `over`: the factor, the function's name, and its arguments except the level."""

    factor: str
    take: str
    args: Mapping[str, Any]

    @property
    def needs_level(self) -> bool:
        return arguments.takes_level(TAKES[self.take])

    def of(self, values: Mapping[float, float], level: float | None) -> float:
        """The number of one seed. values: the measure by value of the factor."""
        factor = np.array(sorted(values), float)
        given = {"level": level} if self.needs_level else {}
        return TAKES[self.take](factor, np.array([values[one] for one in sorted(values)], float), **self.args, **given)

    def reach(self, factor: Sequence[float], measured: Reach) -> Reach:
        """The numbers that it can take over these values of the factor."""
        if self.take == "largest_usable":
            return Reach(min(factor), max(factor), min(factor), "more")
        if self.take == "usable_decades":
            return Reach(0, float(np.gradient(np.log10(sorted(factor))).sum()), better="more")
        if self.take == "deviation":
            return Reach(0, (measured.high - measured.low) / 2)
        return Reach(-1, 1) if self.take == "spearman" else measured

    def words(self) -> str:
        args = "".join(f", {key} {value:g}" for key, value in sorted(self.args.items()))
        return f"{self.take}({self.factor}{args}) of"


def parse_over(entry: Mapping[str, Any]) -> Over:
    """`{factor: ..., take: ..., arguments}` as an Over. Raises UsageError."""
    if not isinstance(entry, Mapping) or not {"factor", "take"} <= set(entry):
        raise UsageError("over: give a factor and what to take over its values, {factor: ..., take: ...}")
    take = str(entry["take"])
    if take not in TAKES:
        raise UsageError(parts.unknown("number over a factor", take, TAKES))
    given = {key: value for key, value in entry.items() if key not in ("factor", "take")}
    return Over(str(entry["factor"]), take, arguments.checked(take, TAKES[take], given))


def _around_best(values: np.ndarray, level: float) -> np.ndarray:
    """The contiguous indices around the best value where the values reach the level. The best index always counts."""
    best = int(np.nanargmax(values))
    below = np.flatnonzero(~(values >= level))
    first = max((one for one in below if one < best), default=-1) + 1
    last = min((one for one in below if one > best), default=len(values)) - 1
    return np.arange(first, last + 1)
