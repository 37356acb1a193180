"""Whether a claim or a tuning can mean what its author thinks: refused before training where it cannot.

Each check knows what `plan` knows: the length of every run, when it is measured, what it records and between which
values. A claim that passes may still be wrong, but not for its units, its windows or its arms.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bn_study.analysis.arms import CONSTANT, Arm
from bn_study.analysis.measures import SCALES, Measure
from bn_study.analysis.needed import Needed
from bn_study.analysis.over import RISES, place
from bn_study.analysis.planned_records import check_needed, planned_of, series
from bn_study.analysis.reach import Reach, foregone, union, weighted
from bn_study.analysis.recorded import recorded_as
from bn_study.errors import Faults, UsageError
from bn_study.plan import parts, promised
from bn_study.plan.experiment import Cell, Claim, Tune

ROUNDING = 1e-9  # of a sum of weights, such as thirds
LEAST_POINTS = 2  # of a window: a path, and a mean over time, of one point is the value at a step


def check_weights(claim: Claim) -> None:
    """Weights that do not sum to 0 compare no arms, unless there is a constant or the claim says so."""
    weights = {selector: weight for selector, weight in claim.contrast.items() if selector != CONSTANT}
    total, size = math.fsum(weights.values()), sum(map(abs, weights.values()))
    for selector, weight in weights.items():
        if size and not weight:
            raise UsageError(f"contrast: {selector} has the weight 0 and takes no part; leave it out")
    if abs(total) > ROUNDING * size and CONSTANT not in claim.contrast and claim.difference:
        raise UsageError(
            f"contrast: the weights sum to {total:g}, so it is no difference between arms; let them sum to 0, add a "
            "`constant` for a threshold, or write `difference: false` if the sum itself is to be compared with 0"
        )


def check_levels(measure: Measure, level: Mapping[str, float], table: pd.DataFrame) -> None:
    """Every data set needs a level, if the measure does. Others ignore theirs, which they may have by `like`."""
    missing = {str(one) for one in table["dataset"]} - set(level)
    if measure.needs_level and missing:
        raise UsageError(f"{measure.name} has no level for {', '.join(sorted(missing))}; add it to `level`")


def check_paired(claim: Claim, arms: Sequence[Arm], rows: Sequence[pd.DataFrame], cells: Sequence[Cell]) -> None:
    """In one context: enough seeds that all arms have, and no run that is compared with itself."""
    least = 1 if parts.declared("test", claim.test, "EVERY_SEED") else 2
    seeds = set.intersection(*({int(seed) for seed in one["seed"]} for one in rows))
    if len(seeds) < least:
        names = f"{' and '.join(arm.selector for arm in arms)} {'share' if len(arms) > 1 else 'has'}"
        few = f"{len(seeds)} seed{'' if len(seeds) == 1 else 's'}"
        raise UsageError(
            f"{claim.test} needs {least} seed{'s' * (least > 1)}, and {names} {few}; "
            "give the grid several, such as seed: range(8)"
        )
    asked = [{cells[index].asked for index in one.index} for one in rows]
    for second in range(len(arms)):
        for first in range(second):
            if not asked[first].isdisjoint(asked[second]):
                raise UsageError(
                    f"contrast: {arms[first].selector} and {arms[second].selector} are the same runs, whose difference "
                    "is 0 whatever they give; name two arms"
                )


def check_recorded(measure: Measure, arms: Sequence[Arm], cells: Sequence[Cell]) -> None:
    """Every run of every arm records what the measure reads, at the step at which it reads it."""
    for arm, spec in _runs(arms, cells):
        try:
            check_needed(measure.name, _needs(measure, spec), planned_of([spec]))
        except UsageError as error:
            raise UsageError(f"{error} (in {arm.selector})") from None


def check_window(measure: Measure, runs: Iterable[tuple[str, Any]], *, cut: bool) -> None:
    """A window lies within each run and has measuring points. runs: the settings of each, with the arm's name.

    cut: whether it may end with a shorter run.
    """
    if not {"start", "end"} <= set(measure.args):
        return
    start, end = measure.args["start"], measure.args["end"]
    for arm, spec in runs:
        if end > spec.steps and not cut:
            raise UsageError(
                f"{measure.name}: the window from step {start} to {end} ends after the {spec.steps} steps of {arm}; "
                f"give an end of at most {spec.steps}, or write `cut_window: true` if it is meant to end with the run"
            )
        count = len(_window(measure, spec))
        if count < LEAST_POINTS:
            raise UsageError(
                f"{measure.name}: the window from step {start} to {end} has {count} measuring points in {arm}, and "
                f"needs {LEAST_POINTS}; widen it or measure more often"
            )


def check_alike(measure: Measure, arms: Sequence[Arm], rows: Sequence[pd.DataFrame], cells: Sequence[Cell]) -> None:
    """In one context: all arms are measured at the same steps of a window, because a path grows with their number."""
    if not {"start", "end"} <= set(measure.args):
        return
    known: dict[tuple[int, ...], str] = {}
    for arm, own in zip(arms, rows, strict=True):
        for _, spec in _runs([replace(arm, rows=own)], cells):
            known.setdefault(tuple(_window(measure, spec)), arm.selector)
    if len(known) > 1:
        (one, first), (other, second) = list(known.items())[:2]
        raise UsageError(
            f"{measure.name}: the window has {len(one)} measuring points in {first} and {len(other)}, or others, in "
            f"{second}, so they cannot be compared; measure both at the same steps"
        )


def check_level_reach(measure: Measure, level: Mapping[str, float], runs: Sequence[Any]) -> None:
    """A level lies between the values that the record can take. runs: their settings."""
    found = union(one for spec in runs for one in _reaches(measure, spec))
    rising = measure.rises or (measure.over is not None and measure.over.take in RISES)
    if rising and found.better == "less":
        by = measure.name if measure.rises or measure.over is None else measure.over.take
        raise UsageError(f"{by} asks for values at or above a level, and less {_what(measure)} is better; use another")
    for dataset, value in level.items() if measure.needs_level else ():
        if not found.low < value <= found.high:
            raise UsageError(
                f"level: {dataset}: {value:g}: {_what(measure)} lies {found.words()}; give a level that it can reach"
            )


def check_foregone(claim: Claim, measure: Measure, arms: Sequence[Arm], cells: Sequence[Cell]) -> None:
    """The verdict depends on the runs: some effect that is possible supports the claim, and some other does not."""
    reaches = []
    for arm in arms:
        specs = promised.distinct(cells[index] for index in arm.rows.index)
        measured = union(Reach() if spec is None else _reach(measure, spec) for spec in specs)
        if measure.over is not None:
            factor = [place(measure.over.factor, one) for one in arm.rows[measure.over.factor]]
            measured = measure.over.reach(sorted(set(factor)), measured)
        reaches.append(measured.scaled(SCALES[measure.scale] if measure.scale else None))
    effect = weighted({arm.selector: arm.weight for arm in arms}, reaches, claim.contrast.get(CONSTANT, 0.0))
    found = foregone(parts.declared("test", claim.test, "AGAINST"), effect, claim.margin)
    if found:
        words = " ".join(
            filter(None, [measure.scale, measure.over.take if measure.over else "", measure.name, _what(measure)])
        )
        both = "margin and constant" if CONSTANT in claim.contrast else "the margin"
        points = "accuracy" in words and measure.name in ("final", "average") and not (measure.scale or measure.over)
        hint = " (0.05 for 5 points of accuracy)" if points else ""
        raise UsageError(
            f"margin: {claim.margin:g}: the contrast of {words} lies {effect.words()}, so {claim.test} would {found} "
            f"be supported; give {both} in its unit{hint}"
        )


def check_scored(
    entry: Tune, measure: Measure, runs: Sequence[Any], faults: Faults, place: tuple[str, str], *, strict: bool
) -> None:
    """What holds for the measure of a claim holds for the score of a tuning, and `best` picks the better end."""
    known = [spec for spec in runs if spec is not None]
    if strict:
        with faults.at(*place):
            check_window(measure, ((" and ".join(entry.grids), spec) for spec in known), cut=False)
    with faults.at(*place):
        check_level_reach(measure, entry.level, known)
    better = union(_reach(measure, spec) for spec in known).better
    best = {"more": "max", "less": "min"}.get(better, "")
    picked = "best" if entry.best == best else "worst"
    if best and picked != entry.seeks:
        other = {"min": "max", "max": "min"}[entry.best]
        hint = "add `seeks: worst`" if entry.seeks == "best" else "leave out `seeks: worst`"
        what = _what(measure) if measure.name != "steps_to" else "steps"
        raise UsageError(
            f"best: {entry.best} picks the {picked} value, because {better} {what} is better; write best: "
            f"{other}, or {hint} if that is meant"
        )


# --- what a run records of it -----------------------------------------------------------------------------------------


def named_runs(arms: Sequence[Arm], cells: Sequence[Cell]) -> list[tuple[str, Any]]:
    """The settings that decide the records of each arm's runs, with the arm's selector."""
    return [(arm.selector, spec) for arm, spec in _runs(arms, cells)]


def _runs(arms: Sequence[Arm], cells: Sequence[Cell]) -> Iterator[tuple[Arm, Any]]:
    for arm in arms:
        for spec in promised.distinct(cells[index] for index in arm.rows.index):
            if spec is not None:
                yield arm, spec


def _needs(measure: Measure, spec: Any) -> list[Needed]:
    """What the measure reads, by the names under which the run has it."""
    known = {record.name for record in promised.records(spec) if not record.site}
    return [replace(need, name=recorded_as(need.name, known)) if not need.site else need for need in measure.needs()]


def _reaches(measure: Measure, spec: Any) -> list[Reach]:
    """Of each record that the measure reads."""
    there = planned_of([spec])
    return [
        union(Reach(one.low, one.high, better=one.better) for one in series(need, there))
        for need in _needs(measure, spec)
    ]


def _steps(measure: Measure, spec: Any) -> list[int]:
    """The steps at which a run measures what the measure reads first."""
    there = planned_of([spec])
    found = (there.steps[one] for need in _needs(measure, spec)[:1] for one in series(need, there))
    return sorted(set().union(*found))


def _window(measure: Measure, spec: Any) -> list[int]:
    return [one for one in _steps(measure, spec) if measure.args["start"] <= one <= measure.args["end"]]


def _reach(measure: Measure, spec: Any) -> Reach:
    return measure.reach(_reaches(measure, spec), _steps(measure, spec))


def _what(measure: Measure) -> str:
    """The record that a measure reads."""
    return str(measure.args.get("metric") or measure.args.get("name") or measure.needs()[0].name)
