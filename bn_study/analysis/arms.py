"""Arms: the rows of a table that a selector names, at the values a claim holds fixed, in each of its contexts."""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

import pandas as pd

from bn_study.analysis.settings import RESULTS, comparable, lacks, parse_selector, rank, where
from bn_study.errors import UsageError
from bn_study.plan.experiment import Factors, Tuned

CONSTANT = "constant"


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
