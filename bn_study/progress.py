"""One line that says how a sweep goes: live on a terminal, once a minute elsewhere."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from bn_study.agenda import Agenda
from bn_study.store import DamagedRun, Store

QUIET_INTERVAL = 60.0
"""Seconds between lines where there is no terminal."""


class Progress:
    """Looks at the store, never at the workers: a second call that shares the work sees the same."""

    def __init__(self, store: Store, look: Callable[[], Agenda], call: str) -> None:
        self.store = store
        self.leases = store.leases()
        self.look = look
        self.call = call
        self.console = Console(stderr=True)
        self.live = (
            Live(console=self.console, refresh_per_second=4, transient=True) if self.console.is_terminal else None
        )
        self.agenda = look()
        self.statuses: dict[str, str] = {}
        self.at_start = self._steps_done()
        self.started = time.monotonic()
        self.said = self.started

    def __enter__(self) -> "Progress":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def update(self) -> None:
        now = time.monotonic()
        if self.live:
            self.live.update(self.line(now))
        elif now - self.said >= QUIET_INTERVAL:
            self.said = now
            self.console.print(self.line(now), soft_wrap=True, highlight=False)

    def line(self, now: float) -> str:
        """`38/148 runs · 110 left · 5,214 steps/s · 2 diverged · 0 failed · 4m 10s left`."""
        steps = self._steps_done()
        if self.agenda.waiting and len(self.statuses) == len(self.agenda.runs):
            self.agenda = self.look()
        total = sum(run.spec.steps for run in self.agenda.runs)
        done, diverged = len(self.statuses), sum(status == "diverged" for status in self.statuses.values())
        failed = len(self.store.failures(self.call))
        rate = (steps - self.at_start) / max(now - self.started, 1e-9)
        left = duration((total - steps) / rate) + " left" if rate > 0 else "starting"
        if rate > 0 and steps == total:
            left = "last measurements"  # all steps are taken, some runs are still being judged
        waiting = f" · {len(self.agenda.waiting)} waiting for tuning" if self.agenda.waiting else ""
        runs = len(self.agenda.runs)
        return (
            f"{done}/{runs} runs · {runs - done} left{waiting} · {rate:,.0f} steps/s · "
            f"{diverged} diverged · {failed} failed · {left}"
        )

    def _steps_done(self) -> int:
        """Steps of finished runs and of those under way; a diverged run counts as run to its end."""
        steps = 0
        under_way = {holder.run: holder.step for holder in self.leases.holders()}
        for run in self.agenda.runs:
            if run.spec.id not in self.statuses and self.store.done(run.spec.id):
                try:
                    self.statuses[run.spec.id] = self.store.read(run.spec.id).provenance["status"]
                except (DamagedRun, KeyError):
                    self.statuses[run.spec.id] = "damaged"
            if run.spec.id in self.statuses:
                steps += run.spec.steps
            else:
                steps += under_way.get(run.spec.id, 0)
        return steps


def duration(seconds: float) -> str:
    """`9s`, `4m 10s`, `2h 05m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
