"""Which values a measure, and a claim's effect, can take at all: what `plan` knows before any run.

A claim that no possible effect supports, or that every possible effect supports, has a verdict without evidence. The
usual cause is a unit: a margin of 5 for five points of accuracy, a threshold of 80 for 0.8.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["more", "less", ""]


@dataclass(frozen=True)
class Reach:
    """From `low` to `high`. least: the smallest value above 0. better: see `plan.declared.Record`."""

    low: float = -math.inf
    high: float = math.inf
    least: float = 0.0
    better: Better = ""

    def scaled(self, scale: Callable[[float], float] | None) -> "Reach":
        """On a logarithmic scale, on which a value of 0 or below is not defined."""
        if scale is None:
            return self
        low, high = (_scaled(scale, one) for one in (max(self.low, self.least), self.high))
        return Reach(low, high, better=self.better)

    def words(self) -> str:
        """`between 0 and 1`, `at least 0`."""
        if math.isinf(self.low) or math.isinf(self.high):
            return f"at least {self.low:.4g}" if math.isinf(self.high) else f"at most {self.high:.4g}"
        return f"between {self.low:.4g} and {self.high:.4g}"


def _scaled(scale: Callable[[float], float], value: float) -> float:
    return -math.inf if value <= 0 else value if math.isinf(value) else scale(value)


def union(found: Iterable[Reach]) -> Reach:
    """What any of them reaches."""
    every = list(found)
    better = {one.better for one in every}
    if not every:
        return Reach()
    low, high = min(one.low for one in every), max(one.high for one in every)
    return Reach(low, high, min(one.least for one in every), better.pop() if len(better) == 1 else "")


def weighted(terms: Mapping[str, float], reaches: Sequence[Reach], constant: float = 0.0) -> Reach:
    """A weighted sum. terms: the weights, in the order of the reaches."""
    low = high = constant
    for weight, one in zip(terms.values(), reaches, strict=True):
        ends = sorted((weight * one.low, weight * one.high)) if weight else (0.0, 0.0)
        low, high = low + ends[0], high + ends[1]
    return Reach(low, high)


def foregone(against: str, effect: Reach, margin: float) -> Literal["always", "never", ""]:
    """Whether a test supports a claim for every possible effect, or for none. against: see test/__init__.py."""
    above, below = effect.low >= margin, effect.high <= margin
    within, outside = effect.low >= -margin and below, above or effect.high <= -margin
    supported, refuted = {
        "low": (above, below), "high": (below, above), "far": (within, outside), "near": (outside, within),
    }[against]  # fmt: skip
    return "always" if supported else "never" if refuted else ""
