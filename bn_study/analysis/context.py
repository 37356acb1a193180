"""One context of a claim: what its arms measured -> its row, with p adjusted over all contexts that count."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from bn_study.analysis import censored, contrast
from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.measures import parse
from bn_study.analysis.stats import Estimate, Finding, decide, estimate, holm
from bn_study.analysis.verdict import NO_PAIRS, Pairs, Row
from bn_study.plan import parts
from bn_study.plan.experiment import Claim

NO_EFFECT = estimate([], replaced=False)


@dataclass(frozen=True)
class Context:
    """One context before its Row: the effect with missing values imputed against the claim, and in its favor.

    pairs: what each arm contributed, by seed, and the paired differences that count against the claim. bound: how the
    effect may differ because values are censored. tails: see `stats.estimate`. missing, gate, overweight, undefined:
    why nothing is decided, or "".
    """

    name: str
    note: str = ""
    replaced: int = 0
    against: Estimate = NO_EFFECT
    favor: Estimate = NO_EFFECT
    bound: censored.Bound = ""
    tails: bool = True
    missing: str = ""
    gate: str = ""
    overweight: str = ""
    undefined: str = ""
    pairs: Pairs = NO_PAIRS

    @property
    def counts(self) -> bool:
        """Whether it is in Holm's family."""
        return not (self.missing or self.gate or self.undefined)


def measured(
    name: str,
    claim: Claim,
    values: Sequence[contrast.Values],
    *,
    missing: str = "",
    gate: str = "",
    tails: bool = True,
) -> Context:
    """A context from the values of each arm of the claim's contrast. tails: see `stats.estimate`."""
    measure, found = parse(claim.measure), list(values)
    replaced = sum(len(one.replaced) for one in found)
    unit = "runs" if measure.over is None else "seeds"
    undefined = [f"{one.undefined} {unit} of {one.selector}" for one in found if one.undefined]
    constant = claim.contrast.get(CONSTANT, 0.0)
    down = contrast.differences(found, constant, sign=-1)
    imputed = any(one.values.isna().any() for one in found)
    up = contrast.differences(found, constant, sign=1) if imputed else down
    against, favor = _ends(claim.test, down, up)
    equal = contrast.resolution(found, logarithmic=measure.scale is not None)
    effects = [
        estimate(one, replaced=replaced > 0, resolution=equal, tails=tails)
        for one in ([against, favor] if imputed else [against])
    ]
    return Context(
        name,
        "; ".join(note for one in found for note in one.notes),
        replaced,
        effects[0],
        effects[-1],
        bound=censored.bound(measure, found),
        tails=tails,
        missing=missing,
        gate=gate,
        overweight=censored.overweight(claim.test, measure, found),
        undefined=f"{measure.name} has no value in {' and '.join(undefined)}" if undefined else "",
        pairs=Pairs(tuple(found), constant, against),
    )


def _ends(test: str, down: pd.Series, up: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The differences that count against the claim, and those in its favor. The test says which end is which."""
    far, near = max((up, down), key=lambda one: abs(one.mean())), _nearest(down, up)
    ends = {"low": (down, up), "high": (up, down), "far": (far, near), "near": (near, far)}
    return ends[parts.find("test", test).AGAINST]


def _nearest(down: pd.Series, up: pd.Series) -> pd.Series:
    """The differences between both ends whose mean is nearest to 0: 0 itself if the ends lie on either side of it."""
    low, high = down.mean(), up.mean()
    if low < 0 < high:
        return (high * down - low * up) / (high - low)
    return min((up, down), key=lambda one: abs(one.mean()))


def rows(claim: Claim, found: Sequence[Context]) -> tuple[Row, ...]:
    """Adjust p over the contexts that count (Holm), then decide in each context."""
    return tuple(_row(claim, one, *p) for one, p in zip(found, adjusted(found), strict=True))


def adjusted(found: Sequence[Context]) -> list[tuple[float, float]]:
    """Holm's p of each context, NaN where it does not count; values imputed against the claim, and in its favor."""
    against = holm([one.against.p if one.counts else math.nan for one in found])
    return list(zip(against, holm([one.favor.p if one.counts else math.nan for one in found]), strict=True))


def _row(claim: Claim, one: Context, p: float, p_favor: float) -> Row:
    found = finding(claim, one, p, p_favor)
    effect = NO_EFFECT if one.undefined else one.against
    return Row(
        one.name,
        found.outcome,
        "; ".join(filter(None, [found.reason, one.note])),
        effect.mean,
        effect.low,
        effect.high,
        p,
        effect.n,
        one.replaced,
        one.pairs,
        one.against.p if one.counts else math.nan,
    )


def finding(claim: Claim, one: Context, p: float, p_favor: float) -> Finding:
    """The decision in a context. p, p_favor: see `adjusted`."""
    if one.missing:
        return Finding("missing", one.missing)
    if one.gate:
        return Finding("blocked", ", ".join(filter(None, [one.gate, one.undefined])))
    if one.undefined or one.overweight:
        return Finding("open", one.undefined or one.overweight)
    found = decide(claim.test, one.against, p, claim.margin)
    other = decide(claim.test, one.favor, p_favor, claim.margin)
    if found.outcome in ("small", "reversed") and other.outcome != found.outcome:
        # A value that was imputed against the claim must not be the reason why the claim is refuted.
        return Finding("open", "the outcome depends on the values imputed for diverged runs")
    return censored.bounded(found, one.against.mean, one.bound)
