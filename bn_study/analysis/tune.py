"""Stored selection runs -> tuned values: the best of each arm by its score, on selection seeds and validation data."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd

from bn_study.analysis.measures import Measure, parse
from bn_study.analysis.rounding import rounded
from bn_study.analysis.settings import comparable, rank
from bn_study.plan.expand import arm_of
from bn_study.plan.experiment import Experiment, Factors, Grid, Tune, Tuned, flatten

Key = tuple[Hashable, ...]


def choose(experiment: Experiment, runs: pd.DataFrame) -> dict[str, Tuned]:
    """What each tuning entry chose from the runs that are there.

    runs: the table of `tables.runs_table`, of which only the score's column, status, steps and settings are looked at.
    An arm is chosen when all its selection runs are there; a choice is the mean score over seeds, on the score's scale.
    A level not reached counts with the run's length, a diverged run is the worst; ties go to the smaller value.
    """
    return {
        name: _choose(entry, [experiment.grids[one] for one in entry.grids], runs)
        for name, entry in experiment.tune.items()
    }


def supposed(experiment: Experiment) -> dict[str, Tuned]:
    """A value for every arm before its runs are there, the first one offered: enough to say what a run will cost."""
    answer = {}
    for name, entry in experiment.tune.items():
        chosen: dict[tuple[Any, ...], Factors] = {}
        for cell in (cell for grid in entry.grids for cell in experiment.grids[grid].cells):
            flat = flatten(cell.config)
            arm = arm_of(entry, flat)
            chosen.setdefault(arm, {factor: flat.get(factor) for factor in entry.factors})
        answer[name] = Tuned(tuple(entry.per), chosen, frozenset())
    return answer


def _choose(entry: Tune, grids: Sequence[Grid], runs: pd.DataFrame) -> Tuned:
    scores = _scores(entry, parse(entry.score), runs)
    arms: dict[tuple[Any, ...], dict[Key, Factors]] = {}
    seeds: dict[tuple[Any, ...], set[tuple[Key, int]]] = {}
    for cell in (cell for grid in grids for cell in grid.cells):
        flat = cell.settings
        arm = arm_of(entry, flat)
        values = {factor: flat.get(factor) for factor in entry.factors}
        candidate = tuple(comparable(one) for one in values.values())
        arms.setdefault(arm, {})[candidate] = values
        seeds.setdefault(arm, set()).add((candidate, int(flat["seed"])))
    chosen, at_edge = {}, set()
    for arm, candidates in arms.items():
        key = tuple(comparable(one) for one in arm)
        if not all((key, candidate, seed) in scores for candidate, seed in seeds[arm]):
            continue
        means = {one: _mean([scores[key, one, seed] for same, seed in seeds[arm] if same == one]) for one in candidates}
        sign = 1 if entry.best == "min" else -1
        best = min(means, key=lambda one: (sign * means[one], [rank(value) for value in one]))
        chosen[arm] = candidates[best]
        if entry.ends is None and _at_edge(best, list(candidates)):
            at_edge.add(arm)
    return Tuned(tuple(entry.per), chosen, frozenset(at_edge))


def _scores(entry: Tune, measure: Measure, runs: pd.DataFrame) -> dict[tuple[Key, Key, int], float]:
    """(arm, candidate, seed) -> score of the runs of the selection grid."""
    found: dict[tuple[Key, Key, int], float] = {}
    for row in runs.to_dict("records"):
        if not set(entry.grids).isdisjoint(row["grids"].split()):
            arm = tuple(comparable(row.get(one)) for one in entry.per)
            candidate = tuple(comparable(row.get(one)) for one in entry.factors)
            found[arm, candidate, int(row["seed"])] = _score(entry, measure, row)
    return found


def _score(entry: Tune, measure: Measure, row: dict[str, Any]) -> float:
    worst = math.inf if entry.best == "min" else -math.inf
    if row["status"] == "diverged":
        return worst
    value = float(row[measure.label(entry.level.get(row["dataset"]))])
    if math.isnan(value) and measure.replacement == "length":
        value = float(row["steps"])
    scaled = measure.scaled(value)
    return worst if math.isnan(scaled) else scaled


def _mean(scores: list[float]) -> float:
    """Sum exactly and then round, so that ties depend neither on the order of seeds nor on the processor."""
    return rounded(math.fsum(scores) / len(scores))


def _at_edge(best: Key, candidates: Sequence[Key]) -> bool:
    """Whether a numeric factor with more than one value is at the smallest or the largest one offered."""
    for index, value in enumerate(best):
        offered = {one[index] for one in candidates}
        numbers = [one for one in offered if isinstance(one, (int, float))]
        if len(numbers) == len(offered) > 1 and value in (min(numbers), max(numbers)):
            return True
    return False
