"""The price of every experiment of a study, one line each."""

from collections.abc import Iterator, Sequence

from bn_study.plan.reading import experiment_names
from bn_study.study import Study
from bn_study.sweep import cost
from bn_study.sweep.call import Call
from bn_study.sweep.cost import Price
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status
from bn_study.sweep.units import duration

_COLUMNS = "{:24} {:>6} {:>6} {:>8} {:>8}  {:14} {}"


def lines(study: Study, overrides: Sequence[str], calibrate: bool) -> Iterator[str]:
    """A table in lines: the number of runs, the time for the missing ones, and the time for all of them.

    Runs that two experiments share are counted in both. Raises UsageError if an experiment cannot be planned.
    """
    head = _COLUMNS.format("experiment", "runs", "done", "missing", "waiting", "time left", "time from scratch")
    left, everything, unknown = 0.0, 0.0, 0
    for number, name in enumerate(experiment_names(study.home)):
        request = Request.parse([name, *overrides], study)
        plan = plan_status(request.experiment, study.store)
        prices = cost.of_all(Call("plan", request), plan, calibrate)
        idle = not plan.missing and not plan.waiting
        counts = (len(plan.runs), len(plan.done), len(plan.missing), len(plan.waiting))
        if number == 0:
            yield head
        yield _COLUMNS.format(name, *counts, "-" if idle else _words(prices[0]), _words(prices[1]))
        left += 0.0 if idle else prices[0].seconds or 0.0
        everything += prices[1].seconds or 0.0
        unknown += prices[1].unknown
    yield _COLUMNS.format("in all", "", "", "", "", duration(left), duration(everything))
    if unknown:
        yield f"without {unknown} runs that have no comparable stored run; --calibrate measures them"


def _words(cost: Price) -> str:
    if cost.seconds is None:
        return "unknown"
    return duration(cost.seconds) + (" and more" if cost.unknown or cost.unmeasured else "")
