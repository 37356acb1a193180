"""Where the time of a sweep went: the useful share, which is training, and the rest by activity."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

OTHER = "writing"
IDLE = "planning and waiting"
_NAMES = {"training": "training", "compiling": "compiling", "starting": "starting runs", "worker": "starting workers"}


def spent(provenance: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of a worker by activity, from a run's provenance (see training/stopwatch); `measuring <probe>` each."""
    seconds: dict[str, float] = defaultdict(float)
    for activity, entry in provenance.get("timing", {}).items():
        kind, _, probe = activity.partition("/")
        seconds[f"measuring {probe}" if probe else _NAMES[kind]] += entry["seconds"]
    inside = sum(value for name, value in seconds.items() if name != _NAMES["worker"])
    seconds[OTHER] += max(provenance["seconds"] - inside, 0.0)
    return seconds


def shares(runs: Iterable[Mapping[str, Any]], workers: int, wall: float) -> dict[str, float]:
    """activity -> its share of the time of all workers; training first, then the largest. They sum to 1.

    runs: provenance of the runs that were trained. wall: seconds from the command to the last record. What no run
    accounts for is planning, waiting for the first worker or for the last one.
    """
    seconds: dict[str, float] = defaultdict(float, training=0.0)  # the first chunk of a program counts as compiling
    for run in runs:
        for name, value in spent(run).items():
            seconds[name] += value
    seconds[IDLE] = max(workers * wall - sum(seconds.values()), 0.0)
    whole = sum(seconds.values())
    order = sorted(seconds, key=lambda name: (name != "training", -seconds[name]))
    return {name: seconds[name] / whole for name in order}


def line(found: Mapping[str, float]) -> str:
    """The useful share, and the other activities that took at least one percent."""
    useful, *rest = (f"{name} {share:.0%}" for name, share in found.items() if name == "training" or share >= 0.01)
    return f"useful share: {useful}" + (f" (the rest: {', '.join(rest)})" if rest else "")
