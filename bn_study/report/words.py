"""Numbers and verdicts as text, the same in the terminal and on the page."""

import math
from collections.abc import Callable, Mapping

from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.headline import AFTERWARDS, BOTH_AFTERWARDS
from bn_study.analysis.measures import parse
from bn_study.analysis.rounding import rounded
from bn_study.analysis.sensitivity import Sensitivity
from bn_study.analysis.stated import POST_HOC
from bn_study.analysis.stats import RULE
from bn_study.analysis.verdict import Row, Verdict, shown
from bn_study.plan.experiment import Claim

BASES = {"log2": 2.0, "log10": 10.0}
NOTHING = "–"


def number(value: float) -> str:
    """Three digits; a dash for nan. It is rounded first: a mean may lie halfway between two three-digit numbers."""
    return NOTHING if math.isnan(value) else f"{rounded(value):.3g}"


def interval(row: Row | Verdict) -> str:
    """`0.93 [0.81, 1.1]`; without brackets if there is no interval, as with one seed."""
    return spread(row.estimate, row.low, row.high)


def spread(mean: float, low: float, high: float) -> str:
    """`0.93 [0.81, 1.1]` of a mean and the ends of its interval, NaN where there is none."""
    return number(mean) if math.isnan(mean) or math.isnan(low) else f"{number(mean)} [{number(low)}, {number(high)}]"


def outcome(row: Row | Verdict) -> str:
    """Its outcome; a small effect with its sign where the interval is clear of 0: `small, above 0`."""
    return shown(row.outcome, row.low, row.high)


def decided(row: Row | Verdict) -> str:
    """Its outcome and the reason: `open: the interval contains 0`. Some reasons begin with the outcome."""
    return row.reason if row.reason.startswith(f"{row.outcome}:") else f"{row.outcome}: {row.reason}"


def probability(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else NOTHING if math.isnan(p) else f"{p:.2g}"


def margins(one: Sensitivity) -> str:
    """The margins for which an outcome is the same: `up to 0.0155`, `0.471 or more`."""
    low, high = number(one.margin_low), number(one.margin_high)
    if one.margin_high == math.inf:
        return f"{low} or more" if one.margin_low > 0 else "any"
    return f"{low} to {high}" if one.margin_low > 0 else f"up to {high}"


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

    No number is negative. If the interval contains 0, its ends come last, each with its direction. "" if there is
    nothing to translate: no scale (except for accuracies), or weights other than 1 and -1.
    """
    measure = parse(claim.measure)
    arms = {weight: selector for selector, weight in claim.contrast.items() if selector != CONSTANT}
    if math.isnan(row.estimate) or len(claim.contrast) != 2 or set(arms) != {1.0, -1.0}:
        return ""
    plus, minus = arms[1.0], arms[-1.0]
    ends = (row.estimate, row.low, row.high)
    if measure.scale is None:
        if measure.replacement != "chance" or measure.over is not None:
            return ""
        points = _directed(ends, lambda one: 100 * abs(one), ("points above", "points below"))
        return f"{plus} is {points[0]} {minus}{points[1]}"
    base = BASES[measure.scale]
    if measure.replacement == "length" and measure.over is None:  # it counts steps
        if row.estimate == 0:
            return f"{minus} needs as many steps as {plus}"
        times, between = _directed(ends, lambda one: base ** abs(one), ("times fewer", "times as many"))
        return f"{minus} needs {times} steps {'than' if row.estimate > 0 else 'as'} {plus}{between}"
    what = measure.name if measure.over is None else f"{measure.over.take} {measure.over.factor}"
    return f"{what} of {plus} is {spread(*(base**one for one in ends))} times that of {minus}"


def daggered(headline: str) -> str:
    """A headline with a dagger where a factor was stated after the runs; what it means is said once."""
    return headline.replace(BOTH_AFTERWARDS, "†").replace(AFTERWARDS, "†")


def _directed(
    effect: tuple[float, float, float], size: Callable[[float], float], either: tuple[str, str]
) -> tuple[str, str]:
    """`9.8 [8.9, 11] points below` and ""; `0.3 points above` and ` (0.1 points below to 0.7 points above)`.

    effect: mean, low and high. size: a number's size in words, whatever its sign. either: the words for a positive
    and for a negative number.
    """
    mean, low, high = effect

    def side(one: float) -> str:
        return f"{number(size(one))} {either[one < 0]}"

    if low < 0 < high:
        return side(mean), f" ({side(low)} to {side(high)})"
    near, far = (low, high) if mean >= 0 else (high, low)
    return f"{spread(size(mean), size(near), size(far))} {either[mean < 0]}", ""
