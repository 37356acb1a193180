"""Whether means differ: Welch's analysis of variance of independent means, each with a standard error of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from bn_study.analysis.stats import CONFIDENCE

EQUAL = 1e-8
"""What numbers that are written with nine digits cannot tell from 0, relative to the mean."""


@dataclass(frozen=True)
class Mean:
    """error: its standard error, 0 if all seeds were equal. freedom: the degrees of freedom of the error."""

    value: float
    error: float
    freedom: float


def from_interval(value: float, low: float, high: float, n: int) -> Mean | None:
    """The mean of n values that has this 95% Student-t interval; None if a number is not finite or n < 2."""
    if n < 2 or not all(math.isfinite(one) for one in (value, low, high)):
        return None
    error = (high - low) / 2 / float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    return Mean(value, error if error > EQUAL * abs(value) else 0.0, n - 1)


def pooled(means: Sequence[Mean]) -> Mean:
    """The unweighted mean of means that share seeds, with the fewest degrees of freedom of any.

    Its variance takes a correlation of one half between any two of them: (sum(s²) + sum(s)²) / 2k². With 0 it would be
    too small where the means of the same seeds go up and down together, with 1 far too large where they do not.
    """
    count = len(means)
    apart, together = math.fsum(one.error**2 for one in means), math.fsum(one.error for one in means) ** 2
    error = math.sqrt((apart + together) / 2) / count
    return Mean(math.fsum(one.value for one in means) / count, error, min(one.freedom for one in means))


def differ(means: Sequence[Mean]) -> float:
    """p of the hypothesis that all means are equal (Welch 1951), 1 if there are fewer than two.

    Means without an error are known: if two of them differ, p is 0. If they agree they are one mean, and the weighted
    center is at it, which is the limit of Welch's statistic as that error goes to 0. For two means p is that of Welch's
    t test; for one and a known one it is that of the one-sample t test.
    """
    known = [one for one in means if one.error == 0]
    others = [one for one in means if one.error > 0]
    if any(not math.isclose(one.value, known[0].value, rel_tol=EQUAL, abs_tol=1e-12) for one in known):
        return 0.0
    count = len(others) + bool(known)
    if count < 2:
        return 1.0
    smallest = min(one.error for one in others)
    weights = [(smallest / one.error) ** 2 for one in others]
    total = math.inf if known else math.fsum(weights)
    center = known[0].value if known else math.fsum(w * m.value for w, m in zip(weights, others, strict=True)) / total
    between = math.fsum(((one.value - center) / one.error) ** 2 for one in others) / (count - 1)
    noise = math.fsum((1 - w / total) ** 2 / m.freedom for w, m in zip(weights, others, strict=True))
    statistic = between / (1 + 2 * (count - 2) / (count**2 - 1) * noise)
    return float(stats.f.sf(statistic, count - 1, (count**2 - 1) / (3 * noise)))
