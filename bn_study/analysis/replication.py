"""Compare rows that were trained again with the committed rows: identical, in agreement, or different.

Training is chaotic: if only the last bits of its arithmetic differ, a run soon becomes another draw from its arm (its
settings without the seed). So the comparison is a test, not a tolerance. It has two parts that share an error rate of
1%:

rows    A number that differs from the committed one lies outside if it is neither in the range of its arm's committed
        runs nor in Student's t prediction interval for one more run. Seeds are not normal, so some committed rows lie
        outside their own arms, too: rows differ if more of the new rows lie outside than chance explains.
shifts  Given the seed, either of two such runs is equally likely to be the committed one. So no measure may move to one
        side over all rows: a sign-flip test of all measures together.

docs/verdicts.md explains the design, and how often the test errs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from bn_study.analysis.numbers import DIVERGED, FEWEST, LEVEL, Numbers, arrays, interval
from bn_study.analysis.rounding import rounded
from bn_study.analysis.settings import missing
from bn_study.analysis.stats import sign_flips
from bn_study.plan.experiment import Experiment

NEGLIGIBLE = 0.01
"""In standard deviations of an arm: a smaller difference is rounding that training has not amplified."""
MOST = 3.0
"""Standard deviations that a difference counts with at most, so that one dead run does not hide all others."""

Outcome = Literal["identical", "agrees", "differs", "untold"]


@dataclass(frozen=True)
class Outside:
    """A number of a row that is implausible for its arm, on the measure's scale.

    low, high: the interval it had to lie in. enough: whether the arm has enough runs for this conclusion.
    """

    label: str
    value: float
    low: float
    high: float
    enough: bool = True


@dataclass(frozen=True)
class Row:
    """The outcome of a row.

    `untold`: a number lies outside of its arm, which alone proves nothing, or the arm has too few runs.
    outside: the implausible numbers of a row that differs or is untold.
    """

    run: str
    outcome: Outcome
    outside: tuple[Outside, ...] = ()


@dataclass(frozen=True)
class Shift:
    """A measure that moved to one side, on average by `mean` standard deviations of its arms."""

    label: str
    mean: float
    p: float


@dataclass(frozen=True)
class Replication:
    """The result of comparing the rows of an experiment that were trained again.

    outside: how many of the new rows lie outside their arms. strays: how many of the committed rows do, and out of how
        many; not counted where none of the new ones does. p: that chance picks so many of the new ones.
    shifts: the measures that moved. sensitive: whether there are rows enough for a shift to be found at all.
    """

    rows: tuple[Row, ...]
    outside: int
    strays: tuple[int, int]
    p: float
    shifts: tuple[Shift, ...]
    sensitive: bool

    def count(self, outcome: Outcome) -> int:
        return sum(row.outcome == outcome for row in self.rows)

    @property
    def differs(self) -> bool:
        return bool(self.count("differs") or self.shifts)


def judge(experiment: Experiment, committed: pd.DataFrame, again: pd.DataFrame) -> Replication:
    """Compare rows that were trained again with the committed table that they come from.

    committed, again: tables of `tables.runs_table`, the latter with some of the former's runs.
    """
    old, new = committed.set_index("run").loc[again["run"]], again.set_index("run")
    identical = [_identical(one, other) for (_, one), (_, other) in zip(old.iterrows(), new.iterrows(), strict=True)]
    lost = (new["status"] == DIVERGED).to_numpy(float) - (old["status"] == DIVERGED).to_numpy(float)
    return judged(arrays(experiment, committed, again), list(again["run"]), identical, lost)


def _identical(old: pd.Series, new: pd.Series) -> bool:
    """Whether all values that both rows were asked for are equal as written."""
    labels = sorted(set(old["measured"].split()) & set(new["measured"].split()))
    return old["status"] == new["status"] and all(_written(old[one]) == _written(new[one]) for one in labels)


def _written(value: Any) -> float | None:
    return None if missing(value) else rounded(float(value))


# --- rows -------------------------------------------------------------------------------------------------------------


def judged(numbers: Numbers, runs: Sequence[str], identical: Sequence[bool], lost: np.ndarray) -> Replication:
    """Apply the rule. lost: (K,), 1 where only the new run diverged, -1 where only the committed one did, else 0."""
    rows = [
        Row(run, "identical") if same else _row(numbers, place, run)
        for place, (run, same) in enumerate(zip(runs, identical, strict=True))
    ]
    large = [int((numbers.arm == numbers.arm[index]).sum()) >= FEWEST for index in numbers.rows]
    beyond = [row.outcome == "untold" and any(one.enough for one in row.outside) for row in rows]
    strays, p = numbers.strays if any(beyond) else (0, 0), 1.0
    if any(beyond):
        p = float(stats.hypergeom.sf(sum(beyond) - 1, strays[1] + sum(large), strays[0] + sum(beyond), sum(large)))
    if p <= LEVEL:
        rows = [replace(row, outcome="differs") if one else row for row, one in zip(rows, beyond, strict=True)]
    moved = () if all(identical) else shifts(numbers, lost)
    return Replication(tuple(rows), sum(beyond), strays, p, moved, 2.0 ** (1 - len(rows)) <= LEVEL)


def _row(numbers: Numbers, place: int, run: str) -> Row:
    """Judge a single row: a number outside a tolerance differs; a number outside its arm proves nothing by itself."""
    index = numbers.rows[place]
    wrong, beyond = [], []
    for measure in map(int, np.flatnonzero(numbers.asked[index] & ~numbers.same[place])):
        label, tolerance = numbers.labels[measure], numbers.tolerances[measure]
        old, new = float(numbers.committed[index, measure]), float(numbers.again[place, measure])
        if math.isnan(tolerance):
            reference = numbers.reference(numbers.arm[index], measure)
            within = interval(reference, numbers.floors[measure], numbers.quantile)
            if not within.holds(new):
                enough = within.enough and reference.size >= FEWEST
                beyond.append(Outside(label, new, within.low, within.high, enough))
        elif not abs(new - old) <= tolerance:
            wrong.append(Outside(label, new, old - tolerance, old + tolerance))
    if wrong:
        return Row(run, "differs", tuple(wrong))
    return Row(run, "untold", tuple(beyond)) if beyond else Row(run, "agrees")


# --- shifts -----------------------------------------------------------------------------------------------------------


def shifts(numbers: Numbers, lost: np.ndarray) -> tuple[Shift, ...]:
    """The measures that moved to one side over all rows, `diverged` among them. lost: see `judged`."""
    moved = np.column_stack([standardized(numbers), lost])
    asked = np.column_stack([numbers.asked[numbers.rows], np.ones(len(moved), bool)])
    means = moved.sum(axis=0) / np.maximum(asked.sum(axis=0), 1)
    p, labels = sign_flips(np.clip(moved, -MOST, MOST)), [*numbers.labels, DIVERGED]
    found = [Shift(labels[one], float(means[one]), float(p[one])) for one in np.flatnonzero(p <= LEVEL)]
    return tuple(sorted(found, key=lambda one: (one.p, one.label)))


def standardized(numbers: Numbers) -> np.ndarray:
    """New minus committed in standard deviations of the arm: (K, M), 0 where either is missing or both are equal.

    The standard deviation uses old and new runs of the arm together, so that exchanging a pair changes only signs.
    """
    old, new = numbers.committed[numbers.rows], numbers.again
    usable = ~numbers.same & np.isnan(numbers.tolerances) & np.isfinite(old) & np.isfinite(new)
    moved = np.zeros(new.shape)
    for place, measure in np.argwhere(usable):
        arm = numbers.arm[numbers.rows[place]]
        beside = new[numbers.arm[numbers.rows] == arm, measure]
        deviation = np.nanstd(np.concatenate([numbers.reference(arm, measure), beside]), ddof=1)
        moved[place, measure] = (new[place, measure] - old[place, measure]) / deviation
    return np.where(np.abs(moved) < NEGLIGIBLE, 0.0, moved)
