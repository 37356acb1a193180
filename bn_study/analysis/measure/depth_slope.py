"""How a record grows with depth."""

import math

import numpy as np

from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.recorded import layer_sites, value_at
from bn_study.errors import UsageError
from bn_study.plan.types import Count, Natural
from bn_study.store.stored_run import StoredRun


def measure(
    run: StoredRun, *, name: str, site: str, step: Natural | None, log: bool, first: Count, last: Count | None
) -> float:
    """How much a record grows with each hidden layer: the least-squares slope over the layers `first` to `last`.

    log: fit the decimal logarithm; the slope is NaN if a layer has none. last: None for the last hidden layer. The
    slope is NaN with fewer than two layers.
    """
    sites = layer_sites(run, name, site)
    layers = [layer for layer in sorted(sites) if first <= layer <= (last or max(sites))]
    if len(layers) < 2:
        return math.nan
    values = np.array([value_at(run, name, sites[layer], step) for layer in layers])
    if log:
        values = np.array([math.log10(one) if one > 0 else math.nan for one in values])
    return float(np.polyfit(layers, values, 1)[0]) if np.isfinite(values).all() else math.nan


def needs(*, name: str, site: str, step: Natural | None, log: bool, first: Count, last: Count | None) -> list[Needed]:
    """The record in every hidden layer, and in those at the ends. Raises UsageError with fewer than two layers."""
    if last is not None and first >= last:
        raise UsageError(f"depth_slope: layers {first} to {last} are fewer than two; give a larger last")
    ends = [first] if last is None else [first, last]
    return [Needed(name, site, step) for site in (LAYERS + site, *(f"layer{end}/{site}" for end in ends))]
