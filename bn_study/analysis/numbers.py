"""The numbers of a table of runs as arrays, by arm, and the range of values that is plausible for another run."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bn_study.analysis.arms import CONSTANT, numbered
from bn_study.analysis.asked import asked
from bn_study.analysis.measures import Measure, parse
from bn_study.analysis.settings import missing
from bn_study.analysis.stats import ROUNDING
from bn_study.plan import parts
from bn_study.plan.experiment import Experiment

LEVEL = 0.005
"""The error rate of the rule for rows, and the error rate of the rule for shifts (replication.py)."""
FEWEST = 6
"""Committed runs that an arm must have for a prediction interval: three seeds show no spread."""
SINGLE = 1e-5
"""Relative difference that single-precision rounding, summed over a layer, can explain."""
DIVERGED = "diverged"


@dataclass(frozen=True)
class Interval:
    """The plausible values of one more run of an arm. without: whether a missing value is plausible, too.

    low, high: NaN if no value is plausible. enough: whether there are enough runs to call a value implausible.
    """

    low: float
    high: float
    without: bool
    enough: bool

    def excludes(self, value: float) -> bool:
        return self.enough and not self.holds(value)

    def holds(self, value: float) -> bool:
        return self.without if math.isnan(value) else self.low <= value <= self.high


def interval(reference: np.ndarray, floor: float, quantile: float) -> Interval:
    """The interval from the committed numbers of an arm, which are NaN for a run without a number.

    It covers their range and the prediction interval for one more value, assuming normal values. floor: the standard
    deviation to use where all numbers are equal. quantile: the one-sided probability outside the interval.
    """
    there = present(reference)
    without, enough = there.size < reference.size, there.size >= FEWEST - 1
    if not there.size:
        return Interval(math.nan, math.nan, without, enough=reference.size >= FEWEST - 1)
    low, high = there.min(), there.max()
    if enough:
        deviation = floor if _equal(there) else there.std(ddof=1)
        far = _student(quantile, there.size - 1) * deviation * math.sqrt(1 + 1 / there.size)
        low, high = min(low, there.mean() - far), max(high, there.mean() + far)
    return Interval(float(low), float(high), without, enough)


@cache
def _student(probability: float, freedom: int) -> float:
    return float(stats.t.isf(probability, freedom))


def present(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]


def _equal(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


# --- the numbers of two tables ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """An experiment's rows as arrays.

    labels: names of the M measures. committed: (N, M), NaN where a run has no value. asked: (N, M), whether a value was
    asked for. arm: (N,), equal for rows of the same arm. again: (K, M), the rows that were trained again. rows: (K,),
    the committed rows that they repeat. tolerances: (M,), NaN except for measures of exact claims.
    """

    labels: Sequence[str]
    committed: np.ndarray
    asked: np.ndarray
    arm: np.ndarray
    again: np.ndarray
    rows: np.ndarray
    tolerances: np.ndarray

    @cached_property
    def same(self) -> np.ndarray:
        """(K, M): whether a number is equal up to rounding, or missing both times."""
        old, new = self.committed[self.rows], self.again
        return (np.isnan(old) & np.isnan(new)) | (np.abs(new - old) <= SINGLE * np.maximum(np.abs(old), np.abs(new)))

    @cached_property
    def free(self) -> np.ndarray:
        """The indices of the measures that have no tolerance."""
        return np.flatnonzero(np.isnan(self.tolerances))

    @cached_property
    def quantile(self) -> float:
        """One-sided probability outside an interval: the error rate divided among all numbers that are compared."""
        return LEVEL / 2 / max(int(self.asked[self.rows][:, self.free].sum()), 1)

    def reference(self, arm: int, measure: int) -> np.ndarray:
        """The committed numbers of an arm, including NaN."""
        return self.committed[(self.arm == arm) & self.asked[:, measure], measure]

    @cached_property
    def floors(self) -> np.ndarray:
        """(M,): the standard deviation for an arm of equal values, which is the median over all other arms."""
        found = []
        for measure in range(len(self.labels)):
            there = [present(self.reference(arm, measure)) for arm in np.unique(self.arm)]
            some = [one.std(ddof=1) for one in there if one.size >= FEWEST and not _equal(one)]
            found.append(float(np.median(some)) if some else 0.0)
        return np.array(found)

    @cached_property
    def strays(self) -> tuple[int, int]:
        """The number of committed rows that the other rows of their arms make implausible, and the number checked."""
        stray, judged = np.zeros(len(self.arm), bool), np.zeros(len(self.arm), bool)
        for arm, measure in itertools.product(np.unique(self.arm), self.free):
            rows = np.flatnonzero((self.arm == arm) & self.asked[:, measure])
            if rows.size >= FEWEST:
                judged[rows] = True
                for one, row in enumerate(rows):
                    others = np.delete(self.committed[rows, measure], one)
                    held = interval(others, self.floors[measure], self.quantile)
                    stray[row] |= held.excludes(self.committed[row, measure])
        return int(stray.sum()), int(judged.sum())


def arrays(experiment: Experiment, committed: pd.DataFrame, again: pd.DataFrame) -> Numbers:
    """Both tables on the measures' scales."""
    measures, tolerances = compared(experiment), exact(experiment)
    labels = sorted({label for measured in committed["measured"] for label in measured.split()} & set(measures))
    place = {run: index for index, run in enumerate(committed["run"])}
    asked = [[label in one.split() for label in labels] for one in committed["measured"]]
    return Numbers(
        labels,
        _values(committed, labels, measures),
        np.array(asked, bool).reshape(len(committed), len(labels)),
        numbered(committed),
        _values(again, labels, measures),
        np.array([place[run] for run in again["run"]], int),
        np.array([tolerances.get(label, math.nan) for label in labels], float),
    )


def compared(experiment: Experiment) -> dict[str, Measure]:
    """The measure of each column of an experiment's table, on a logarithmic scale if a claim or tuning uses one."""
    found: dict[str, Measure] = {}
    for one in asked(experiment):
        for level in {None, *one.level.values()}:
            known = found.get(label := one.measure.label(level))
            if known is None or (known.scale is None and one.measure.over is None):
                found[label] = replace(one.measure, scale=None if one.measure.over else one.measure.scale, over=None)
    return {label: replace(one, scale="log10") if _long_tailed(one) else one for label, one in found.items()}


def _long_tailed(measure: Measure) -> bool:
    """A loss that no claim gives a scale: it has a long tail on one side, its logarithm has not."""
    return measure.scale is None and str(measure.args.get("metric", "")).partition("/")[2] == "loss"


def exact(experiment: Experiment) -> dict[str, float]:
    """The columns that exact claims test, with their tolerances; that two arms are equal says nothing of one run."""
    found: dict[str, float] = {}
    for claim in experiment.claims.values():
        compares = len(set(claim.contrast) - {CONSTANT}) > 1
        if parts.find("test", claim.test).EVERY_SEED and not compares:
            for label in (parse(claim.measure).label(level) for level in {None, *claim.level.values()}):
                found[label] = min(claim.margin, found.get(label, math.inf))
    return found


def _values(table: pd.DataFrame, labels: Sequence[str], measures: Mapping[str, Measure]) -> np.ndarray:
    rows = [
        [_value(row, label, measures[label]) if label in row["measured"].split() else math.nan for label in labels]
        for row in table.to_dict("records")
    ]
    return np.array(rows, float).reshape(len(table), len(labels))


def _value(row: Mapping[Any, Any], label: str, measure: Measure) -> float:
    """The values, with missing ones censored or imputed as in claims; NaN where claims do not replace them."""
    number, lost = math.nan if missing(row[label]) else float(row[label]), row["status"] == DIVERGED
    if measure.replacement == "length" and (lost or math.isnan(number)):
        number = float(row["steps"])
    if measure.replacement == "chance" and lost and row["classes"]:
        number = 1 / row["classes"]
    return measure.scaled(number)
