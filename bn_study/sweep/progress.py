"""The progress of a sweep: a live table on a terminal, elsewhere one plain line per minute and one at the end."""

import time
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bn_study.errors import UsageError
from bn_study.plan.spec import RunSpec
from bn_study.store.lease import Holder
from bn_study.sweep import cost, timings
from bn_study.sweep.call import Call
from bn_study.sweep.status import plan_status
from bn_study.sweep.units import duration

QUIET_INTERVAL = 60.0
"""Seconds between lines if there is no terminal."""
SETTLED = 0.02
"""After this share of the remaining work the time left follows this call's own speed; before that, stored runs."""


@dataclass(frozen=True)
class Figures:
    """How far a sweep is. waiting: cells that wait for tuning. rate: steps a second. left: the time, in words."""

    runs: int
    done: int
    waiting: int
    diverged: int
    rate: float
    left: str


class Progress:
    """Reads the store and never asks the workers, so that a second call that shares the work shows the same."""

    def __init__(self, call: Call) -> None:
        self.call, self.store = call, call.study.store
        self.leases = self.store.leases(call.settings.heartbeat_timeout)
        self.console = Console(stderr=True)
        self.live = (
            Live(console=self.console, refresh_per_second=4, transient=True) if self.console.is_terminal else None
        )
        self.statuses: dict[str, str] = {}
        self.known: list[timings.Known] = []
        self.known = timings.stored(self.store, self._look(), call.threads, call.device)
        later = self._look()
        try:
            workers = call.workers(len(later))
        except UsageError:  # no GPU is seen, as from afar
            workers = call.settings.workers or 1
        self.price = cost.price(later, self.known, workers)
        self.steps_at_start, self.first_work = self._done(self.leases.holders())
        self.started = self.said = self.first_seen = time.monotonic()

    def __enter__(self) -> "Progress":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()
        elif self.said != self.started:  # the last line must not be one of a minute ago
            self._say(time.monotonic())

    def update(self) -> None:
        now = time.monotonic()
        if self.live:
            holders = self.leases.holders()
            line = Text(self.line(now, holders), no_wrap=True)
            self.live.update(Group(line, self.table(holders)) if holders else line)
        elif now - self.said >= QUIET_INTERVAL:
            self._say(now)

    def _say(self, now: float) -> None:
        self.said = now
        self.console.print(self.line(now, self.leases.holders()), soft_wrap=True, highlight=False)

    def line(self, now: float, holders: list[Holder]) -> str:
        """`38/148 runs · 110 left · 5,214 steps/s · 2 diverged · 0 failed · 4m 10s left`."""
        found = self.figures(now, holders)
        waiting = f" · {found.waiting} waiting for tuning" if found.waiting else ""
        failed = len(self.store.failures(self.call.id))
        return (
            f"{found.done}/{found.runs} runs · {found.runs - found.done} left{waiting} · {found.rate:,.0f} steps/s · "
            f"{found.diverged} diverged · {failed} failed · {found.left}"
        )

    def figures(self, now: float, holders: list[Holder]) -> Figures:
        if self.plan.has_more(self.store):
            self._look()
        steps, work = self._done(holders)
        rate = (steps - self.steps_at_start) / max(now - self.started, 1e-9)
        diverged = sum(status == "diverged" for status in self.statuses.values())
        runs, waiting = len(self.plan.runs), len(self.plan.waiting)
        return Figures(runs, len(self.statuses), waiting, diverged, rate, self._left(work, now))

    def table(self, holders: list[Holder]) -> Table:
        """What each worker does, including workers of other calls and machines."""
        steps = {run.spec.id: run.spec.steps for run in self.plan.runs}
        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("worker", "run"):
            table.add_column(name, no_wrap=True)
        for name in ("step", "of", ""):
            table.add_column(name, justify="right", no_wrap=True)
        for holder in holders:
            if holder.run in steps:
                total = steps[holder.run]
                share = f"{holder.step / max(total, 1):.0%}"
                table.add_row(f"{holder.host} {holder.pid}", holder.run, f"{holder.step:,}", f"{total:,}", share)
        return table

    def _look(self) -> list[RunSpec]:
        """Update the plan and the work of each run: in seconds if comparable runs are stored, else in steps."""
        self.plan = plan_status(self.call.experiment, self.store)
        later = cost.to_train(self.call.experiment, self.plan)
        everything = {run.spec.id: run.spec for run in self.plan.runs} | {spec.id: spec for spec in later}
        runs = list(everything.values())
        seconds = cost.expected(runs, self.known)
        self.work = seconds if len(seconds) == len(runs) else {spec.id: float(spec.steps) for spec in runs}
        return later

    def _left(self, done: float, now: float) -> str:
        """The time left, by the speed since work first advanced: the time that workers take to start does not count."""
        left = sum(self.work.values()) - done
        if len(self.statuses) == len(self.plan.runs) and not self.plan.waiting:
            return "nothing left"
        if left <= 0:  # all steps are done, and the last runs are being evaluated
            return "last measurements"
        if done == self.first_work:
            self.first_seen = now
        advanced = done - self.first_work
        if advanced < SETTLED * left:
            return "starting" if self.price.seconds is None else f"about {duration(self.price.seconds)} left"
        return f"{duration(left * (now - self.first_seen) / advanced)} left"

    def _done(self, holders: list[Holder]) -> tuple[int, float]:
        """Steps and work of finished and of current runs; a diverged run counts with all its steps."""
        under_way = {holder.run: holder.step for holder in holders}
        stored = set(self.store.ids())  # the folder is listed once, however many runs there are
        steps, work = 0, 0.0
        for run in self.plan.runs:
            run_id = run.spec.id
            if run_id not in self.statuses and run_id in stored:
                self.statuses[run_id] = self.store.read(run_id).status()
            taken = run.spec.steps if run_id in self.statuses else under_way.get(run_id, 0)
            steps += taken
            share = 1.0 if run_id in self.statuses else taken / max(run.spec.steps, 1)
            work += share * self.work[run_id]
        return steps, work
