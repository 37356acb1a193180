"""The distribution of every layer's values."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from bn_study.plan.activations import RANGES
from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.distribution import Distribution, dead, saturated
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network

MOMENTS = ("mean", "std", "skewness", "kurtosis")
QUANTILES = (5, 15, 50, 85, 95)


def records(
    seen: Observed, *, images: Count, sites: list[Literal["linear", "pre", "post", "out"]], units: bool, bins: Count
) -> Iterator[Record]:
    """The statistics of every requested site, and with `units` the quantiles of each unit."""
    for site in seen.sites:
        kind = site.split("/")[1]
        if kind not in sites:
            continue
        for name in (*MOMENTS, *(f"q{quantile}" for quantile in QUANTILES)):
            yield Record(f"activation/{name}", site, low=0) if name == "std" else Record(f"activation/{name}", site)
        if kind == "post":
            yield Record("activation/dead", site, low=0, high=1)
            if seen.bounded:
                yield Record("activation/saturated", site, low=0, high=1)
        for name in ("histogram", "edges", *(f"unit_q{quantile}" for quantile in QUANTILES if units)):
            yield Record(f"activation/{name}", site, vector=True)


def record(
    network: Network,
    evaluation: Evaluation,
    *,
    images: Count,
    sites: list[Literal["linear", "pre", "post", "out"]],
    units: bool,
    bins: Count,
) -> Iterator[tuple[str, str, float | np.ndarray]]:
    """Yield, per site and layer, over all units of all fixed test examples together:

    `activation/mean`, `std`, `skewness`, `kurtosis` (excess), `q5` .. `q95`; at `post` also `saturated` (share of
    values; bounded nonlinearities) and `dead` (share of units whose standard deviation over examples is below 0.01);
    vectors `histogram` (counts) and `edges`; with `units` also `unit_q<quantile>`, a value per unit. A feature map
    counts as one unit. Normalizers use re-estimated statistics.
    """
    seen = None
    for site, values in evaluation.sites("test", images).items():
        kind = site.split("/")[1]
        if kind not in sites:
            continue
        if seen is None or seen.values is not values:
            seen = Distribution(values)
        for name, value in zip(MOMENTS, seen.moments, strict=True):
            yield f"activation/{name}", site, value
        for quantile, value in zip(QUANTILES, seen.quantiles(QUANTILES), strict=True):
            yield f"activation/q{quantile}", site, value
        if kind == "post":
            yield "activation/dead", site, dead(values)
            if network.activation in RANGES:
                yield "activation/saturated", site, saturated(network.activation, values)
        if units:
            for quantile, value in zip(QUANTILES, seen.unit_quantiles(QUANTILES), strict=True):
                yield f"activation/unit_q{quantile}", site, value
        if seen.finite:
            counts, edges = seen.histogram(bins)
            yield "activation/histogram", site, counts
            yield "activation/edges", site, edges
