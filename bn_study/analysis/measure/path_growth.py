"""How drift grows with depth."""

import math
import re

import numpy as np

from bn_study.analysis import unit_paths
from bn_study.analysis.needed import LAYERS, Needed
from bn_study.analysis.recorded import NotRecorded
from bn_study.plan.types import Natural, Quantiles
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, site: str, quantiles: Quantiles, start: Natural, end: Natural, relative: bool) -> float:
    """How much drift grows with depth: the least-squares slope of log2 path_length over the index of the hidden layer.

    site: the part after the layer's name; `pre` means every `layer<i>/pre` that was recorded. A slope of 0.14 means ten
    percent more drift with each layer. NaN with fewer than two layers, or if a layer's path has no logarithm.
    """
    matches = (re.fullmatch(rf"layer(\d+)/{re.escape(site)}", one) for one in {other for _, other in run.arrays})
    layers = sorted(int(match[1]) for match in matches if match)
    if not layers:
        raise NotRecorded(f"run {run.id} recorded no vectors at layer<i>/{site}; name the site in the grid's probes")
    lengths = np.array(
        [unit_paths.path_length(run, f"layer{one}/{site}", quantiles, start, end, relative) for one in layers]
    )
    if len(layers) < 2 or not (lengths > 0).all():
        return math.nan
    return float(np.polyfit(layers, np.log2(lengths), 1)[0])


def needs(*, site: str, quantiles: Quantiles, start: Natural, end: Natural, relative: bool) -> list[Needed]:
    """The percentiles of every unit in every hidden layer, at the measuring points between the steps."""
    return unit_paths.needed(LAYERS + site, quantiles)
