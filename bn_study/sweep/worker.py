"""A worker: trains missing runs of the store until none is left.

    python -m bn_study.sweep.worker CALL PARENT [--sample ROWS TABLE] [EXPERIMENT] [OVERRIDE ...]

CALL names the `bn-study run` that started it; PARENT is the process that supervises it. The environment sets the number
of threads before TensorFlow is imported. On SIGTERM, or when PARENT is gone, the worker stops after the current chunk
of steps.
"""

import faulthandler
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

from bn_study.errors import UsageError
from bn_study.plan import history
from bn_study.plan.experiment import PlannedRun
from bn_study.plan.spec import RunSpec
from bn_study.store import checkpoint, provenance
from bn_study.store.checkpoint import Checkpoint, State
from bn_study.store.lease import Holder, Lease, Lost
from bn_study.store.store import CannotWrite
from bn_study.sweep import order, timings
from bn_study.sweep.call import Call
from bn_study.sweep.request import Request
from bn_study.sweep.status import PlanStatus, plan_status

POLL = 0.2
"""Seconds between checks of the runs that other workers hold."""
USAGE, STOPPED, CANNOT_WRITE = 2, 3, 4
"""Exit codes."""


class Stopped(Exception):
    """The worker was told to stop; raised between two chunks of steps."""


class Trainer(Protocol):
    """What a worker needs of `training.train.Programs`."""

    def program(self, spec: RunSpec) -> str:
        """The name of a run's compiled program; a run that follows one with the same program need not compile."""

    def train(
        self, spec: RunSpec, between: Callable[[int, Callable[[], State]], None], state: State | None
    ) -> Any:  # fmt: skip
        """See `training.train.train`."""

    def facts(self, spec: RunSpec) -> dict[str, Any]:
        """What provenance records of the data: classes, fingerprint, warnings."""


class Worker:
    """One process's share of a call. stop: called between chunks of steps; says whether to stop."""

    def __init__(self, call: Call, stop: Callable[[], bool], trainer: Trainer | None = None) -> None:
        self.call, self.store, self.stop = call, call.study.store, stop
        self.leases = self.store.leases(call.settings.heartbeat_timeout)
        self.start: dict[str, Any] = {}
        self._trainer = trainer
        self._programs: dict[str, str] = {}
        self._lengths: dict[str, float] = {}
        self._last = self._lengths_of = ""

    @property
    def trainer(self) -> Trainer:
        """Created only when there is something to train, because it imports TensorFlow, which takes seconds."""
        if self._trainer is None:
            from bn_study.training.train import Programs

            self._trainer = Programs()
            self.start = {"worker": {"seconds": round(provenance.age(), 6), "count": 1}}
        return self._trainer

    @cached_property
    def circumstances(self) -> dict[str, Any]:
        experiment = self.call.experiment
        return provenance.circumstances(self.call.study.home, self.call.request.words) | {
            "experiment": {"name": experiment.name, "hash": experiment.digest},
            "stated": history.committed(self.call.study.home, experiment),
            "call": self.call.id,
        }

    def work(self) -> None:
        """Train until every run of the experiment is done, has failed in this call, or waits for one that failed.

        Raises Stopped, and CannotWrite if the results cannot be written.
        """
        _ = self.circumstances  # read, and kept, before anything is trained: what is committed meanwhile came too late
        while True:
            plan = plan_status(self.call.experiment, self.store)
            if not self._pending(plan):
                return
            self._train_all(plan)

    def _train_all(self, plan: PlanStatus) -> None:
        """Train until each of these runs is done or failed, or the plan has more.

        A run that another worker holds is waited for, because that worker may die.
        """
        self._lengths = {}
        passed: set[str] = set()  # another worker was faster
        while (pending := self._pending(plan)) and not plan.has_more(self.store):
            holders = {one.run: one for one in self.leases.holders() if one.run in pending}
            free = [run for run_id, run in pending.items() if run_id not in holders and run_id not in passed]
            if free:
                run = self._next(free, plan, holders)
                if self._attempt(run):
                    passed.clear()
                else:
                    passed.add(run.spec.id)
            else:
                passed.clear()
                if self.stop():
                    raise Stopped
                time.sleep(POLL)

    def _next(self, free: list[PlannedRun], plan: PlanStatus, holders: Mapping[str, Holder]) -> PlannedRun:
        """See `order`. Lengths are estimated again before a program is left: meanwhile others have trained, too."""
        left = {run.spec.id: run.spec for run in plan.missing}
        leaves = all(self._program(run.spec) != self._last for run in free)
        if not self._lengths or (leaves and self._lengths_of != self._last):
            known = timings.stored(self.store, left.values(), self.call.threads, self.call.device)
            self._lengths, self._lengths_of = order.lengths(left.values(), known), self._last
        awaited = frozenset().union(*plan.awaited)
        candidates = {
            run.spec.id: order.Free(self._program(run.spec), self._lengths[run.spec.id], run.spec.id in awaited)
            for run in free
        }
        rest = [self._lengths[run] * (1 - one.step / max(left[run].steps, 1)) for run, one in holders.items()]
        share = (sum(one.length for one in candidates.values()) + sum(rest)) / (len(holders) + 1)
        taken = order.chosen(candidates, self._last, {self._program(left[run]) for run in holders}, share)
        return next(run for run in free if run.spec.id == taken)

    def _program(self, spec: RunSpec) -> str:
        if spec.id not in self._programs:
            self._programs[spec.id] = self.trainer.program(spec)
        return self._programs[spec.id]

    def _pending(self, plan: PlanStatus) -> dict[str, PlannedRun]:
        """The runs that are neither done nor failed in this call. Folders are listed once, however many runs."""
        over = {*self.store.ids(), *self.store.failures(self.call.id)}
        return {run.spec.id: run for run in plan.missing if run.spec.id not in over}

    def _is_pending(self, run_id: str) -> bool:
        return not self.store.done(run_id) and self.store.failed(run_id, self.call.id) is None

    def _attempt(self, run: PlannedRun) -> bool:
        """Train a run if it is still pending and free; returns whether it was."""
        run_id = run.spec.id
        if not self._is_pending(run_id):
            return False
        with self.store.writing(), self.leases.take(run_id, self.call.id) as lease:
            if lease is None or not self._is_pending(run_id):
                if self.store.done(run_id):
                    self.leases.clear(run_id)  # another worker published the run just before this lease was made
                return False
            self._last = self._program(run.spec)
            try:
                self._train(run.spec, lease)
            except (Stopped, CannotWrite):
                raise
            except Lost:
                print(f"{run_id}: another worker has taken the run over", file=sys.stderr)
            except UsageError as error:
                self.store.fail(run_id, self.call.id, "failed", str(error), usage=True)
            except (Exception, SystemExit):
                self.store.fail(run_id, self.call.id, "failed", traceback.format_exc())
            return True

    def _train(self, spec: RunSpec, lease: Lease) -> None:
        """Train from the run's checkpoint, or from the beginning if that cannot be used."""
        warnings: list[str] = []
        try:
            try:
                start = checkpoint.load(self.store.checkpoint(spec.id), spec)
            except FileNotFoundError:
                start = checkpoint.BEGINNING
            except OSError as error:  # nobody else writes it: the lease is ours
                raise checkpoint.Unusable(f"{self.store.checkpoint(spec.id)}: {error}") from error
            self._train_from(start, spec, lease, warnings)
        except checkpoint.Unusable as error:
            warnings.append(f"{error}; {self.store.set_checkpoint_aside(spec.id)} and the run began again")
            print(warnings[0], file=sys.stderr)
            self._train_from(checkpoint.BEGINNING, spec, lease, warnings)

    def _train_from(self, start: Checkpoint, spec: RunSpec, lease: Lease, warnings: list[str]) -> None:
        started, clock = datetime.now(UTC), time.monotonic()
        saved = clock

        def between(step: int, state: Callable[[], State]) -> None:
            nonlocal saved
            with self.store.writing():
                lease.note(step)
                now, stopping = time.monotonic(), self.stop()
                if stopping or now - saved >= self.call.settings.checkpoint:
                    history = [*start.history, self._chunk(step, started, clock)]
                    checkpoint.save(self.store.checkpoint(spec.id), spec, Checkpoint(state(), history))
                    saved = now
            if stopping:
                raise Stopped

        if self.stop():
            raise Stopped
        trained = self.trainer.train(spec, between, start.state)
        timing, self.start = self.start | trained.timing, {}
        facts = self.trainer.facts(spec)
        self.store.publish(
            spec,
            trained.records,
            trained.vectors,
            self.circumstances
            | facts
            | {
                "warnings": [*facts["warnings"], *warnings],
                "status": "complete" if trained.diverged_at is None else "diverged",
                "diverged_at": trained.diverged_at,
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - clock, 3),
                "timing": timing,
                "peak_memory": provenance.peak_memory(),
                "earlier": start.history,
            },
            lease,
        )

    def _chunk(self, step: int, started: datetime, clock: float) -> dict[str, Any]:
        """What provenance records of the part of a run that ends with a checkpoint."""
        names = ("commit", "dirty", "study", "stated", "versions", "machine", "device", "threads", "numerics")
        kept = {name: self.circumstances[name] for name in names}
        seconds = round(time.monotonic() - clock, 3)
        return kept | {"until_step": step, "started": started.isoformat(timespec="seconds"), "seconds": seconds}


def main(arguments: list[str], trainer: Trainer | None = None) -> int:
    """Exit codes: 0 nothing left, 2 the request cannot be planned, 3 stopped, 4 the results cannot be written."""
    stopping: list[bool] = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    call, parent, *words = arguments

    def stop() -> bool:
        return bool(stopping) or os.getppid() != int(parent)

    try:
        Worker(Call(call, Request.parse(words)), stop, trainer).work()
    except Stopped:
        return STOPPED
    except UsageError as error:
        print(error, file=sys.stderr)
        return CANNOT_WRITE if isinstance(error, CannotWrite) else USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
