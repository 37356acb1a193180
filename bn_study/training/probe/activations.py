"""The distribution of every layer's values."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy import stats

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network

QUANTILES = (5, 15, 50, 85, 95)
SATURATED = {"sigmoid": lambda value: abs(2 * value - 1) > 0.9, "tanh": lambda value: abs(value) > 0.9}
"""A bounded nonlinearity is saturated where its value is within a twentieth of its range from either end."""


def records(
    seen: Observed, *, images: Count, sites: list[Literal["linear", "pre", "post", "out"]], units: bool, bins: Count
) -> Iterator[Record]:
    """The statistics of every requested site, and with `units` the quantiles of each unit."""
    for site in seen.sites:
        kind = site.split("/")[1]
        if kind not in sites:
            continue
        for name in ("mean", "std", "skewness", "kurtosis", *(f"q{quantile}" for quantile in QUANTILES)):
            yield Record(f"activation/{name}", site)
        if kind == "post":
            yield Record("activation/dead", site)
            if seen.activation in ("sigmoid", "tanh"):
                yield Record("activation/saturated", site)
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
    values; sigmoid and tanh) and `dead` (share of units whose standard deviation over examples is below 0.01);
    vectors `histogram` (counts) and `edges`; with `units` also `unit_q<quantile>`, a value per unit. A feature map
    counts as one unit. Normalizers use re-estimated statistics.
    """
    observed = evaluation.sites("test", images)
    for site, tensor in observed.items():
        kind = site.split("/")[1]
        if kind not in sites:
            continue
        values = tensor.reshape(-1, tensor.shape[-1]).astype(np.float64)
        yield "activation/mean", site, values.mean()
        yield "activation/std", site, values.std()
        yield "activation/skewness", site, stats.skew(values, axis=None)
        yield "activation/kurtosis", site, stats.kurtosis(values, axis=None)
        for quantile, value in zip(QUANTILES, np.percentile(values, QUANTILES), strict=True):
            yield f"activation/q{quantile}", site, value
        if kind == "post":
            yield "activation/dead", site, (values.std(axis=0) < 0.01).mean()
            if (saturated := SATURATED.get(network.activation)) is not None:
                yield "activation/saturated", site, saturated(values).mean()
        if units:
            for quantile, value in zip(QUANTILES, np.percentile(values, QUANTILES, axis=0), strict=True):
                yield f"activation/unit_q{quantile}", site, value
        if np.isfinite(values).all():
            counts, edges = np.histogram(values, bins)
            yield "activation/histogram", site, counts
            yield "activation/edges", site, edges
