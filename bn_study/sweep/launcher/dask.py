"""Workers on a dask.distributed cluster: one task for each, handed to the scheduler at `address`.

A task starts a process of its own (`attend`), which watches one worker in the way that `local` watches several. So
threads, numerics and the environment are a worker's, not dask's, and a worker's death counts against its run as it does
elsewhere. If the dask process dies, that process ends its worker, which writes a checkpoint first; the scheduler gives
the task to another dask worker. If the scheduler dies, its tasks are submitted again to the one that follows. Nothing
here decides which runs are done: the store says that, in a folder that the nodes share.

    .jobs/<call>/stop    tells the workers of a call to stop
"""

import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Positive
from bn_study.sweep import child
from bn_study.sweep.call import Call, Ending, Interrupts, cores, interrupts
from bn_study.sweep.launcher import local
from bn_study.sweep.progress import Progress
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status

NEEDS = {"distributed": "bn-study[dask]"}
HERE = False
TIMEOUT = True
WORKERS = "tasks"
POLL = 0.25
"""Seconds between checks of the tasks."""
CONNECT = 10.0
"""Seconds in which a scheduler answers."""
DONE, GAVE_UP, STOPPED = 0, 1, 3
"""Exit codes of the process that watches a worker."""


def run(call: Call, progress: Progress, *, address: str | None, tasks: Count, patience: Positive) -> Ending:
    """Have the cluster train until nothing is left. Ctrl-C stops its workers.

    Raises UsageError if no scheduler answers at first.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters of it is said here, in a line
    count = call.workers(progress.plan.left)
    if address is None and call.settings.workers is None:
        count = min(count, cores() // call.threads or 1)
    with _cluster(address, count) as cluster, progress, interrupts() as asked:
        crew = _Crew(call, address or cluster.scheduler_address, range(count), patience)
        crew.connect()
        print(f"{count} workers for {crew.threads()} threads of {crew.address}", file=sys.stderr, flush=True)
        try:
            while crew.works() and not _leaves(crew, progress, asked):
                progress.update()
                time.sleep(POLL)
        finally:
            crew.close()
        progress.update()
    return Ending(asked.count > 0, remarks=crew.remarks)


def _cluster(address: str | None, count: int) -> Any:
    """A scheduler and dask workers on this machine, unless there is an address."""
    if address is not None:
        return nullcontext()
    from distributed import LocalCluster

    return LocalCluster(
        n_workers=count, threads_per_worker=1, memory_limit=0, host="127.0.0.1", dashboard_address=None,
        silence_logs=logging.CRITICAL,
    )  # fmt: skip


def _leaves(crew: "_Crew", progress: Progress, asked: Interrupts) -> bool:
    """Tell the workers to stop if somebody asks for it; whether to leave them: they have stopped, or asked again."""
    if not crew.stopping and (asked.count or crew.call.too_many_failures()):
        if asked.count:
            print("stopping after the steps under way; Ctrl-C again leaves at once", file=sys.stderr)
        crew.stop()
    at_work = any(one.call == crew.call.id for one in progress.leases.holders())
    return asked.count > 1 or (crew.stopping and not at_work)


class _Crew:
    """The tasks of a call: one future for each number of a worker whose work is not over."""

    def __init__(self, call: Call, address: str, numbers: Sequence[int], patience: float) -> None:
        self.call, self.address, self.patience = call, address, patience
        self.numbers = set(numbers)
        self.client: Any = None
        self.futures: dict[int, Any] = {}
        self.stopping = False
        self.remarks: list[str] = []
        self.silent_since = 0.0
        self.achieved = 0

    def connect(self) -> None:
        """Find the scheduler and hand it the tasks. Raises UsageError if it does not answer."""
        from distributed import Client

        try:
            self.client = Client(self.address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"launcher.address={self.address}: no scheduler answers there ({error})") from error
        self.achieved = self._done()
        for number in self.numbers:
            self._submit(number)

    def _submit(self, number: int) -> None:
        call = self.call
        words = [call.id, str(number), str(call.max_failures or 0), *call.request.worker_words]
        key = f"bn-study-{call.id}-{number}-{time.monotonic_ns()}"
        self.futures[number] = self.client.submit(task, words, call.places, key=key, pure=False)

    def _done(self) -> int:
        return len(plan_status(self.call.experiment, self.call.study.store).done)

    def threads(self) -> int:
        return sum(self.client.nthreads().values())

    def works(self) -> bool:
        """Look after the tasks; whether one is left."""
        if self.client is None:
            self._return()
            return bool(self.numbers)
        for number, future in list(self.futures.items()):
            status = future.status
            if status == "finished":
                with suppress(TimeoutError, CancelledError):  # what it returned went with its dask worker: look again
                    self._ended(number, *future.result(timeout=CONNECT))
            elif status == "error":
                self._failed(number, future.exception())
            elif status != "pending":  # canceled by nobody here: the scheduler has gone, and with it all tasks
                self.close()
                self.silent_since = time.monotonic()
                break
        return bool(self.numbers)

    def _return(self) -> None:
        """Look for the scheduler again, or for the one that follows it."""
        try:
            self.connect()
        except UsageError as error:
            if self.stopping or time.monotonic() - self.silent_since > self.patience:
                self.remarks.append(str(error))
                self.numbers.clear()

    def _ended(self, number: int, code: int, said: str) -> None:
        del self.futures[number]
        self.numbers.discard(number)
        if code == DONE and not self.stopping:  # it found nothing left: those that still wait for room are not needed
            self.numbers.clear()
        elif code not in (DONE, STOPPED):
            self.remarks.append(f"a worker on the cluster gave up: {said}")

    def _failed(self, number: int, error: BaseException) -> None:
        """Submit again a task that took several dask workers with it, as long as runs are published meanwhile."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker) and (done := self._done()) > self.achieved:
            self.achieved = done
            self._submit(number)
        else:
            del self.futures[number]
            self.numbers.discard(number)
            if not self.stopping:
                self.remarks.append(f"a task of dask failed: {type(error).__name__}: {error}")

    def stop(self) -> None:
        """Have the workers write checkpoints and end."""
        self.stopping = True
        path = _stop(self.call)
        with self.call.study.store.writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def close(self) -> None:
        """Leave the scheduler, which forgets what has not begun."""
        client, self.client, self.futures = self.client, None, {}
        if client is not None:
            with suppress(Exception):  # it may have gone
                client.close()


def _stop(call: Call) -> Path:
    return call.study.store.jobs() / call.id / "stop"


# --- on the cluster ---


def task(words: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """What dask runs: a process that watches one worker. Returns its exit code and the last line that it printed."""
    process = subprocess.Popen(
        [*child.PYTHON, "-m", __name__, *words], env=os.environ | child.environment() | dict(environment),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        encoding="utf-8", errors="replace",
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.read().strip().splitlines()
    return process.wait(), said[-1] if said else ""


def attend(arguments: Sequence[str]) -> int:
    """Look after one worker until nothing is left, the call is stopped, or the dask process that started this dies."""
    call_id, number, failures, *words = arguments
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        call = Call(call_id, Request.parse(words), int(failures) or None)
        threading.Thread(target=_heed, args=[_stop(call)], daemon=True).start()
        ending = local.watch(call, [int(number)], Progress(call), stops=(signal.SIGINT,))
    except KeyboardInterrupt:  # stopped before it began
        return STOPPED
    except UsageError as error:
        print(error)
        return GAVE_UP
    print("; ".join(ending.remarks))
    return STOPPED if ending.interrupted else GAVE_UP if ending.remarks else DONE


def _heed(stop: Path) -> None:
    """Stop as Ctrl-C does when the file is there, or standard input ends because the process at its other end did."""
    while not stop.exists() and not select.select([sys.stdin], [], [], POLL)[0]:
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(attend(sys.argv[1:]))
