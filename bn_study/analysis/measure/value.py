"""One recorded value."""

from collections.abc import Sequence
from typing import Any

from bn_study.analysis.needed import Needed
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import value_at
from bn_study.plan.types import Natural
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, name: str, site: str, step: Natural | None) -> float:
    """The value recorded under a name and site ("" for none) at a step; None: the last step.

    The step must be a measuring point. NaN if the run ended before it.
    """
    return value_at(run, name, site, step)


def needs(*, name: str, site: str, step: Natural | None) -> list[Needed]:
    """The record at the step."""
    return [Needed(name, site, step)]


def reach(records: Sequence[Reach], steps: Sequence[int], **options: Any) -> Reach:
    """That of the record."""
    return records[0]
