"""The ratio of a record in two layers."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import layer_sites, value_at
from bn_study.errors import UsageError
from bn_study.plan.types import Count, Natural
from bn_study.store.stored_run import StoredRun

SMALLEST = float(np.finfo(np.float32).tiny)


def measure(
    run: StoredRun, *, name: str, site: str, step: Natural | None, first: Count, last: Count | None, absolute: bool
) -> float:
    """The decimal logarithm of a record at layer `first` over the one at layer `last` (None: the last hidden layer).

    absolute: the absolute value of the logarithm, which is the distance of the ratio from 1 in decades. A record of
    exactly 0 counts as the smallest normal float32, so that a record that vanished has a ratio too; a negative one has
    none, which is NaN.
    """
    sites = layer_sites(run, name, site)
    ends = (value_at(run, name, sites.get(one, f"layer{one}/{site}"), step) for one in (first, last or max(sites)))
    high, low = (math.log10(max(one, SMALLEST)) if 0 <= one < math.inf else math.nan for one in ends)
    return abs(high - low) if absolute else high - low


def needs(
    *, name: str, site: str, step: Natural | None, first: Count, last: Count | None, absolute: bool
) -> list[Needed]:
    """The record in both layers, which must be there. Raises UsageError where they are the same."""
    if first == last:
        raise UsageError(f"depth_ratio: first and last are both layer {first}, whose ratio is 1; name two layers")
    ends = [f"layer{first}/{site}", f"layer{last}/{site}" if last is not None else LAYERS + site]
    return [Needed(name, one, step) for one in ends]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """An absolute value is at least 0."""
    return Reach(low=0 if options["absolute"] else -math.inf)
