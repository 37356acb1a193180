"""Numbers and verdicts in words, the same in the terminal and on the page."""

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
    """Three digits; a dash where there is no number. Rounded first: a mean may lie half-way between two such texts."""
    return NOTHING if math.isnan(value) else f"{rounded(value):.3g}"


def interval(row: Row | Verdict) -> str:
    """`0.93 [0.81, 1.1]`; without brackets where one seed gives no interval."""
    if math.isnan(row.estimate) or math.isnan(row.low):
        return number(row.estimate)
    return f"{number(row.estimate)} [{number(row.low)}, {number(row.high)}]"


def probability(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else NOTHING if math.isnan(p) else f"{p:.2g}"


def stated(verdict: Verdict) -> str:
    """When its claim was stated, and under which decision rule if that was an earlier one than judged it."""
    earlier = f", under rule {verdict.rule}" if verdict.rule != RULE and verdict.stated not in ("", POST_HOC) else ""
    return (verdict.stated or NOTHING) + earlier


def attached(verdict: Verdict) -> str:
    """The statements of its claim, and which of them were attached when its runs had been trained."""
    later = verdict.attached_later
    return " ".join(f"{one} (attached later, {later[one]})" if one in later else one for one in verdict.statements)


def quantity(claim: Claim) -> str:
    """What is measured, in short: `log10 largest_usable optimizer.learning_rate of final test/accuracy`.

    Of a combination its terms: `test/accuracy_batch − test/accuracy_moving`.
    """
    measure = parse(claim.measure)
    over = f"{measure.over.take} {measure.over.factor} of" if measure.over is not None else ""
    told = [str(measure.args[key]) for key in ("metric", "name", "site") if key in measure.args]
    terms = _sum(measure.args.get("metrics", {}))
    return " ".join(filter(None, [measure.scale, over, terms or measure.name, *told]))


def contrast(claim: Claim) -> str:
    """`norm=batch − norm=none`; what all arms have in common stands before it: `norm=batch: placement=after − ...`."""
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
    """`a − 0.5 b + 2`: names by weight, and a number for the one without a name."""
    found = ""
    for name, weight in terms.items():
        if weight:
            sign = ("" if weight > 0 else "−") if not found else " + " if weight > 0 else " − "
            found += sign + " ".join(filter(None, [f"{abs(weight):g}" if abs(weight) != 1 or not name else "", name]))
    return found


def effect(claim: Claim, row: Row | Verdict) -> str:
    """What an estimate on a measure's scale means: `norm=batch needs 1.9 [1.7, 2.1] times fewer steps than norm=none`.

    "" where the number needs no translation: without a scale (but for accuracies), or with other weights than 1 and -1.
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
