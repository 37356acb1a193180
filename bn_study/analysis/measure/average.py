"""The mean of a record over time."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bn_study.analysis.needed import Needed
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import values
from bn_study.plan.types import Natural
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, name: str, site: str, start: Natural, end: Natural, log: bool) -> float:
    """The mean of a record over the measuring points from step `start` to step `end`. log: average log10 of the record.

    NaN if there is no such point, if a value is not finite, or if its logarithm does not exist.
    """
    steps, recorded = values(run, name, site)
    shown = recorded[(start <= steps) & (steps <= end)]
    if not shown.size or not np.isfinite(shown).all() or (log and (shown <= 0).any()):
        return math.nan
    return float(np.mean(np.log10(shown) if log else shown))


def needs(*, name: str, site: str, start: Natural, end: Natural, log: bool) -> list[Needed]:
    """The record, at the measuring points between the steps."""
    return [Needed(name, site)]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """That of the record, or of its logarithm."""
    return records[0].scaled(math.log10 if options["log"] else None)
