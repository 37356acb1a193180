"""Contrasts: the paired differences between arms. `arms` says which rows form an arm.

Tables and the comparison of values are those of `analysis/settings.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bn_study.analysis.arms import Arm
from bn_study.analysis.measures import Measure
from bn_study.analysis.over import Over, place
from bn_study.analysis.rounding import DIGITS

ROUNDED = 10.0 ** (1 - DIGITS) / 2  # the largest relative change by rounding
NOISE = ROUNDED / 1000  # of a sum's terms: below what their rounding leaves, above what adding them in float64 loses


@dataclass(frozen=True)
class Values:
    """One arm's measure in one context: scaled values by seed, the seeds with a censored or imputed value, and why.

    NaN marks a seed whose replacement depends on the other arms (`replacement == "worst"`).
    """

    selector: str
    weight: float
    values: pd.Series
    replaced: frozenset[int]
    notes: tuple[str, ...]
    undefined: int = 0


def values(arm: Arm, rows: pd.DataFrame, measure: Measure, level: Mapping[str, float]) -> Values:
    """Read an arm's measure from its rows (columns: seed, status, dataset, steps, classes and the measure's label).

    A run that did not reach the level is censored at its length. The accuracy of a diverged run is imputed as chance.
    `differences` imputes any other measure of a diverged run. `undefined` counts runs that finished without a value;
    they cannot be imputed. A measure over a factor makes one number of a seed's runs. Whether some of them diverged is
    part of that measure, so nothing is imputed.
    """
    if measure.over is not None:
        return _values_over(arm, rows, measure, measure.over, level)
    numbers: dict[int, float] = {}
    replaced, diverged, short, undefined = set(), 0, 0, 0
    for row in rows.to_dict("records"):
        seed, lost = int(row["seed"]), row["status"] == "diverged"
        number = math.nan if lost else float(row[measure.label(level.get(row["dataset"]))])
        if math.isnan(number) and (lost or measure.replacement == "length"):
            replaced.add(seed)
            diverged, short = diverged + lost, short + (not lost)
            chance = 1 / row["classes"] if row["classes"] else math.nan  # a regression has no classes
            number = {"length": float(row["steps"]), "chance": chance}.get(measure.replacement, math.nan)
            numbers[seed] = measure.scaled(number)
        else:
            numbers[seed] = measure.scaled(number)
            undefined += math.isnan(numbers[seed])
    words = {
        "length": "censored at their length", "chance": "imputed as chance",
        "worst": "imputed as the worst value of either arm",
    }  # fmt: skip
    notes = [f"{diverged} of {len(rows)} runs diverged in {arm.selector}"] if diverged else []
    notes += [f"{short} of {len(rows)} runs did not reach the level in {arm.selector}"] if short else []
    if notes:
        notes[-1] += f" ({words[measure.replacement]})"
    series = pd.Series(numbers, dtype=float).sort_index()
    return Values(arm.selector, arm.weight, series, frozenset(replaced), tuple(notes), undefined)


def _values_over(arm: Arm, rows: pd.DataFrame, measure: Measure, over: Over, level: Mapping[str, float]) -> Values:
    found: dict[int, dict[float, float]] = {}
    given: dict[int, float | None] = {}
    for row in rows.to_dict("records"):
        value = float(row[measure.label(level.get(row["dataset"]))])
        if row["status"] == "diverged":
            value = 1 / row["classes"] if measure.replacement == "chance" else math.nan
        found.setdefault(int(row["seed"]), {})[place(over.factor, row[over.factor])] = value
        given[int(row["seed"])] = level.get(row["dataset"])
    numbers = {seed: measure.scaled(over.of(values, given[seed])) for seed, values in found.items()}
    undefined = sum(math.isnan(one) for one in numbers.values())
    lost = int((rows["status"] == "diverged").sum()) if len(rows) else 0
    notes = (f"{lost} of {len(rows)} runs diverged in {arm.selector}",) if lost else ()
    series = pd.Series(numbers, dtype=float).sort_index()
    return Values(arm.selector, arm.weight, series, frozenset(), notes, undefined)


def differences(found: list[Values], constant: float, *, sign: int) -> pd.Series:
    """Weighted sums over arms, one per seed that every arm has (the index), plus the constant.

    sign: the direction in which values without a natural floor are imputed. -1 makes the sum smallest: it takes the
    smallest finite value of any arm where the arm's weight is positive, and the largest where it is negative. +1 makes
    the sum largest. The result is empty if a value is missing and no arm has a finite one.

    A sum whose terms cancel is exactly zero: which of its last places remain depends on the processor.
    """
    finite = np.concatenate([one.values.dropna().to_numpy() for one in found])
    total: pd.Series | float = constant
    size: pd.Series | float = abs(constant)
    for one in found:
        filled = one.values
        if filled.isna().any():
            if not finite.size:
                return pd.Series(dtype=float)
            filled = filled.fillna(finite.max() if (one.weight > 0) == (sign > 0) else finite.min())
        total, size = total + one.weight * filled, size + abs(one.weight * filled)
    if not isinstance(total, pd.Series):
        return pd.Series(dtype=float)
    return total.mask(abs(total) <= NOISE * size, 0.0).dropna()


def resolution(found: list[Values], *, logarithmic: bool) -> float:
    """The largest distance of two differences that were equal before the measures were rounded.

    Rounding moves a measure by up to half a unit of its last digit: by ROUNDED times its size, and its logarithm by a
    fixed amount. Each of the two differences is a weighted sum over arms.
    """
    moved = ROUNDED / math.log(2) if logarithmic else ROUNDED
    sizes = [1.0 if logarithmic else one.values.abs().fillna(0.0).max() for one in found]
    return 2 * moved * sum(abs(one.weight) * size for one, size in zip(found, sizes, strict=True))
