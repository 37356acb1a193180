"""Time spent on each activity of a run, from which the cost of a plan is estimated."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds and count of each of a run's activities: `{"training": {"seconds": 3.1, "count": 14950}}`.

    compiled: whether the run's program was compiled before. If not, the first time of every activity includes tracing
    and compiling. It is counted as `compiling`, so that the other times are the cost of a step or a measurement.
    """

    def __init__(self, compiled: bool) -> None:
        self._compiled = compiled
        self._known: set[str] = set()
        self._timing: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, activity: str, count: int = 1, once: bool = False) -> Iterator[None]:
        """Time the block. once: the activity happens once in a run, so its first time counts as its own."""
        started = time.monotonic()
        yield
        seconds = time.monotonic() - started
        first = activity not in self._known
        self._known.add(activity)
        if first and not once and not self._compiled:
            activity, count = "compiling", int("compiling" not in self._timing)
        entry = self._timing.setdefault(activity, {"seconds": 0.0, "count": 0})
        entry["seconds"] += seconds
        entry["count"] += count

    def timing(self) -> dict[str, dict[str, float]]:
        """activity -> seconds and count, rounded to microseconds."""
        return {name: entry | {"seconds": round(entry["seconds"], 6)} for name, entry in self._timing.items()}
