"""Which run a worker takes next, so that none is idle while another has much left.

1. A run that a tuned value waits for comes before all others, which fill the time while the last of these train.
2. A worker stays with the program that it has compiled, and takes its longest run. It leaves the program for a longer
   run of another one when that run, begun only after this one, would outlast the rest of the sweep.
3. A worker without a run of its program takes the longest one whose program no other worker uses now, else the longest.

So short runs come last and even out what the workers have left.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bn_study.plan.spec import RunSpec
from bn_study.sweep import cost
from bn_study.sweep.timings import Known


@dataclass(frozen=True)
class Free:
    """A run that nobody trains. length: seconds. awaited: whether a tuned value waits for it."""

    program: str
    length: float
    awaited: bool


def chosen(free: Mapping[str, Free], compiled: str, used: Container[str], share: float) -> str:
    """The id of the run to take, of at least one.

    compiled: the program that the worker has. used: the programs of the other workers. share: seconds in which all that
    is left, free or under way, would end if it were shared evenly.
    """
    first = {run: one for run, one in free.items() if one.awaited} or free
    own = {run: one for run, one in first.items() if one.program == compiled}
    if not own:
        return _longest({run: one for run, one in first.items() if one.program not in used} or first)
    mine, longest = _longest(own), _longest(first)
    postponed = first[mine].length + first[longest].length
    return longest if first[longest].length > first[mine].length and postponed > share else mine


def _longest(runs: Mapping[str, Free]) -> str:
    return max(runs, key=lambda run: runs[run].length)


def lengths(runs: Iterable[RunSpec], known: Sequence[Known]) -> dict[str, float]:
    """Seconds for each of these runs, by id: by comparable stored runs, else by the number of examples trained on."""
    runs = list(runs)
    seconds = cost.expected(runs, known)
    examples = {spec.id: float(spec.steps * spec.batch_size) for spec in runs}
    rates = [seconds[one] / examples[one] for one in seconds if examples[one]]
    return {one: count * (median(rates) if rates else 1.0) for one, count in examples.items()} | seconds
