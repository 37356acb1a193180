"""One recorded value."""

from bn_study.analysis.needed import Needed
from bn_study.analysis.recorded import value_at
from bn_study.plan.types import Natural
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, name: str, site: str, step: Natural | None) -> float:
    """What was recorded under a name and site ("" for none) at a step, which must be a measuring point; None: the last.

    NaN if the run ended before.
    """
    return value_at(run, name, site, step)


def needs(*, name: str, site: str, step: Natural | None) -> list[Needed]:
    """The record at the step."""
    return [Needed(name, site, step)]
