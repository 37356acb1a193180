"""Selection runs: those that only tuning grids ask for.

They chose the values at which other seeds are reported. Their scores are the best of several, so they are not
replicates of the reported runs, and what pools the seeds of an arm leaves them out unless it is asked to add them.
"""

from collections import Counter
from collections.abc import Collection

import pandas as pd

from bn_study.analysis.arms import numbered


def is_selection(runs: pd.DataFrame, tuning: Collection[str]) -> list[bool]:
    """Whether each run of a table is a selection run. tuning: the grids that only serve to tune values."""
    return [bool(tuning) and set(grids.split()) <= set(tuning) for grids in runs["grids"]]


def left_out(rows: pd.DataFrame) -> str:
    """A sentence about selection runs that are left out; "" if there are none."""
    counts = sorted(Counter(numbered(rows)).values())
    if not counts:
        return ""
    if counts[0] != counts[-1]:
        return f"{len(rows)} selection runs ({counts[0]} to {counts[-1]} an arm) are left out; --selection adds them"
    if counts[0] == 1:
        return "1 selection run an arm is left out; --selection adds it"
    return f"{counts[0]} selection runs an arm are left out; --selection adds them"
