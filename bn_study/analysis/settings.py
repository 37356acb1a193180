"""Settings as they are written: when two values are equal, how they sort, and which rows of a table have them.

A table is either the runs of an experiment (`analysis/tables.py`) or the cells of a grid (`cells_table`): a row each,
a column per setting by dotted name. Values are compared as they are written in YAML, so that a table read back from
CSV, where a list is JSON text and a missing option an empty field, selects the same rows.
"""

import json
import math
from collections.abc import Hashable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from bn_study.errors import UsageError
from bn_study.plan.experiment import Factors, Grid, flatten, plain

GRID = "grid"
"""The name of the grid that asks for a run, as a factor."""


RESULTS = (
    *("run", "grids", "seed", "status", "diverged_at", "classes"),
    *("commit", "dirty", "numerics", "device", "stated", "measured"),
)
"""The columns of a table of runs that are not settings. A measure's column has brackets in its name."""


def setting_names(table: pd.DataFrame) -> list[str]:
    """The columns of a table of runs that are settings."""
    return [name for name in table if name not in RESULTS and "(" not in name]


def comparable(value: Any) -> Hashable:
    """A value without its spelling: `3`, `3.0` and `"3"` are equal, and so are `None`, NaN and an empty field."""
    value = plain(value.item() if isinstance(value, np.generic) else value)
    return _of_text(value) if isinstance(value, str) else _of_scalar(value)


@lru_cache(maxsize=4096)
def _of_text(text: str) -> Hashable:
    """Remembered, because the cells of a table's column have few texts, and a report asks for each very often."""
    if text.startswith("["):
        with suppress(json.JSONDecodeError):  # what is no list equals no cell
            return tuple(comparable(one) for one in json.loads(text))
        return text
    return _of_scalar(_scalar(text))


def _of_scalar(value: Any) -> Hashable:
    return None if missing(value) else str(value) if isinstance(value, bool) else value


def missing(value: Any) -> bool:
    return value is None or value is pd.NA or value == "" or (isinstance(value, float) and math.isnan(value))


def option(value: Any) -> Any:
    """A part's option from a cell of a table: a list is JSON text there, and a number may be text; None if missing."""
    if isinstance(value, str):
        return json.loads(value) if value.startswith("[") else _scalar(value)
    return None if missing(value) else value


def written(value: Any) -> str:
    """A value as a user would write it on the command line."""
    found = comparable(value)
    if found is None:
        return "null"
    if isinstance(found, tuple):
        return f"[{','.join(written(one) for one in found)}]"
    return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)


def as_selector(settings: Iterable[tuple[str, Any]]) -> str:
    """Settings and their values in words: `norm=batch steps=100`. `parse_selector` reads it."""
    return " ".join(f"{name}={written(value)}" for name, value in settings)


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


def rows_of_grids(runs: pd.DataFrame, grids: Sequence[str]) -> pd.DataFrame:
    """Rows that these grids ask for, with the column `grid`. A run that several grids ask for has a row for each."""
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


def rank(value: Any) -> tuple[int, float, str]:
    """A sort key for values of any type: missing, then numbers by size, then text."""
    found = comparable(value)
    if found is None:
        return (0, 0.0, "")
    return (1, float(found), "") if isinstance(found, (int, float)) else (2, 0.0, str(found))


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
