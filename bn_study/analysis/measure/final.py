"""The last recorded value of a metric."""

from collections.abc import Sequence
from typing import Any

from bn_study.analysis.needed import Needed
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import last
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, metric: str) -> float:
    """The last recorded value."""
    return last(run, metric)


def needs(*, metric: str) -> list[Needed]:
    """The metric."""
    return [Needed(metric)]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """That of the record."""
    return records[0]
