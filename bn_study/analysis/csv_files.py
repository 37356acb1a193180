"""Write tables as CSV files and read them back exactly."""

import csv
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study.analysis.settings import missing
from bn_study.errors import UsageError
from bn_study.store.replacing import replacing

TEXT = (
    *("run", "grids", "status", "commit", "numerics", "device", "stated", "attached_later", "measured"),
    *("name", "site"),
)
"""Columns that are always text, because a commit may be all digits. An empty field is ""."""


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write each number as its shortest exact text, and end lines with a line feed. The file is replaced at once."""
    with replacing(path) as beside:
        table.to_csv(beside, index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)


def read_csv(path: Path) -> pd.DataFrame:
    """The table as it was written, bit for bit.

    A column becomes integers, floats or booleans only if they write back to the same text; otherwise it stays text.
    Only an empty field is missing, so the normalizer `none` stays a name.
    """
    try:
        texts = pd.read_csv(path, dtype=object, keep_default_na=False, na_values=[])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise UsageError(f"{path}: not readable as CSV ({error}); restore it, or remove it and report again") from None
    return pd.DataFrame({key: _typed(list(texts[key]), key in TEXT) for key in texts}, columns=texts.columns)


def column(values: list[Any], text: bool) -> pd.Series:
    """The values of one column with the type that `_typed` reads them as."""
    if text:
        return pd.Series(values, dtype=str)
    values = [None if missing(value) else value for value in values]
    present = [value for value in values if value is not None]
    complete = len(present) == len(values)
    if present and all(isinstance(value, bool) for value in present):
        return pd.Series(values, dtype=bool if complete else "boolean")
    if present and all(isinstance(value, int) and not isinstance(value, bool) for value in present):
        return pd.Series(values, dtype="int64" if complete else "Int64")
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in present):
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype=object)


def _typed(texts: list[str], text: bool) -> pd.Series:
    if not text:
        present = {one for one in texts if one}
        for read in ({"True": True, "False": False}.__getitem__, int, float) if "nan" not in present else ():
            try:
                if all(repr(read(one)) == one for one in present):
                    return column([read(one) if one else None for one in texts], text=False)
            except (KeyError, ValueError):
                continue
    return column(texts, text)
