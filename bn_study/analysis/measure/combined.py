"""A weighted sum of metrics."""

from collections.abc import Sequence
from typing import Any

from bn_study.analysis.needed import Needed
from bn_study.analysis.reach import Reach, weighted
from bn_study.analysis.recorded import last
from bn_study.errors import UsageError
from bn_study.plan.types import Number
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, metrics: dict[str, Number]) -> float:
    """The weighted sum of the last values of several metrics, for example the difference of two accuracies."""
    return sum(weight * last(run, metric) for metric, weight in metrics.items())


def needs(*, metrics: dict[str, Number]) -> list[Needed]:
    """The metrics. Raises UsageError if there is none."""
    if not metrics:
        raise UsageError("combined: metrics: name at least one")
    return [Needed(metric) for metric in metrics]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """That of the sum."""
    return weighted(options["metrics"], records)
