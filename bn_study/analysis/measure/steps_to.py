"""Steps until a metric reaches a level."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bn_study.analysis.needed import Needed
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import diverged, points
from bn_study.plan.types import Number
from bn_study.store.stored_run import StoredRun

REPLACEMENT = "length"
RISES = True


def measure(run: StoredRun, *, metric: str, level: Number) -> float:
    """The step of the first of two consecutive points at or above `level`; NaN if not reached or the run diverged."""
    steps, values = points(run, metric)
    above = values >= level
    first = np.flatnonzero(above[:-1] & above[1:])
    return math.nan if diverged(run) or not first.size else float(steps[first[0]])


def needs(*, metric: str) -> list[Needed]:
    """The metric."""
    return [Needed(metric)]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """The measuring points. Fewer steps are better."""
    return Reach(steps[0], steps[-1], next((one for one in steps if one), 0), "less")
