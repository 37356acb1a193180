"""Histograms of what enters the network, of each layer's Wx+b and of its activations, over fixed ranges."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count, Range
from bn_study.training.distribution import histogram
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(
    seen: Observed,
    *,
    images: Count,
    bins: Count,
    input_range: Range,
    linear_range: Range,
    post_range: Range,
) -> Iterator[Record]:
    """Counts and the share outside, at the input and at two sites of each hidden layer."""
    for site in ("input", *(one for one in seen.sites if one.endswith(("/linear", "/post")))):
        yield Record("histograms/counts", site, vector=True)
        yield Record("histograms/outside", site, low=0, high=1)


def record(
    network: Network,
    evaluation: Evaluation,
    *,
    images: Count,
    bins: Count,
    input_range: Range,
    linear_range: Range,
    post_range: Range,
) -> Iterator[tuple[str, str, float | np.ndarray]]:
    """Yield the vector `histograms/counts`, of `bins` equal parts of a range, and the share `histograms/outside` of it.

    The sites are `input`, `layer<i>/linear` and `layer<i>/post`. A histogram is over all units of fixed test examples
    together, and normalizers use re-estimated statistics. The ranges, [low, high], are the same at every step and in
    every network, so that histograms can be compared, as in M. Zhou's (Morvan's) batch normalization tutorial.
    """
    ranges = {"linear": linear_range, "post": post_range}
    inputs = evaluation.evaluator.slice("test", images).inputs
    found = {"input": (inputs, input_range)}
    for site, tensor in evaluation.sites("test", images).items():
        if (kind := site.split("/")[1]) in ranges:
            found[site] = tensor, ranges[kind]
    for site, (tensor, (low, high)) in found.items():
        counts = histogram(tensor, bins, (low, high))
        yield "histograms/counts", site, counts
        yield "histograms/outside", site, 1 - counts.sum() / tensor.size
