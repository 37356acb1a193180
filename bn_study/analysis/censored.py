"""What follows from runs without a value, for which a bound or another value stands.

A run that did not reach the level is censored: its length is a lower bound. If only the slower arm is censored, the
effect is at least what the bounds give; if only the faster arm is, it is at most that. An outcome is given only if it
stands for every value beyond the bounds.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from bn_study.analysis.contrast import Values
from bn_study.analysis.measures import Measure
from bn_study.analysis.stats import Finding
from bn_study.plan import parts

Bound = Literal["", "larger", "smaller", "either"]
"""How the effect may differ from what censored values give; "" if nothing is censored."""


def overweight(test: str, measure: Measure, values: Sequence[Values]) -> str:
    """Why replaced values leave the outcome open, whatever the measured ones are, or "".

    A condition on every run is not shown to hold in a run without a value. The worst value of either arm says nothing
    about the size of an effect: an arm that mostly consists of it would look equal to the other arm. Chance level does,
    so one arm may consist of it. For a run's length, `bounded` decides.
    """
    lost = [one.selector for one in values if len(one.replaced) > len(one.values) / 2]
    missing = measure.replacement != "chance" and any(one.replaced for one in values)
    if parts.find("test", test).EVERY_SEED and missing:
        return "it must hold in every run, and one without a value does not show that"
    if measure.replacement == "worst" and lost:
        return f"more than half of the runs of {' and '.join(lost)} diverged and have no value"
    if measure.replacement == "length" or len(lost) < len(values):
        return ""
    whose = {1: "", 2: " of both arms"}.get(len(values), " of every arm")
    return f"more than half of the runs{whose} diverged"


def bound(measure: Measure, values: Sequence[Values]) -> Bound:
    """How the effect may differ: larger if arms of positive weight are censored, smaller if arms of negative weight."""
    if measure.replacement != "length":
        return ""
    sides: set[Bound] = {"larger" if one.weight > 0 else "smaller" for one in values if one.replaced}
    return "either" if len(sides) > 1 else sides.pop() if sides else ""


def bounded(finding: Finding, mean: float, bound: Bound) -> Finding:
    """The finding if the effect's mean is a bound: open unless it stands for every value beyond the bound."""
    if not bound:
        return finding
    if bound == "either":
        return Finding("open", "arms on both sides are censored, so the effect may be larger or smaller")
    words = f"the effect is at {'least' if bound == 'larger' else 'most'} {mean:.3g}"
    if finding.outcome == "open" or finding.stands == bound:
        return replace(finding, reason=f"{finding.reason}; {words}")
    return Finding("open", f"{words} and may be any {bound}")
