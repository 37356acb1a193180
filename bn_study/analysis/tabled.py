"""Look-ups in the tables of cells that claims, tunings and figures are checked against."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bn_study.errors import UsageError
from bn_study.plan import parts


def grids_table(names: Sequence[str], cells: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The cells of some grids, numbered in order. Raises UsageError with the nearest name for an unknown grid."""
    for name in names:
        if name not in cells:
            raise UsageError(parts.unknown("grid", name, cells))
    return cells[names[0]] if len(names) == 1 else pd.concat([cells[name] for name in names], ignore_index=True)


def known_factor(factor: str, table: pd.DataFrame) -> None:
    """Raises UsageError with the nearest name for a setting that no cell has."""
    if factor not in table:
        raise UsageError(parts.unknown("setting", factor, table))
