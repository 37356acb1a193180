"""Workers on a Slurm cluster: one job array, submitted through submitit. The only module that knows either.

    .jobs/<call>/call.json      what was asked for, and the ids of the arrays that were submitted for it
    .jobs/<call>/<id>_<n>_*     submitit's: the task as a pickle, what it printed

Nothing here decides what is done: the store says that, and `squeue` says who lives. Slurm's accounting is not needed.
A task of the array looks after one worker as `local` looks after several. So a worker that dies costs its run no more
than there, and one that is told to stop writes a checkpoint first.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import submitit

from bn_study.errors import UsageError
from bn_study.plan.experiment import Experiment
from bn_study.plan.secrets import without_credentials
from bn_study.store.store import Store
from bn_study.sweep import child
from bn_study.sweep.call import Call, Ending, interrupts
from bn_study.sweep.launcher import local
from bn_study.sweep.progress import Progress
from bn_study.sweep.request import Request
from bn_study.sweep.status import agenda

POLL = 0.25
"""Seconds between looks at the store."""
GONE = 5.0
"""Seconds for which a job is not alive before it counts as gone: on its way back into the queue it seems to be dead."""
PREEMPTION = 5.0
"""Seconds in which the signal of a pre-emption follows the one that ends a job."""
_ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT"),
)
_PLACES = ("BN_STUDY_HOME", "BN_STUDY_RESULTS", "BN_STUDY_DATA")


@dataclass(frozen=True)
class Job:
    """A call that was submitted. ids: of its arrays, the newest last. about: the content of call.json."""

    folder: Path
    about: Mapping[str, Any]

    @property
    def call(self) -> str:
        return self.folder.name

    @property
    def ids(self) -> list[str]:
        return self.about["ids"]

    @property
    def cancelled(self) -> bool:
        return (self.folder / "cancelled").exists()

    def save(self, **changes: Any) -> "Job":
        about = dict(self.about) | changes
        beside = self.folder / ".call.json"
        beside.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        os.replace(beside, self.folder / "call.json")
        return replace(self, about=about)


@dataclass(frozen=True)
class Task:
    """What a task of the array runs; pickled by submitit, which calls `checkpoint` to have it queued again."""

    call: str
    words: tuple[str, ...]
    max_failures: int | None
    environment: Mapping[str, str]

    def __call__(self) -> None:
        """Look after one worker until nothing is left. Told to stop for the time limit or for others: queue again."""
        requeue = signal.getsignal(signal.SIGUSR2)  # submitit's, which raises SystemExit
        assert callable(requeue)
        told: list[int] = []

        def stop(number: int, _: object) -> None:
            told.append(number)
            if len(told) == 1:  # Slurm says it twice, which to `local` means at once
                os.kill(os.getpid(), signal.SIGINT)

        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in (signal.SIGTERM, signal.SIGUSR2):
            signal.signal(one, stop)
        os.environ.update(self.environment)
        call = Call(self.call, Request.parse(self.words), self.max_failures)
        number = int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
        ending = local.run(call, [number], Progress(call), stops=(signal.SIGINT,))
        since = time.monotonic()
        while told and signal.SIGUSR2 not in told and time.monotonic() - since < PREEMPTION:
            time.sleep(0.1)
        if signal.SIGUSR2 in told and left(call):
            requeue(signal.SIGUSR2, None)
        if ending.remarks:
            raise RuntimeError("; ".join(ending.remarks))

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """The worker has written its checkpoint when this is called, and finds it again."""
        return submitit.helpers.DelayedSubmission(self)


def left(call: Call) -> bool:
    """Whether there is anything that this call would still train."""
    plan = agenda(call.experiment, call.study.store)
    failed = call.study.store.failures(call.id)
    return not call.too_many_failures() and any(run.spec.id not in failed for run in plan.missing)


def joined(call: Call) -> Call:
    """The call whose workers are in the queue for the same experiment already, else this one. Raises UsageError."""
    submitted = [job for job in of(call.experiment, call.study.store) if not job.cancelled]
    waiting = {one.job for one in answered() if one.lives} if submitted else set()
    live = [job for job in submitted if waiting & set(job.ids)]
    return replace(call, id=live[-1].call) if live else call


def run(call: Call, progress: Progress, detach: bool) -> Ending:
    """Submit, unless the call's job is in the queue already; watch it until nothing is left, or leave it.

    Ctrl-C leaves it, too. An array that is gone while runs are left is submitted anew, unless somebody cancelled it or
    the last one achieved nothing. Raises UsageError where there is no Slurm or it refuses the job.
    """
    store = call.study.store
    job = next((job for job in jobs(store) if job.call == call.id), None) or submit(call)
    goes_on = f"Slurm job {job.ids[-1]} goes on without this watch"
    if detach:
        return Ending(left=True, remarks=[goes_on])
    print(f"watching Slurm job {job.ids[-1]}; Ctrl-C leaves it at work", file=sys.stderr, flush=True)
    done, looked, seen = len(store.ids()), time.monotonic(), time.monotonic()
    with progress, interrupts() as asked:
        while True:
            if asked.count:
                return Ending(interrupted=True, left=True, remarks=[goes_on])
            progress.update()
            time.sleep(POLL)
            if time.monotonic() - looked < call.options["poll"]:
                continue
            looked = time.monotonic()
            queue = queued()
            if queue is None or any(one.job in job.ids and one.lives for one in queue):
                seen = looked
            if looked - seen < GONE:
                continue
            assert queue is not None
            cancelled = {one.state for one in queue if one.job == job.ids[-1]} == {"CANCELLED"}
            progress.update()
            if not left(call):
                return Ending()
            if job.cancelled or cancelled:
                return Ending(interrupted=True, remarks=[f"Slurm job {job.ids[-1]} was cancelled"])
            if len(store.ids()) == done:
                return Ending(remarks=[f"Slurm job {job.ids[-1]} ended early; see what it printed in {job.folder}"])
            done = len(store.ids())
            job, seen = submit(call, job), time.monotonic()


def submit(call: Call, before: Job | None = None) -> Job:
    """Submit an array of workers for what is left of the call. Raises UsageError where Slurm refuses."""
    if not shutil.which("sbatch"):
        raise UsageError("launcher=slurm: there is no sbatch here; run it where jobs are submitted, or launcher=local")
    store, options = call.study.store, call.options
    folder = store.jobs() / call.id
    with store.writing():
        folder.mkdir(parents=True, exist_ok=True)
        job = before or Job(folder, _about(call)).save()
    environment = {name: os.environ[name] for name in _PLACES if name in os.environ} | {
        "BN_STUDY_HOME": str(call.study.home), "BN_STUDY_RESULTS": str(call.study.results)
    }  # fmt: skip
    task = Task(call.id, call.request.words, call.max_failures, environment)
    count = call.workers(len(agenda(call.experiment, store).missing))
    chosen = {name: options[name] for name in ("partition", "account") if options[name] is not None}
    try:
        executor = submitit.SlurmExecutor(folder, max_num_timeout=options["requeue"], python=shlex.join(child.PYTHON))
        executor.update_parameters(
            job_name=f"bn-study-{call.experiment.name}",
            time=options["time"],
            signal_delay_s=options["grace"],
            cpus_per_task=options["cpus"] or call.threads,
            mem=f"{round(options['memory'] * 1024)}M",
            array_parallelism=options["parallel"] or count,
            stderr_to_stdout=True,
            setup=[f"export {name}={shlex.quote(value)}" for name, value in child.environment().items()],
            additional_parameters={"requeue": True} | options["extra"],
            **chosen,
        )
        with executor.batch():
            tasks = [executor.submit(task) for _ in range(count)]
    except (RuntimeError, OSError, subprocess.SubprocessError, submitit.core.utils.FailedJobError) as error:
        said = [line for line in str(error).splitlines() if "error" in line.lower()] or str(error).splitlines()
        raise UsageError(f"launcher=slurm: Slurm does not take the job: {said[-1] if said else error}") from error
    return job.save(ids=[*job.ids, tasks[0].job_id.partition("_")[0]], workers=count)


def _about(call: Call) -> dict[str, Any]:
    return {
        "experiment": call.experiment.name,
        "hash": call.experiment.digest,
        "request": [without_credentials(word) for word in call.request.words],
        "submitted": datetime.now(UTC).isoformat(timespec="seconds"),
        "workers": 0,
        "ids": [],
    }


def jobs(store: Store) -> list[Job]:
    """All calls that were submitted from here, the oldest first."""
    found = []
    for path in store.jobs().glob("*/call.json"):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            if about["ids"] and {"experiment", "hash", "request", "submitted", "workers"} <= set(about):
                found.append(Job(path.parent, about))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a submission that did not come about
    return sorted(found, key=lambda job: (job.about["submitted"], job.call))


def of(experiment: Experiment, store: Store) -> list[Job]:
    """The calls that were submitted for an experiment as it is composed now."""
    return [job for job in jobs(store) if job.about["hash"] == experiment.digest]


@dataclass(frozen=True)
class Queued:
    """A task that Slurm knows of: it remembers one that ended for some minutes.

    job: the id of its array. state: Slurm's word. reason: why it waits.
    """

    job: str
    state: str
    reason: str

    @property
    def lives(self) -> bool:
        return self.state not in _ENDED


def queued() -> list[Queued] | None:
    """This user's tasks; None if the cluster does not answer. Raises UsageError where Slurm is not."""
    if not shutil.which("squeue"):
        raise UsageError("there is no squeue here; ask where the jobs were submitted")
    command = ["squeue", "--noheader", "--array", "--states=all", f"--user={os.getuid()}", "--format=%F|%T|%r"]
    answer = _ask(command)
    if answer is None:
        return None
    return [Queued(*line.split("|", 2)) for line in answer.splitlines() if line.count("|") == 2]


def answered() -> list[Queued]:
    """This user's tasks. Raises UsageError if the cluster does not answer."""
    queue = queued()
    if queue is None:
        raise UsageError("the cluster does not answer (squeue); try again")
    return queue


def states(job: Job, queue: Sequence[Queued]) -> str:
    """`2 running, 6 pending (Resources)`, or "" for a job of which nothing runs or waits any more."""
    counts: dict[str, int] = {}
    for one in queue:
        if one.job in job.ids and one.lives:
            words = one.state.lower().replace("_", " ")
            words += f" ({one.reason})" if one.state == "PENDING" and one.reason != "None" else ""
            counts[words] = counts.get(words, 0) + 1
    return ", ".join(f"{count} {words}" for words, count in sorted(counts.items(), reverse=True))


def cancel(job: Job) -> None:
    """Have Slurm stop the workers, which write a checkpoint. Nobody submits the job again. Raises UsageError."""
    (job.folder / "cancelled").touch()
    for one in job.ids:
        if _ask(["scancel", "--quiet", one]) is None:
            raise UsageError(f"scancel {one} failed; try again, or ask the cluster's people")


def _ask(command: Sequence[str]) -> str | None:
    try:
        answer = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
