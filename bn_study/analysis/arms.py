"""Arms: groups of runs that are replicates of each other, because they differ only in the seed.

There are three ways to form arms. A claim names its arms by selectors and holds other settings fixed (`arms`). A
figure, a comparison or a report divides a whole sweep by the settings that vary, or by settings that a user names
(`by_settings`). A replication and a sample compare all settings (`numbered`, `of_planned`).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bn_study.analysis.settings import as_selector, comparable, lacks, parse_selector, rank, setting_names, where
from bn_study.errors import UsageError
from bn_study.plan.experiment import Factors, PlannedRun, Tuned

CONSTANT = "constant"
Values = tuple[tuple[str, Hashable], ...]
"""Setting -> value. The value is None where an arm has no such option."""


# --- arms of a sweep, by settings -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SweepArm:
    """The runs of a table that have equal values of the settings that distinguish its arms.

    label: these values as on the command line; "" for a single arm. norm: the normalizer of the first run. others: the
    values except that of `norm`; a value is None where the arm has no such option.
    """

    label: str
    norm: str
    others: tuple[Hashable, ...]
    rows: pd.DataFrame


def by_settings(rows: pd.DataFrame, names: Sequence[str] | None = None) -> list[SweepArm]:
    """The arms of a table of runs, sorted by their settings, plain nets first. Runs are sorted by seed.

    names: the settings that distinguish arms; None for all settings that vary (see `varying`).
    """
    others = varying(rows) if names is None else [name for name in names if name != "norm"]
    by_norm = names is None or "norm" in names
    said = names is not None or rows["norm"].nunique() > 1
    found = []
    for values, own in grouped(rows, [*(["norm"] if by_norm else []), *others]):
        shown = [one for one in values if (one[0] != "norm" or said) and not _without(rows, own, one[0])]
        text = as_selector(shown)
        rest = tuple(value for name, value in values if name != "norm")
        found.append(SweepArm(text, str(own["norm"].iloc[0]), rest, own.sort_values("seed")))
    return found


def grouped(rows: pd.DataFrame, names: Sequence[str]) -> list[tuple[Values, pd.DataFrame]]:
    """Group rows by their values of some settings, sorted, plain nets first. Without settings there is one group."""
    places: dict[tuple[Hashable, ...], list[int]] = {}
    keys: Iterable[tuple[Hashable, ...]] = zip(*(map(comparable, rows[name]) for name in names), strict=True)
    for place, key in enumerate(keys if names else [()] * len(rows)):
        places.setdefault(key, []).append(place)
    ordered = sorted(places, key=lambda key: [(value != "none", rank(value)) for value in key])
    return [(tuple(zip(names, key, strict=True)), rows.iloc[places[key]]) for key in ordered]


def label(values: Values) -> str:
    """`norm=batch steps=100`. Options that the arm does not have are left out."""
    return as_selector((name, value) for name, value in values if value is not None)


def varying(rows: pd.DataFrame) -> list[str]:
    """The settings in which runs differ, except `norm`, the seed, and options that follow from the choice of a part."""
    return [name for name in setting_names(rows) if name != "norm" and _varies(rows, name) and not follows(rows, name)]


def _varies(rows: pd.DataFrame, name: str) -> bool:
    return len({comparable(value) for value in rows[name]}) > 1


def follows(rows: pd.DataFrame, option: str) -> bool:
    """Whether an option follows from its part: the part varies, and each choice of it has a single value here."""
    part = option.partition(".")[0]
    if part == option or part not in rows:
        return False
    pairs = set(zip(map(comparable, rows[part]), map(comparable, rows[option]), strict=True))
    return len(pairs) == len({chosen for chosen, _ in pairs}) > 1


def bound_to_norm(runs: pd.DataFrame, factor: str) -> list[str]:
    """The settings that are constant for each normalizer but differ between them, such as a tuned learning rate."""
    settings = [name for name in setting_names(runs) if name not in ("norm", factor)]
    norms = [comparable(one) for one in runs["norm"]]
    found = []
    for name in settings:
        pairs = {(norm, comparable(one)) for norm, one in zip(norms, runs[name], strict=True)}
        if len({value for _, value in pairs}) > 1 and len(pairs) == len({norm for norm, _ in pairs}):
            found.append(name)
    return found


def _without(rows: pd.DataFrame, own: pd.DataFrame, option: str) -> bool:
    """Whether an arm's part lacks the option, as opposed to having the value null for it."""
    part = option.partition(".")[0]
    return part != option and part in rows and lacks(where(rows, {part: own[part].iloc[0]}), option)


def numbered(rows: pd.DataFrame) -> np.ndarray:
    """Number each row; rows that differ only in the seed have the same number."""
    keys = [tuple(map(comparable, row)) for row in rows[setting_names(rows)].itertuples(index=False)]
    known = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([known[key] for key in keys], int)


def of_planned(runs: Iterable[PlannedRun]) -> list[list[PlannedRun]]:
    """Group planned runs by arm, sorted by seed."""
    arms: dict[str, list[PlannedRun]] = {}
    for run in runs:
        arms.setdefault(replace(run.spec, seed=0).id, []).append(run)
    return [sorted(arm, key=lambda run: run.spec.seed) for arm in arms.values()]


# --- arms of a claim, by selectors ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arm:
    """The rows of one selector at the values that a claim fixes. waits: why there are none before tuning is done."""

    selector: str
    weight: float
    rows: pd.DataFrame
    waits: str = ""


def arms(table: pd.DataFrame, contrast: dict[str, float], at: Factors, tuned: Mapping[str, Tuned] | None) -> list[Arm]:
    """The arms of a contrast, each at its values `at`.

    at: factor -> value, or the name of an entry of `tuned`, which gives each row the value chosen for its arm. With
    `tuned=None` the values that come from tuning stay open, so that a plan can be checked before tuning; `at` then
    holds only fixed values.
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
    """The values that each row has for the factors that a tuning entry distinguishes."""
    columns = [[None] * len(rows) if one not in rows else [comparable(v) for v in rows[one]] for one in entry.per]
    return list(zip(*columns, strict=True)) if columns else [()] * len(rows)


def comparable_choices(entry: Tuned) -> dict[tuple[Hashable, ...], Factors]:
    return {tuple(comparable(one) for one in key): choice for key, choice in entry.chosen.items()}


def contexts(found: list[Arm], factors: list[str]) -> list[Factors]:
    """Every combination of context values that an arm has, sorted by value; `[{}]` without context factors."""
    if not factors:
        return [{}]
    combinations: dict[tuple[Hashable, ...], None] = {}
    for arm in found:
        if len(arm.rows) and not any(lacks(arm.rows, factor) for factor in factors):
            combinations |= dict.fromkeys(zip(*([comparable(v) for v in arm.rows[f]] for f in factors), strict=True))
    ordered = sorted(combinations, key=lambda combination: [rank(value) for value in combination])
    return [dict(zip(factors, one, strict=True)) for one in ordered]


def narrowed(arm: Arm, context: Factors) -> pd.DataFrame:
    """The arm's rows that have a context's values. A factor that the arm lacks does not restrict them."""
    return where(arm.rows, {factor: value for factor, value in context.items() if not lacks(arm.rows, factor)})


def in_context(arm: Arm, context: Factors, over: str | None) -> pd.DataFrame:
    """The arm's rows in a context: one row for each seed and value of the factor `over`.

    Raises UsageError if the claim leaves another factor open.
    """
    rows = narrowed(arm, context)
    if several := ambiguous(arm.selector, rows, over):
        raise UsageError(several)
    return rows if rows.empty else rows.sort_values("seed")


def ambiguous(selector: str, rows: pd.DataFrame, over: str | None) -> str:
    """Why an arm has several rows for one seed (and value of the factor `over`) in a context, in words, or ""."""
    left = left_open(rows, over)
    return f"{selector} has several runs of one seed; name {' or '.join(left)} in `at` or `contexts`" if left else ""


def points(rows: pd.DataFrame, over: str | None) -> list[tuple[int, Hashable]]:
    """Seed and value of the factor `over` of each row. The value is None if there is no such factor."""
    factor = [comparable(one) for one in rows[over]] if over in rows else [None] * len(rows)
    return list(zip(map(int, rows.get("seed", [])), factor, strict=True))


def left_open(rows: pd.DataFrame, over: str | None = None) -> list[str]:
    """The settings in which rows of the same seed differ; empty if each seed has one row.

    Where a part differs, its options are not listed. over: a factor that may differ.
    """
    place = points(rows, over)
    count = Counter(place)
    doubled = rows[[count[one] > 1 for one in place]]
    if doubled.empty:
        return []
    same = where(doubled, {"seed": doubled["seed"].iloc[0]})
    varied = [key for key in setting_names(same) if key != over and _varies(same, key)]
    return [key for key in varied if key.partition(".")[0] not in varied or "." not in key]
