"""How firm each verdict is: what would change the outcome of a claim in a context.

Four changes are tried: another margin, one seed less, p from the sign-flip test, and a bootstrap interval (percentile,
Efron 1979) in place of the t interval. An outcome is fragile if one of them changes it within reason.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from bn_study.analysis import context
from bn_study.analysis.context import Context
from bn_study.analysis.contrast import Values
from bn_study.analysis.rounding import rounded, rounded_table
from bn_study.analysis.stats import CONFIDENCE, NEGLIGIBLE_CONFIDENCE, SIGNIFICANCE, Estimate, holm, sign_flip
from bn_study.analysis.verdict import Verdict
from bn_study.plan import parts
from bn_study.plan.experiment import Claim, Experiment

REASON = 1.25  # a margin is a judgment: who would object to one a quarter larger?
RESAMPLES = 5000
DIRECTIONAL = ("superiority", "difference")
"""The tests that use p."""
COLUMNS = (
    "claim", "context", "outcome", "margin", "margin_low", "margin_high", "seeds", "without", "p_sign_flip",
    "bootstrap_low", "bootstrap_high", "fragile",
)  # fmt: skip


@dataclass(frozen=True)
class Sensitivity:
    """What would change the outcome in one context.

    margin_low, margin_high: the outcome is the same for all margins between them; infinite if there is no end. seeds:
    those without any one of which the outcome is another one; without: the outcome without the first of them.
    p_sign_flip: after Holm, NaN for a test that uses no p. bootstrap_low, bootstrap_high: the 95% interval. fragile:
    what would change the outcome, separated by semicolons; "" if it is firm.
    """

    claim: str
    context: str
    outcome: str
    margin: float
    margin_low: float
    margin_high: float
    seeds: str
    without: str
    p_sign_flip: float
    bootstrap_low: float
    bootstrap_high: float
    fragile: str


def sensitivities(experiment: Experiment, verdicts: Mapping[str, Verdict]) -> list[Sensitivity]:
    """One for each context of each claim that has runs and is not blocked, in the order of the verdicts."""
    found = []
    for name, verdict in verdicts.items():
        claim = experiment.claims[name]
        measured = [
            context.measured(row.context, claim, row.pairs.values, tails=not experiment.sanity_check)
            for row in verdict.rows
            if row.outcome not in ("missing", "blocked") and len(row.pairs.differences)
        ]
        flipped = [_flipped(one) if claim.test in DIRECTIONAL else math.nan for one in measured]
        found += [
            _sensitivity(name, claim, measured, place, raw, p)
            for place, (raw, p) in enumerate(zip(flipped, holm(flipped), strict=True))
        ]
    return found


def table(found: Sequence[Sensitivity]) -> pd.DataFrame:
    """sensitivity.csv: a row for each; numbers are rounded, and an infinite margin is an empty field."""
    rows = [{one.name: getattr(each, one.name) for one in fields(each)} for each in found]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return rounded_table(frame.replace({"margin_high": {math.inf: math.nan}}))


def _sensitivity(
    name: str, claim: Claim, measured: Sequence[Context], place: int, raw: float, flipped: float
) -> Sensitivity:
    """raw, flipped: p of the sign-flip test before and after Holm."""
    one, p = measured[place], context.adjusted(measured)
    outcome = context.finding(claim, one, *p[place]).outcome
    low, high = margins(claim, one, p[place])
    changed = {seed: other for seed, other in _without_one(claim, measured, place) if other != outcome}
    least = 2.0 ** (1 - one.against.n)  # where all seeds agree no sign-flip test can give a smaller p
    interval, other = _bootstrapped(claim, one, p[place]) if _drawn(claim, one) else ((math.nan, math.nan), outcome)
    reasons = []
    if low > claim.margin / REASON or high < claim.margin * REASON:
        reasons.append("margin")
    if changed:
        reasons.append("one seed less")
    if claim.test in DIRECTIONAL and outcome in ("supported", "reversed") and flipped > SIGNIFICANCE and raw > least:
        reasons.append("sign-flip test")
    if outcome != "open" and other != outcome:
        reasons.append("bootstrap")
    seeds = " ".join(map(str, changed))
    without = next(iter(changed.values()), "")
    return Sensitivity(
        name, one.name, outcome, claim.margin, low, high, seeds, without, flipped, *interval, "; ".join(reasons)
    )


def margins(claim: Claim, one: Context, p: tuple[float, float]) -> tuple[float, float]:
    """The ends of the margins around the claim's for which the outcome is the same; 0 and infinity if there is no end.

    Every decision compares a number of the estimate with the margin or its negative, so the outcome can change only at
    the absolute values of these numbers.
    """
    numbers = {abs(value) for effect in (one.against, one.favor) for value in vars(effect).values()}
    ends = sorted({0.0, math.inf} | {value for value in numbers if math.isfinite(value)} | {claim.margin})

    def same(low: float, high: float) -> bool:
        between = (low + high) / 2 if high < math.inf else 2 * low + 1
        at = claim.model_copy(update={"margin": between})
        return context.finding(at, one, *p).outcome == outcome

    outcome = context.finding(claim, one, *p).outcome
    first = last = ends.index(claim.margin)
    while first > 0 and same(ends[first - 1], ends[first]):
        first -= 1
    while last < len(ends) - 1 and same(ends[last], ends[last + 1]):
        last += 1
    return ends[first], ends[last]


def _without_one(claim: Claim, measured: Sequence[Context], place: int) -> Iterator[tuple[int, str]]:
    """Each seed, and the outcome without it. The other contexts keep all their seeds."""
    one = measured[place]
    for seed in one.pairs.differences.index if one.against.n > 1 else ():
        less = context.measured(
            one.name, claim, [_without(values, seed) for values in one.pairs.values], tails=one.tails
        )
        others = [*measured[:place], less, *measured[place + 1 :]]
        yield int(seed), context.finding(claim, less, *context.adjusted(others)[place]).outcome


def _without(values: Values, seed: int) -> Values:
    lost = values.values.get(seed)
    undefined = values.undefined - (lost is not None and math.isnan(lost) and seed not in values.replaced)
    kept = values.values.drop(seed, errors="ignore")
    return replace(values, values=kept, replaced=values.replaced - {seed}, undefined=undefined)


def _flipped(one: Context) -> float:
    """p of the sign-flip test in a context that counts."""
    return sign_flip(one.pairs.differences.to_numpy()) if one.counts and one.against.n > 1 else math.nan


def _drawn(claim: Claim, one: Context) -> bool:
    """Whether the decision rests on an interval of a mean."""
    return not parts.find("test", claim.test).EVERY_SEED and one.counts and one.against.n > 1


def _bootstrapped(claim: Claim, one: Context, p: tuple[float, float]) -> tuple[tuple[float, float], str]:
    """The 95% bootstrap interval, and the outcome with bootstrap intervals in place of all others."""
    wide, narrow = bootstrap(one.pairs.differences.to_numpy())
    changed: dict[str, Any] = {"low": wide[0], "high": wide[1], "firm_low": wide[0], "firm_high": wide[1]}
    changed |= {"low90": narrow[0], "high90": narrow[1]}
    against: Estimate = replace(one.against, **changed)
    favor = against if one.favor == one.against else one.favor
    return wide, context.finding(claim, replace(one, against=against, favor=favor), *p).outcome


def bootstrap(differences: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """The 95% and the 90% percentile interval of a mean; the mean itself if all differences are equal. Seeded.

    Quantiles of the resampled means move no further than the values do. Those of BCa jump when rounding breaks a tie.
    """
    values = np.asarray(differences, float)
    if np.ptp(values) <= 1e-9 * (float(np.abs(values).max()) or 1.0):
        point = rounded(float(values.mean()))
        return (point, point), (point, point)
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    means = values[drawn].mean(axis=1)
    levels = [[(1 - level) / 2, (1 + level) / 2] for level in (CONFIDENCE, NEGLIGIBLE_CONFIDENCE)]
    (low, high), (low90, high90) = (map(float, np.quantile(means, ends)) for ends in levels)
    return (rounded(low), rounded(high)), (rounded(low90), rounded(high90))
