"""A worker: pulls missing runs from the store until none is left. The only module that trains.

    python -m bn_study.worker CALL [EXPERIMENT] [OVERRIDE ...]

CALL names the `bn-study run` that started it. Thread counts come from the environment, set before the import.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from bn_study import provenance, study
from bn_study.agenda import agenda, split_request
from bn_study.errors import UsageError
from bn_study.plan.compose import compose
from bn_study.plan.experiment import Experiment, PlannedRun
from bn_study.store import Lease
from bn_study.study import Study

POLL = 0.5
"""Seconds between looks at runs that other workers hold."""


class Stopped(Exception):
    """Asked to stop; raised between two stretches of training."""


class Worker:
    """One process's share of a sweep."""

    def __init__(
        self, place: Study, experiment: Experiment, request: Sequence[str], call: str, stop: Callable[[], bool]
    ) -> None:
        from bn_study.training.train import Programs

        self.store = place.store
        self.experiment = experiment
        self.call = call
        self.stop = stop
        self.programs: Programs = Programs()
        self.circumstances = provenance.circumstances(place.home, request) | {
            "experiment": {"name": experiment.name, "hash": experiment.digest},
            "stated": experiment.stated(),
            "call": call,
        }
        self.start = {"worker": {"seconds": round(provenance.age(), 6), "count": 1}}

    def work(self) -> None:
        """Train until every run of the experiment is done, failed in this call, or waits for one that failed."""
        seen: set[str] = set()
        runs = agenda(self.experiment, self.store).runs
        while True:
            pending = [run for run in runs if self._pending(run.spec.id)]
            if not pending:
                seen |= {run.spec.id for run in runs}
                runs = agenda(self.experiment, self.store).runs  # a tuned value may have come in
                if all(run.spec.id in seen for run in runs):
                    return
                continue
            pending.sort(key=lambda run: (not self.programs.has(run.spec), -run.spec.steps))
            if not any(self._attempt(run) for run in pending):
                if self.stop():
                    raise Stopped
                time.sleep(POLL)  # others hold all that is left; should one die, its run is to be had

    def _pending(self, run_id: str) -> bool:
        return not self.store.done(run_id) and self.store.failed(run_id, self.call) is None

    def _attempt(self, run: PlannedRun) -> bool:
        """Train a run if it is still to be had; whether it was."""
        with self.store.lease(run.spec.id) as lease:
            if lease is None or not self._pending(run.spec.id):
                return False
            try:
                self._train(run, lease)
            except Stopped:
                raise
            except UsageError as error:
                self.store.fail(run.spec.id, self.call, str(error), usage=True)
            except Exception:
                self.store.fail(run.spec.id, self.call, traceback.format_exc(), usage=False)
            return True

    def _train(self, run: PlannedRun, lease: Lease) -> None:
        from bn_study.training.train import train

        def note(step: int) -> None:
            lease.note(step)
            if self.stop():
                raise Stopped

        started, clock = datetime.now(UTC), time.monotonic()
        note(0)
        trained = train(run.spec, self.programs, note)
        data = self.programs.data(run.spec.dataset)
        timing, self.start = self.start | trained.timing, {}
        self.store.publish(
            run.spec,
            trained.records,
            trained.vectors,
            self.circumstances
            | {
                "status": "complete" if trained.diverged_at is None else "diverged",
                "diverged_at": trained.diverged_at,
                "classes": data.classes,
                "fingerprint": data.fingerprint,
                "warnings": list(data.warnings),
                "started": started.isoformat(timespec="seconds"),
                "seconds": round(time.monotonic() - clock, 3),
                "timing": timing,
                "peak_memory": provenance.peak_memory(),
            },
        )


def main(arguments: list[str]) -> int:
    call, *request = arguments
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    parent = os.getppid()
    place = study.locate()
    name, overrides = split_request(request)
    experiment, _ = compose(place.home, name, overrides)
    try:
        Worker(place, experiment, request, call, stop=lambda: bool(stopping) or os.getppid() != parent).work()
    except Stopped:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
