"""Numbers and verdicts as text, the same in the terminal and on the page."""

import math
from collections.abc import Mapping

from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.measures import parse
from bn_study.analysis.rounding import rounded
from bn_study.analysis.stated import POST_HOC
from bn_study.analysis.stats import RULE
from bn_study.analysis.verdict import Row, Verdict
from bn_study.plan.experiment import Claim

BASES = {"log2": 2.0, "log10": 10.0}
NOTHING = "–"


def number(value: float) -> str:
    """Three digits; a dash for nan. It is rounded first: a mean may lie halfway between two three-digit numbers."""
    return NOTHING if math.isnan(value) else f"{rounded(value):.3g}"


def interval(row: Row | Verdict) -> str:
    """`0.93 [0.81, 1.1]`; without brackets if there is no interval, as with one seed."""
    if math.isnan(row.estimate) or math.isnan(row.low):
        return number(row.estimate)
    return f"{number(row.estimate)} [{number(row.low)}, {number(row.high)}]"


def probability(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else NOTHING if math.isnan(p) else f"{p:.2g}"


def stated(verdict: Verdict) -> str:
    """When its claim was stated, and the version of the decision rule if that was an earlier one."""
    earlier = f", under rule {verdict.rule}" if verdict.rule != RULE and verdict.stated not in ("", POST_HOC) else ""
    return (verdict.stated or NOTHING) + earlier


def attached(verdict: Verdict) -> str:
    """The statements of its claim; those attached after its runs were trained are marked."""
    later = verdict.attached_later
    return " ".join(f"{one} (attached later, {later[one]})" if one in later else one for one in verdict.statements)


def quantity(claim: Claim) -> str:
    """The measure in short: `log10 largest_usable optimizer.learning_rate of final test/accuracy`.

    A combination is given by its terms: `test/accuracy_batch − test/accuracy_moving`.
    """
    measure = parse(claim.measure)
    over = f"{measure.over.take} {measure.over.factor} of" if measure.over is not None else ""
    records = [str(measure.args[key]) for key in ("metric", "name", "site") if key in measure.args]
    terms = _sum(measure.args.get("metrics", {}))
    return " ".join(filter(None, [measure.scale, over, terms or measure.name, *records]))


def contrast(claim: Claim) -> str:
    """`norm=batch − norm=none`; settings that all arms share come first: `norm=batch: placement=after − ...`."""
    arms = {selector: selector.split() for selector in claim.contrast if selector != CONSTANT}
    first = next(iter(arms.values()))
    common = [one for one in first if len(arms) > 1 and all(one in arm for arm in arms.values())]
    common = common if all(len(arm) > len(common) for arm in arms.values()) else []
    terms = {}
    for selector, weight in claim.contrast.items():
        term = " ".join(one for one in arms.get(selector, []) if one not in common)
        terms[f"({term})" if " " in term and len(arms) > 1 else term] = weight
    return " ".join([*common[:-1], *(f"{one}:" for one in common[-1:]), _sum(terms)])


def _sum(terms: Mapping[str, float]) -> str:
    """`a − 0.5 b + 2`: a weighted sum of names. The empty name is a constant."""
    text = ""
    for name, weight in terms.items():
        if weight:
            sign = ("" if weight > 0 else "−") if not text else " + " if weight > 0 else " − "
            text += sign + " ".join(filter(None, [f"{abs(weight):g}" if abs(weight) != 1 or not name else "", name]))
    return text


def effect(claim: Claim, row: Row | Verdict) -> str:
    """What an estimate on a measure's scale means: `norm=batch needs 1.9 [1.7, 2.1] times fewer steps than norm=none`.

    "" if there is nothing to translate: no scale (except for accuracies), or weights other than 1 and -1.
    """
    measure = parse(claim.measure)
    arms = {weight: selector for selector, weight in claim.contrast.items() if selector != CONSTANT}
    if math.isnan(row.estimate) or len(claim.contrast) != 2 or set(arms) != {1.0, -1.0}:
        return ""
    plus, minus = arms[1.0], arms[-1.0]
    if measure.scale is None:
        if measure.replacement != "chance" or measure.over is not None:
            return ""
        return f"{plus} {_times(*(100 * one for one in (row.estimate, row.low, row.high)))} points above {minus}"
    ratios = [BASES[measure.scale] ** one for one in (row.estimate, row.low, row.high)]
    if measure.over is not None:
        return f"{measure.over.take} {measure.over.factor} of {plus} is {_times(*ratios)} times that of {minus}"
    if measure.replacement != "length":  # it counts no steps
        return f"{measure.name} of {plus} is {_times(*ratios)} times that of {minus}"
    if row.estimate >= 0:
        return f"{minus} needs {_times(*ratios)} times fewer steps than {plus}"
    mean, low, high = (1 / one for one in ratios)
    return f"{minus} needs {_times(mean, high, low)} times more steps than {plus}"


def _times(mean: float, low: float, high: float) -> str:
    return number(mean) if math.isnan(low) else f"{number(mean)} [{number(low)}, {number(high)}]"
