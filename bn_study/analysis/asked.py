"""What each run is asked for: the measures of claims and tuning scores, and what figures draw of the end of a run."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.measures import Measure, parse
from bn_study.analysis.recorded import NotMeasured, NotRecorded, diverged
from bn_study.analysis.settings import parse_selector, where
from bn_study.plan.experiment import Experiment, PlannedRun
from bn_study.store.stored_run import StoredRun

FINALS = ("test/accuracy", "test/loss")
"""Metrics whose last value is read from every run that recorded them."""


@dataclass(frozen=True)
class Asked:
    """A measure that the runs of a grid are asked for; `level` by data set.

    claim: the claim whose measure it is; "": of tuning or a figure.
    arms: selectors of those runs of the grid that need it; none: all do. A run that does not may lack its records, as a
    net without normalization lacks those of normalizers; then the measure has no value, else it is an error.
    metric: a record that the run may lack; then the measure has no value. "": a missing record is an error.
    moved: whether overrides may have moved the measuring points; one that is not there is then no value, else an error.
    drawn: whether only a figure reads it. A figure shows what exists, so a committed row without it is still used.
    """

    grid: str
    measure: Measure
    level: Mapping[str, float]
    metric: str = ""
    moved: bool = False
    drawn: bool = False
    claim: str = ""
    arms: tuple[str, ...] = ()


def asked(experiment: Experiment) -> list[Asked]:
    """Every measure of claims and tuning scores, with the grid whose runs are asked for it; FINALS; what figures draw.

    A figure with the options `grids` and `metrics` draws the last value of these records of the runs of these grids.
    """
    entries = [Asked(grid, final(metric), {}, metric) for grid in experiment.grids for metric in FINALS]
    moved = bool(experiment.changed)
    for name, claim in experiment.claims.items():
        arms = tuple(selector for selector in claim.contrast if selector != CONSTANT)
        measure = parse(claim.measure)
        entries += [Asked(grid, measure, claim.level, moved=moved, claim=name, arms=arms) for grid in claim.grids]
    for tune in experiment.tune.values():
        entries += [Asked(grid, parse(tune.score), tune.level, moved=moved) for grid in tune.grids]
    for figure in experiment.figures.values():
        metrics = [one for one in figure.get("metrics") or [] if one not in FINALS]
        grids = [*(figure.get("grids") or []), *(figure.get("beside") or [])]
        entries += [Asked(grid, final(one), {}, one, drawn=True) for grid in grids for one in metrics]
    return entries


def final(metric: str) -> Measure:
    """The measure `final` of a record."""
    return parse({"final": {"metric": metric}})


def of_run(run: PlannedRun, measures: Sequence[Asked]) -> dict[str, Asked]:
    """What a run is asked for, by the column's name. What a claim asks for too must be there."""
    found: dict[str, Asked] = {}
    for one in measures:
        if one.grid in run.grids:
            label = one.measure.label(one.level.get(run.spec.dataset.name))
            if not one.metric or label not in found:
                before = found.get(label)
                if before and not before.metric:
                    one = replace(one, arms=before.arms + one.arms if before.arms and one.arms else ())
                found[label] = one
    return found


def on_these(grids: Sequence[str], stated: str, measures: Sequence[Asked]) -> str:
    """`stated` without the claims that are on other grids alone. One that is no claim any more is kept."""
    elsewhere = {one.claim for one in measures} - {one.claim for one in measures if one.grid in grids}
    return " ".join(one for one in stated.split() if one.partition(":")[0] not in elsewhere)


def value(one: Asked, run: PlannedRun, stored: StoredRun) -> float:
    """The measure of a run; NaN if it has none and need not have one."""
    if one.metric:
        name, _, site = one.metric.partition("@")
        if (name, site) not in stored.scalars:
            return math.nan
        if site:  # a figure may draw what belongs to a layer
            return math.nan if diverged(stored) else float(stored.scalars[name, site][1][-1])
    try:
        return one.measure.of(stored, one.level.get(run.spec.dataset.name))
    except NotMeasured:
        if one.moved:
            return math.nan
        raise
    except NotRecorded:
        cells = pd.DataFrame([run.spec.settings | {"grid": grid} for grid in run.grids])
        if one.arms and all(where(cells, parse_selector(arm)).empty for arm in one.arms):
            return math.nan
        raise
