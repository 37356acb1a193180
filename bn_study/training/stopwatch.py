"""Where a run's time goes, so that a plan can be priced by what stored runs took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds spent on each of a run's activities, and how often: `{"training": {"seconds": 3.1, "count": 14950}}`.

    compiled: whether the run found its program compiled. If not, the first time of every activity includes tracing and
    compiling and is counted as `compiling` instead, so that the others tell what a step or a measurement costs.
    """

    def __init__(self, compiled: bool) -> None:
        self._compiled = compiled
        self._known: set[str] = set()
        self._timing: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, activity: str, count: int = 1, once: bool = False) -> Iterator[None]:
        """Time what happens inside. once: it happens once in a run, so that its first time has to serve."""
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
