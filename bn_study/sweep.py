"""Plan -> workers -> summary."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bn_study.agenda import Agenda, agenda
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.experiment import Experiment, PlannedRun
from bn_study.progress import Progress
from bn_study.store import DamagedRun, Failure, Store
from bn_study.study import Study

POLL = 0.25
"""Seconds between looks at the workers."""


def check_data(runs: Sequence[PlannedRun]) -> list[str]:
    """Load every data set of a plan once, so that nothing starts on data that are missing or wrong.

    Returns warnings. Raises UsageError for data that cannot be used, or a batch larger than the training split.
    """
    warnings: list[str] = []
    smallest: dict[str, int] = {}
    for run in runs:
        dataset = run.spec.dataset
        key = repr(dataset)
        if key not in smallest:
            data = parts.call("dataset", dataset)
            smallest[key] = len(data.train)
            warnings += data.warnings
        if run.spec.batch_size > smallest[key]:
            raise UsageError(
                f"batch_size={run.spec.batch_size}: dataset={dataset.name} has {smallest[key]} training examples here; "
                "give a batch of at most that many"
            )
    return warnings


def set_damaged_aside(runs: Sequence[PlannedRun], store: Store) -> list[str]:
    """Move stored runs that are not what was published out of the way, to be trained anew; a line for each."""
    lines = []
    for run in runs:
        if store.done(run.spec.id):
            try:
                store.read(run.spec.id).verify(run.spec)
            except DamagedRun as error:
                lines.append(f"{error}; it was moved to {store.set_aside(run.spec.id)}")
    return lines


@dataclass
class Outcome:
    """How a call of `run` ended. deaths: a line for each worker that did not end by itself."""

    agenda: Agenda
    interrupted: bool = False
    failed: dict[str, Failure] = field(default_factory=dict)
    deaths: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        if self.interrupted:
            return 3
        if self.failed and all(one.usage for one in self.failed.values()) and not self.agenda.done:
            return 2
        return 1 if self.failed or self.agenda.missing or self.agenda.waiting else 0


def run(
    place: Study, experiment: Experiment, request: Sequence[str], launcher: str, workers: int | None, threads: int
) -> Outcome:
    """Train what is missing. `request` is the command line's words, from which every worker composes the same plan."""
    todo = agenda(experiment, place.store)
    call = uuid.uuid4().hex[:12]
    progress = Progress(place.store, lambda: agenda(experiment, place.store), call)
    if not todo.missing and not todo.waiting:
        return Outcome(todo)
    environment = _environment(threads)
    if launcher == "inline":
        interrupted, deaths = _inline(place, experiment, request, call, environment, progress)
    else:
        cores = len(os.sched_getaffinity(0))
        count = min(workers or max(cores // threads, 1), max(len(todo.missing), 1))
        interrupted, deaths = _local(place.store, call, request, count, environment, progress)
    final = agenda(experiment, place.store)
    failures = {run.spec.id: place.store.failed(run.spec.id, call) for run in final.missing}
    return Outcome(final, interrupted, {key: one for key, one in failures.items() if one is not None}, deaths)


def _environment(threads: int) -> dict[str, str]:
    """Set before TensorFlow is imported: afterwards it has made its threads."""
    names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(names, str(threads)) | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def _inline(
    place: Study,
    experiment: Experiment,
    request: Sequence[str],
    call: str,
    environment: dict[str, str],
    progress: Progress,
) -> tuple[bool, list[str]]:
    from bn_study.worker import Worker

    os.environ.update(environment)
    with progress:

        def stop() -> bool:
            progress.update()
            return False

        try:
            Worker(place, experiment, request, call, stop).work()
        except KeyboardInterrupt:
            return True, []
        progress.update()
    return False, []


def _local(
    store: Store, call: str, request: Sequence[str], count: int, environment: dict[str, str], progress: Progress
) -> tuple[bool, list[str]]:
    """Child processes in sessions of their own, so that Ctrl-C reaches them as our SIGTERM, read between stretches.

    What they print (TensorFlow greets at length) goes to a log, which is kept and named if one of them dies.
    """
    command = [sys.executable, "-m", "bn_study.worker", call, *request]
    children: list[tuple[subprocess.Popen[bytes], Path]] = []
    for number in range(count):
        log = store.log(f"{call}-{number}")
        with open(log, "wb") as file:
            child = subprocess.Popen(
                command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip
        children.append((child, log))
    interrupted = False
    with progress:
        while any(child.poll() is None for child, _ in children):
            try:
                progress.update()
                time.sleep(POLL)
            except KeyboardInterrupt:
                interrupted = True
                for child, _ in children:
                    child.terminate()
        progress.update()
    deaths = []
    for child, log in children:
        if child.returncode in (0, 3):
            log.unlink()
        else:
            deaths.append(_death(child.returncode, log))
    return interrupted, deaths


def _death(code: int, log: Path) -> str:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"a worker {how}; its log is {log}"
