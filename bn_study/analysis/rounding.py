"""Round numbers before they are judged, written or drawn.

Processors differ in the last places of sums and logarithms, because they add in vectors of different widths. Every
number that a report writes passes through `rounded` first, so that the committed files are the same on every machine.
"""

from collections.abc import Collection

import pandas as pd

DIGITS = 9
"""Significant digits of a committed number: far more than repeated runs agree on, far fewer than processors do."""


def rounded(value: float, digits: int = DIGITS) -> float:
    """The number rounded to `digits` significant digits, as read from its decimal text. NaN and infinities stay."""
    return float(f"{value:.{digits}g}") + 0.0  # negative zero becomes zero: its sign is a matter of rounding too


def rounded_table(table: pd.DataFrame, columns: Collection[str] | None = None) -> pd.DataFrame:
    """The table with every float rounded, in all columns or in those named. Integers, truth values and text stay."""
    names = [name for name in table if columns is None or name in columns]
    return table.assign(**{name: _rounded(table[name]) for name in names if table[name].dtype in (float, object)})


def _rounded(column: pd.Series) -> pd.Series:
    values = [rounded(one) if isinstance(one, float) else one for one in column]
    return pd.Series(values, column.index, column.dtype)
