"""Tests on paired differences: an estimate with its intervals and p, Holm's correction, and a test's decision by name.

Seeds are the only replicates and they are paired, so everything here takes one difference per seed. The two
confidence levels and the significance level are part of the rule, not of an experiment. Estimates and p are rounded as
they are written (see `rounding`), so that no decision rests on digits that depend on the processor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
from scipy import special, stats

from bn_study.analysis.rounding import rounded
from bn_study.analysis.skewed import firm_interval, quantile
from bn_study.plan import parts
from bn_study.plan.spec import Part

RULE = 3
"""The version of the decision rule: this module, claims.py and test/. It is raised when a change can turn the same
values into another verdict. CHANGELOG.md says why, and which verdicts changed."""
SIGNIFICANCE = 0.05
CONFIDENCE = 0.95
NEGLIGIBLE_CONFIDENCE = 0.90  # two one-sided tests at 5% are a 90% interval inside the margins (Schuirmann 1987)
EXACT_SEEDS = 16  # up to here all 2**n sign flips are enumerated
ROUNDING = 1e-12  # differences that agree to this relative precision are equal: arithmetic alone moves them so far
FLIPS = 1 << 14  # the number drawn for several measures together if there are more

Outcome = Literal["supported", "small", "reversed", "open", "blocked", "missing"]
"""What was found in one context.

small: surely smaller than the margin. reversed: surely the opposite of what is claimed. open: not decided. blocked: a
gate or a sanity check failed, or a tuned value lies at the edge of its grid, so the context does not count. missing:
planned runs are missing. docs/verdicts.md has the rule of each test.
"""


@dataclass(frozen=True)
class Estimate:
    """The mean of n paired differences, its 95% (low..high) and 90% intervals (low90..high90), its two-sided p.

    firm_low, firm_high: the interval that allows for a long tail (see `skewed.firm_interval`). largest: the absolute
    value of the difference that is furthest from 0.
    """

    mean: float
    low: float
    high: float
    low90: float
    high90: float
    p: float
    n: int
    firm_low: float
    firm_high: float
    largest: float = math.nan


NOTHING = Estimate(math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, 0, math.nan, math.nan)


@dataclass(frozen=True)
class Finding:
    """A decision about one context and its reason in words.

    stands: the finding holds however much larger ("larger") or smaller ("smaller") the effect is than the estimate.
    """

    outcome: Outcome
    reason: str
    stands: Literal["", "larger", "smaller"] = ""


def estimate(
    differences: Sequence[float] | np.ndarray, *, replaced: bool, resolution: float = 0.0, tails: bool = True
) -> Estimate:
    """Paired Student-t intervals and p. p is from the sign-flip test if a value was replaced or all are equal.

    differences: one per seed, finite. With fewer than two of them there is no interval and no p (NaN). If all are
    equal, the interval is the point. resolution: how far apart equal differences may lie, because what they are
    differences of was rounded (see `contrast.resolution`). tails: whether the firm interval allows for a long tail; if
    not, it is Student's 95% interval.
    """
    values = np.asarray(differences, dtype=float)
    largest = float(np.abs(values).max()) if values.size else math.nan
    if values.size < 2:
        mean = float(values[0]) if values.size else math.nan
        return _rounded(replace(NOTHING, mean=mean, n=values.size, largest=largest))
    if np.ptp(values) <= max(ROUNDING * largest, resolution):
        point = float(values.mean())
        p = sign_flip(values)
        return _rounded(Estimate(point, point, point, point, point, p, values.size, point, point, largest))
    mean, deviation, count = float(values.mean()), float(values.std(ddof=1)), values.size
    low, high = t_interval(mean, deviation, count)
    low90, high90 = t_interval(mean, deviation, count, NEGLIGIBLE_CONFIDENCE)
    t = mean / deviation * math.sqrt(count)
    p = sign_flip(values) if replaced else 2 * float(special.stdtr(count - 1, -abs(t)))
    firm = firm_interval(values, low, high) if tails else (low, high)
    return _rounded(Estimate(mean, low, high, low90, high90, p, count, *firm, largest))


def t_interval(mean: float, deviation: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Student-t interval of a mean; NaN with one value. deviation: the sample's standard deviation."""
    if count < 2:
        return math.nan, math.nan
    half = quantile((1 + confidence) / 2, count - 1) * deviation / math.sqrt(count)
    return mean - half, mean + half


def _rounded(found: Estimate) -> Estimate:
    numbers: dict[str, Any] = {name: rounded(value) for name, value in vars(found).items() if name != "n"}
    return replace(found, **numbers)


def sign_flip(differences: np.ndarray) -> float:
    """Two-sided p of the mean under random signs (Fisher's randomization test): exact up to 16 seeds, else sampled."""
    values = np.asarray(differences, dtype=float)
    if len(values) <= EXACT_SEEDS:
        size = ROUNDING * np.abs(values).sum()  # equal sums differ by the rounding of their order
        return float((np.abs(_all_signs(len(values)) @ values) >= abs(values.sum()) - size).mean())
    # whole numbers, whose sums are exact: sums that are equal stay equal, whatever the order and the last places
    whole = np.rint(values / max(np.abs(values).max(), np.finfo(float).tiny) * 2.0**40)
    result = stats.permutation_test(
        (whole,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT_SEEDS,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def sign_flips(moved: np.ndarray) -> np.ndarray:
    """p of each measure's mean under random signs of whole rows, adjusted for all measures: (K, M) -> (M,).

    Each measure's statistic is compared with the largest statistic of all measures under the same flips, so correlated
    measures cost no power (Westfall & Young 1993). The test is exact if there are few enough flips.
    """
    size = np.sqrt((moved**2).sum(axis=0))
    scaled = moved / np.where(size > 0, size, 1.0)
    largest = np.abs(_signs(len(moved)) @ scaled).max(axis=1)
    seen = np.abs(scaled.sum(axis=0))
    return np.where(size > 0, (largest[:, None] >= seen - ROUNDING).mean(axis=0), 1.0)


@cache
def _all_signs(count: int) -> np.ndarray:
    """All signs of `count` differences, (2**count, count)."""
    return 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)


@cache
def _signs(count: int) -> np.ndarray:
    """The signs of `count` differences, (flips, count): all of them, or FLIPS drawn ones if there are more."""
    if 2**count <= FLIPS:
        return _all_signs(count)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(FLIPS, count))
    signs[0] = 1.0  # the observed signs are among them
    return signs


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979), in the given order. NaN stays NaN and does not count."""
    adjusted = [math.nan] * len(p_values)
    order = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[index] = largest
    return adjusted


def decide(test: str, effect: Estimate, p: float, margin: float) -> Finding:
    """The decision of a test by name. `p` is adjusted for all contexts of the claim."""
    if effect.n < (1 if parts.find("test", test).EVERY_SEED else 2):
        return Finding("open", f"{effect.n} seed: an interval needs at least two")
    return parts.call("test", Part(test, {"margin": margin}), effect, p)


def small(effect: Estimate, margin: float) -> Finding | None:
    """The finding that an effect is surely smaller than the margin, with its sign; None if it may be larger."""
    if not within(effect, margin):
        return None
    return Finding("small", signed(f"small: 90% interval within ±{margin:g}", effect.low, effect.high))


def within(effect: Estimate, margin: float) -> bool:
    """Whether an effect is surely within ±margin, with a long tail too."""
    inside = -margin < effect.low90 and effect.high90 < margin
    return inside and -margin < effect.firm_low and effect.firm_high < margin


def beyond(effect: Estimate, limit: float) -> Literal["", "above", "below"]:
    """The side of a limit on which an effect surely lies, with a long tail too; "" if it may lie on either side."""
    if min(effect.low, effect.firm_low) > limit:
        return "above"
    return "below" if max(effect.high, effect.firm_high) < limit else ""


def unclear(effect: Estimate, limit: float, named: str) -> str:
    """Why it is open on which side of a limit an effect lies, in words; "" if it is clear."""
    if effect.low <= limit <= effect.high:
        return f"the interval contains {named}"
    return "" if beyond(effect, limit) else f"{_firm(effect)} contains {named}"


def tailed(effect: Estimate, margin: float) -> str:
    """Why an effect is not surely within ±margin although its 90% interval is, in words; "" if that is not within."""
    if not (-margin < effect.low90 and effect.high90 < margin):
        return ""
    return f"{_firm(effect)} is not within ±{margin:g}"


def _firm(effect: Estimate) -> str:
    return f"the interval that allows for a long tail, {effect.firm_low:.3g} to {effect.firm_high:.3g},"


def signed(text: str, low: float, high: float) -> str:
    """A text about an effect and, where its interval is clear of 0, the effect's sign: `small, above 0`."""
    return f"{text}, above 0" if low > 0 else f"{text}, below 0" if high < 0 else text
