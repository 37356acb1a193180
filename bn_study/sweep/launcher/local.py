"""Child processes of this machine, started, watched and replaced.

A worker's death counts against the run that it held, because this process, which lives, saw it die by itself: the first
time a replacement tries the run again, the second time the call leaves the run alone. A run that takes longer than
`timeout` is ended from outside, where no compiled code is in the way.
"""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Positive
from bn_study.store.lease import Holder, Leases
from bn_study.store.store import Kind
from bn_study.sweep import child
from bn_study.sweep.call import STOPS, Call, Ending, interrupts
from bn_study.sweep.progress import Progress
from bn_study.sweep.worker import CANNOT_WRITE, STOPPED, USAGE

HERE = True
TIMEOUT = True
WORKERS = None
POLL = 0.25
"""Seconds between checks of the workers."""
IDLE_DEATHS = 2
"""A worker that dies this often in a row without holding a run is not replaced, because no run is the reason."""
WORKER = (*child.PYTHON, "-m", "bn_study.sweep.worker")
_CAUSE = re.compile(r"^(?:F\d+ .*?\] (.+)|(\w*Error: .+))$", re.MULTILINE)
"""In a log: what a compiled library or Python said of its end."""
_LOG = 1 << 14
"""Bytes at the end of a worker's log that are kept with a failure."""


def run(call: Call, progress: Progress, *, per_gpu: Count | None, gpu_memory: Positive) -> Ending:
    """As many workers as the call wants, which knows the options; Ctrl-C stops them."""
    workers = call.workers(progress.plan.left)
    if call.gpus:
        names = ", ".join(map(str, call.gpus))
        print(f"workers: {workers}, with native numerics, on {names}", file=sys.stderr, flush=True)
    return watch(call, range(workers), progress)


def watch(call: Call, numbers: Iterable[int], progress: Progress, stops: Sequence[signal.Signals] = STOPS) -> Ending:
    """Let a worker for each of these numbers train until nothing is left.

    The signals `stops`, Ctrl-C's among them, ask them to stop after the current chunk of steps; a second one ends them
    at once.
    """
    leases = call.study.store.leases()
    workers = [_Worker(call, number) for number in numbers]
    told = 0
    with progress, interrupts(stops) as asked:
        try:
            for worker in workers:
                worker.start()
            while True:
                held = leases.held(call.id)
                if not [worker for worker in workers if worker.lives(held, leases)]:
                    break
                if told < asked.count or (not told and call.too_many_failures()):
                    told += 1
                    if asked.count == 1:
                        print("stopping after the steps under way; Ctrl-C again stops at once", file=sys.stderr)
                    for worker in workers:
                        worker.end(signal.SIGTERM if told == 1 else signal.SIGKILL)
                progress.update()
                _pause(workers)
        except BaseException:
            for worker in workers:
                worker.end(signal.SIGTERM)
            raise
        progress.update()
    return Ending(asked.count > 0, remarks=[line for worker in workers for line in worker.remarks])


def _pause(workers: Iterable["_Worker"]) -> None:
    """Wait until a worker's process ends, at most POLL seconds."""
    descriptors: list[int] = []
    try:
        for worker in workers:
            if not worker.over and worker.process is not None:
                descriptors.append(os.pidfd_open(worker.process.pid))
        select.select(descriptors, [], [], POLL)
    except (AttributeError, OSError, ValueError):  # a system without such descriptors, or too many of them
        time.sleep(POLL)
    finally:
        for one in descriptors:
            os.close(one)


class _Worker:
    """A slot for a worker process, and the process that fills it now."""

    def __init__(self, call: Call, number: int) -> None:
        self.call, self.number, self.store = call, number, call.study.store
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = self.idle_deaths = 0
        self.ending = self.over = False
        self.remarks: list[str] = []

    def start(self) -> None:
        """In a session of its own, so that Ctrl-C reaches the worker as our SIGTERM, read between chunks.

        What it prints (TensorFlow greets at length) goes to a log, which is kept where it tells of a death.
        """
        self.log = self.store.log(f"{self.call.id}-{self.number}-{self.starts}")
        self.starts += 1
        self.run: str | None = None
        with self.store.writing():  # only of the log: that a process cannot be started is another matter
            self.log.touch()
        with self.log.open("wb") as file:
            try:
                self.process = subprocess.Popen(
                    [*WORKER, self.call.id, str(os.getpid()), *self.call.request.worker_words],
                    env=self.call.environment(self.number) | child.environment(),
                    stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise UsageError(f"a worker cannot be started ({error.strerror}); try workers=1") from error

    def lives(self, held: Mapping[int, Holder], leases: Leases) -> bool:
        """Look after the process: end a run that takes too long, replace a dead worker; whether one is at work.

        held: what the processes of this call held some moments ago.
        """
        if self.over or self.process is None:
            return False
        code = self.process.poll()
        # since those moments a dead one may have released its run, or taken another and died of it
        holder = (held if code is None else leases.held(self.call.id)).get(self.process.pid)
        run = holder.run if holder and not self.store.done(holder.run) else None
        if code is None:
            if run is not None:
                self.idle_deaths = 0
            if not self._takes_too_long(run):
                return True
            self.over = self.ending
        elif self.ending:
            self.over = True
            if code in (0, STOPPED, -signal.SIGTERM, -signal.SIGKILL):
                self.log.unlink(missing_ok=True)
            else:
                self._remark(code)
        elif run is not None:
            self.idle_deaths = 0
            said = [first or second for first, second in _CAUSE.findall(_end(self.log))]
            self._fail(run, "crashed", f"its worker {_how(code)}{f': {said[-1]}' if said else ''}")
        elif code in (0, STOPPED):
            self.over = code == 0
            self.log.unlink(missing_ok=True)
        else:
            self.idle_deaths += 1
            self.over = code in (CANNOT_WRITE, USAGE) or self.idle_deaths == IDLE_DEATHS
            if self.over:
                self._remark(code)
        if not self.over:
            self.start()
        return not self.over

    def end(self, how: signal.Signals) -> None:
        """SIGTERM lets a worker write a checkpoint, SIGKILL does not."""
        self.ending = True
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)

    def _takes_too_long(self, run: str | None) -> bool:
        """End a worker whose run has had its time; whether it was."""
        assert self.process is not None
        now = time.monotonic()
        if run != self.run:
            self.run, self.since = run, now
        limit = self.call.timeout
        if run is None or limit is None or now - self.since < limit:
            return False
        self.process.send_signal(signal.SIGUSR2)  # has it write down where it is
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.store.done(run):
            self.log.unlink(missing_ok=True)
        else:
            self._fail(run, "timeout", f"it took longer than timeout={limit:g} seconds")
        return True

    def _remark(self, code: int) -> None:
        said = _end(self.log).strip().splitlines()
        self.remarks.append(f"a worker {_how(code)}{f': {said[-1]}' if said else ''}; its log is {self.log}")

    def _fail(self, run: str, kind: Kind, reason: str) -> None:
        self.store.fail(run, self.call.id, kind, f"{_end(self.log)}\n{reason}\n")
        self.log.unlink(missing_ok=True)


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    known = {one.value: one.name for one in signal.Signals}  # the real-time signals between two of them have no name
    return f"was ended by {known.get(-code, f'signal {-code}')}"


def _end(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(os.path.getsize(log) - _LOG, 0))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
