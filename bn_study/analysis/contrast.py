"""Contrasts: which rows of a table are an arm, and the paired differences between arms.

A table is either the runs of an experiment (`analysis/tables.py`) or the cells of a grid (`cells_table`): a row each,
a column per setting by dotted name. Values are compared as they are written in YAML, so that a table read back from
CSV, where a list is JSON text and a missing option an empty field, selects the same rows.
"""

import json
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bn_study.analysis.measures import Measure
from bn_study.analysis.over import Over
from bn_study.analysis.rounding import DIGITS
from bn_study.errors import UsageError
from bn_study.plan.experiment import Factors, Grid, Tuned, flatten, plain

CONSTANT = "constant"
ROUNDED = 10.0 ** (1 - DIGITS) / 2  # what rounding changes at most of a number, relative to it
GRID = "grid"
"""The name of the grid that asks for a run, as a factor."""
RESULTS = (
    *("run", "grids", "seed", "status", "diverged_at", "classes"),
    *("commit", "dirty", "numerics", "stated", "measured"),
)
"""The columns of a table of runs that are no settings; a measure's column has brackets in its name."""


def comparable(value: Any) -> Hashable:
    """A value with its spelling removed: `3`, `3.0` and `"3"` are one, as are `None`, NaN and an empty field."""
    value = plain(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, str) and value.startswith("["):
        return tuple(comparable(one) for one in json.loads(value))
    if isinstance(value, str):
        value = _scalar(value)
    return None if missing(value) else str(value) if isinstance(value, bool) else value


def missing(value: Any) -> bool:
    return value is None or value is pd.NA or value == "" or (isinstance(value, float) and math.isnan(value))


def written(value: Any) -> str:
    """A value as one would write it on the command line."""
    found = comparable(value)
    if found is None:
        return "null"
    if isinstance(found, tuple):
        return f"[{','.join(written(one) for one in found)}]"
    return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)


def parse_selector(text: str) -> Factors:
    """`norm=batch norm.placement=before` as `{"norm": "batch", "norm.placement": "before"}`. Raises UsageError."""
    factors: Factors = {}
    for condition in text.split():
        factor, equals, value = condition.partition("=")
        if not (factor and equals and value):
            raise UsageError(f"{text!r} is not a selector; write factor=value, several separated by spaces")
        factors[factor] = _scalar(value)
    if not factors:
        raise UsageError("a selector is empty; write factor=value")
    return factors


def cells_table(grids: Sequence[Grid]) -> pd.DataFrame:
    """The cells of grids, a row each. A factor that waits for tuning is missing from its row."""
    known: dict[tuple[str, int], Factors] = {}  # cells share the entries of their configurations
    rows = []
    for name, cell in ((grid.name, cell) for grid in grids for cell in grid.cells):
        row: Factors = {GRID: name}
        for key, value in cell.config.items():
            if (key, id(value)) not in known:
                known[key, id(value)] = {name: plain(one) for name, one in flatten({key: value}).items()}
            row |= known[key, id(value)]
        rows.append(row | dict.fromkeys(cell.waits))
    return pd.DataFrame(rows, dtype=object)


def of_grids(runs: pd.DataFrame, grids: Sequence[str]) -> pd.DataFrame:
    """The rows of a table of runs that these grids ask for, with the column `grid`; a row for each grid that does."""
    found = [runs[[grid in one.split() for one in runs["grids"]]].assign(**{GRID: grid}) for grid in grids if len(runs)]
    return pd.concat(found, ignore_index=True) if found else runs


def where(table: pd.DataFrame, factors: Factors) -> pd.DataFrame:
    """The rows that have these values."""
    for factor, value in factors.items():
        if factor not in table:
            return table.iloc[:0]
        wanted = comparable(value)
        table = table[[comparable(one) == wanted for one in table[factor]]]
    return table


def lacks(table: pd.DataFrame, factor: str) -> bool:
    """Whether no row has the option: `norm.placement` with `norm=none`. Such an arm takes part in every context."""
    return factor not in table or all(comparable(one) is None for one in table[factor])


@dataclass(frozen=True)
class Arm:
    """The rows of one selector at the values a claim holds fixed; `waits`: why it has none before tuning is done."""

    selector: str
    weight: float
    rows: pd.DataFrame
    waits: str = ""


def arms(table: pd.DataFrame, contrast: dict[str, float], at: Factors, tuned: Mapping[str, Tuned] | None) -> list[Arm]:
    """The arms of a contrast, each at its values `at`.

    at: factor -> value, or name of an entry of `tuned`, which gives each row the value chosen for its arm. With
    `tuned=None` values that come from tuning are left open (to look at a plan before tuning); `at` then holds only
    the fixed ones.
    """
    weights = {selector: weight for selector, weight in contrast.items() if selector != CONSTANT}
    return [_arm(table, selector, weight, at, tuned or {}) for selector, weight in weights.items()]


def _arm(table: pd.DataFrame, selector: str, weight: float, at: Factors, tuned: Mapping[str, Tuned]) -> Arm:
    rows = where(table, parse_selector(selector))
    for factor, value in at.items():
        if isinstance(value, str) and value in tuned:
            entry = tuned[value]
            keys = tuning_keys(rows, entry)
            if not entry.chosen or (keys and not set(keys) & set(comparable_choices(entry))):
                return Arm(selector, weight, rows.iloc[:0], f"{selector} waits for the tuning {value!r}")
            chosen = {key: comparable(choice[factor]) for key, choice in comparable_choices(entry).items()}
            column = [None] * len(rows) if factor not in rows else [comparable(one) for one in rows[factor]]
            rows = rows[[key in chosen and one == chosen[key] for key, one in zip(keys, column, strict=True)]]
        elif not lacks(rows, factor):
            rows = where(rows, {factor: value})
    return Arm(selector, weight, rows)


def tuning_keys(rows: pd.DataFrame, entry: Tuned) -> list[tuple[Hashable, ...]]:
    """For each row its values of the factors that a tuning entry distinguishes."""
    columns = [[None] * len(rows) if one not in rows else [comparable(v) for v in rows[one]] for one in entry.per]
    return list(zip(*columns, strict=True)) if columns else [()] * len(rows)


def comparable_choices(entry: Tuned) -> dict[tuple[Hashable, ...], Factors]:
    return {tuple(comparable(one) for one in key): choice for key, choice in entry.chosen.items()}


def contexts(found: list[Arm], factors: list[str]) -> list[Factors]:
    """Every combination of values of the context factors that an arm has, in order of value; `[{}]` without factors."""
    if not factors:
        return [{}]
    combinations: dict[tuple[Hashable, ...], None] = {}
    for arm in found:
        if len(arm.rows) and not any(lacks(arm.rows, factor) for factor in factors):
            combinations |= dict.fromkeys(zip(*([comparable(v) for v in arm.rows[f]] for f in factors), strict=True))
    ordered = sorted(combinations, key=lambda combination: [rank(value) for value in combination])
    return [dict(zip(factors, one, strict=True)) for one in ordered]


def rank(value: Any) -> tuple[int, float, str]:
    """A sort key for values of any type: missing, then numbers by size, then text."""
    found = comparable(value)
    if found is None:
        return (0, 0.0, "")
    return (1, float(found), "") if isinstance(found, (int, float)) else (2, 0.0, str(found))


def narrowed(arm: Arm, context: Factors) -> pd.DataFrame:
    """The arm's rows with a context's values; a factor that the arm lacks is no condition."""
    return where(arm.rows, {factor: value for factor, value in context.items() if not lacks(arm.rows, factor)})


def in_context(arm: Arm, context: Factors, over: str | None) -> pd.DataFrame:
    """The arm's rows in a context: a row a seed, and a value of the factor `over`.

    Raises UsageError if the claim leaves another factor open.
    """
    rows = narrowed(arm, context)
    if several := ambiguous(arm.selector, rows, over):
        raise UsageError(several)
    return rows if rows.empty else rows.sort_values("seed")


def ambiguous(selector: str, rows: pd.DataFrame, over: str | None) -> str:
    """Why an arm's rows in a context are not a row a seed (and a value of the factor `over`), in words, or ""."""
    left = left_open(rows, over)
    return f"{selector} has several runs of one seed; name {' or '.join(left)} in `at` or `contexts`" if left else ""


def points(rows: pd.DataFrame, over: str | None) -> list[tuple[int, Hashable]]:
    """Seed and value of the factor `over` of each row; the latter None if there is no such factor."""
    factor = [comparable(one) for one in rows[over]] if over in rows else [None] * len(rows)
    return list(zip(map(int, rows.get("seed", [])), factor, strict=True))


def left_open(rows: pd.DataFrame, over: str | None = None) -> list[str]:
    """The settings in which rows of one seed differ (the part, not its options); none where there is a row a seed.

    over: a factor that may differ.
    """
    place = points(rows, over)
    count = Counter(place)
    doubled = rows[[count[one] > 1 for one in place]]
    if doubled.empty:
        return []
    same = where(doubled, {"seed": doubled["seed"].iloc[0]})
    settings = [key for key in same if key not in RESULTS and key != over and "(" not in key]
    varied = [key for key in settings if len({comparable(value) for value in same[key]}) > 1]
    return [key for key in varied if key.partition(".")[0] not in varied or "." not in key]


@dataclass(frozen=True)
class Values:
    """One arm's measure in one context: scaled values by seed, the seeds whose value was replaced, the words for it.

    NaN marks a seed whose replacement depends on the other arms (`replacement == "worst"`).
    """

    selector: str
    weight: float
    values: pd.Series
    replaced: frozenset[int]
    notes: tuple[str, ...]
    undefined: int = 0


def values(arm: Arm, rows: pd.DataFrame, measure: Measure, level: Mapping[str, float]) -> Values:
    """Read an arm's measure off its rows (columns: seed, status, dataset, steps, classes and the measure's label).

    A run that did not reach the level counts with its length, an accuracy of a diverged run with chance, any other
    measure of a diverged run is left to `differences`. `undefined` counts runs that finished without a value, for
    which nothing can stand. With a measure over a factor, a seed's runs make one number; that some of them diverged is
    what it is about, so nothing is replaced.
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
            number = {"length": float(row["steps"]), "chance": 1 / row["classes"]}.get(measure.replacement, math.nan)
            numbers[seed] = measure.scaled(number)
        else:
            numbers[seed] = measure.scaled(number)
            undefined += math.isnan(numbers[seed])
    stand_in = {"length": "their length", "chance": "chance", "worst": "the worst value of either arm"}
    notes = [f"{diverged} of {len(rows)} runs diverged in {arm.selector}"] if diverged else []
    notes += [f"{short} of {len(rows)} runs did not reach the level in {arm.selector}"] if short else []
    if notes:
        notes[-1] += f" ({stand_in[measure.replacement]} stands in)"
    series = pd.Series(numbers, dtype=float).sort_index()
    return Values(arm.selector, arm.weight, series, frozenset(replaced), tuple(notes), undefined)


def _values_over(arm: Arm, rows: pd.DataFrame, measure: Measure, over: Over, level: Mapping[str, float]) -> Values:
    found: dict[int, dict[float, float]] = {}
    given: dict[int, float | None] = {}
    for row in rows.to_dict("records"):
        number = float(row[measure.label(level.get(row["dataset"]))])
        if row["status"] == "diverged":
            number = 1 / row["classes"] if measure.replacement == "chance" else math.nan
        found.setdefault(int(row["seed"]), {})[float(row[over.factor])] = number
        given[int(row["seed"])] = level.get(row["dataset"])
    numbers = {seed: measure.scaled(over.of(values, given[seed])) for seed, values in found.items()}
    undefined = sum(math.isnan(one) for one in numbers.values())
    lost = int((rows["status"] == "diverged").sum()) if len(rows) else 0
    notes = (f"{lost} of {len(rows)} runs diverged in {arm.selector}",) if lost else ()
    series = pd.Series(numbers, dtype=float).sort_index()
    return Values(arm.selector, arm.weight, series, frozenset(), notes, undefined)


def differences(found: list[Values], constant: float, *, sign: int) -> pd.Series:
    """Weighted sums over arms, one per seed that every arm has (the index), plus the constant.

    sign: towards which side values without a natural floor are replaced. -1 takes for each arm the finite value of
    any arm that makes the sum smallest: the smallest one where the arm's weight is positive, the largest where it is
    negative. +1 makes it largest. Empty if a value is missing and no arm has a finite one.
    """
    finite = np.concatenate([one.values.dropna().to_numpy() for one in found])
    total: pd.Series | float = constant
    for one in found:
        filled = one.values
        if filled.isna().any():
            if not finite.size:
                return pd.Series(dtype=float)
            filled = filled.fillna(finite.max() if (one.weight > 0) == (sign > 0) else finite.min())
        total = total + one.weight * filled
    return total.dropna() if isinstance(total, pd.Series) else pd.Series(dtype=float)


def resolution(found: list[Values], *, logarithmic: bool) -> float:
    """How far two differences may lie apart that were equal before the measures were rounded.

    A measure moves by up to half a unit of its last digit, ROUNDED of itself, and its logarithm by that much without
    regard to its size; each of two differences is a weighted sum over arms.
    """
    moved = ROUNDED / math.log(2) if logarithmic else ROUNDED
    sizes = [1.0 if logarithmic else one.values.abs().fillna(0.0).max() for one in found]
    return 2 * moved * sum(abs(one.weight) * size for one, size in zip(found, sizes, strict=True))


def _scalar(text: str) -> Any:
    """A YAML scalar, with `1e-3` a float as in experiment files."""
    word = text.strip()
    if word.lower() in ("null", "~", ""):
        return None
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for number in (int, float):
        try:
            value = number(word)
        except ValueError:
            continue
        return value if math.isfinite(value) and "_" not in word else word
    return word
