"""The interval around a mean over seeds, as comparisons, figures, pages and reports show it.

Verdicts do not use it: their intervals are of paired differences, which have no bounds (see `stats`).
"""

import pandas as pd
from scipy.special import expit, logit

from bn_study.analysis.measures import is_accuracy
from bn_study.analysis.stats import t_interval

SHARES = (
    *(f"saturation/{name}" for name in ("share", "derivative", "asymmetry", "dead")),
    *("activation/dead", "activation/saturated", "histograms/outside", "identity/outside_unit_interval"),
    *("importance/gradient", "learned_scale/undone"),
)
"""Records besides accuracies that are never below 0 nor above 1, as their probes declare them."""


def is_share(metric: str) -> bool:
    """Whether a metric cannot leave [0, 1]. metric: with its site or without, as `saturation/share@layer1/post`."""
    name = metric.partition("@")[0]
    return is_accuracy(name) or name in SHARES


def of_mean(mean: float, deviation: float, count: int, metric: str = "") -> tuple[float, float]:
    """95% interval of the mean of a metric over `count` values; NaN with one value.

    deviation: the sample's standard deviation. metric: "" for a quantity without bounds. For one it is Student's t
    interval. A share's is the same on the logit scale, logit(mean) ± t · se / (mean · (1 - mean)), transformed back. It
    stays within [0, 1], holds the mean of the values themselves and needs no exception for a value of 0 or 1; where all
    values are 0 or 1, it is the point. It is the logit interval of survey statistics: Korn & Graubard, Confidence
    intervals for proportions with small expected number of positive counts estimated from survey data, Survey
    Methodology 24 (1998). An interval around the mean of the values' logits would be of another quantity: it misses the
    mean whenever seeds differ much (tests/analysis/test_interval.py).
    """
    if count < 2 or not is_share(metric) or not 0 < mean < 1 or deviation == 0:
        return t_interval(mean, deviation, count)
    half = (t_interval(mean, deviation, count)[1] - mean) / (mean * (1 - mean))
    return float(expit(logit(mean) - half)), float(expit(logit(mean) + half))


def of_values(values: pd.Series, metric: str = "") -> tuple[float, float]:
    """The interval of the mean of some values. metric: see `of_mean`."""
    return of_mean(values.mean(), values.std(), len(values), metric)


def words(metric: str) -> str:
    """What kind of interval a metric has, for captions."""
    return "95% t-interval on the logit scale" if is_share(metric) else "95% t-interval"
