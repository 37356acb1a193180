"""Workers on a Slurm cluster: one job array, submitted through submitit. Only this file and _slurm.py know it.

    .jobs/<call>/call.json      what was asked for, and the ids of the arrays that were submitted for it
    .jobs/<call>/<id>_<n>_*     submitit's: the task as a pickle, what it printed

Nothing here decides which runs are done: the store says that, and `squeue` says which tasks live. Slurm's accounting is
not needed. A task of the array watches one worker in the way that `local` watches several. So a worker's death counts
against its run as it does there, and a worker that must stop writes a checkpoint first.
"""

import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan.experiment import Experiment
from bn_study.plan.secrets import without_credentials
from bn_study.plan.types import Count, Natural, Positive
from bn_study.store.replacing import changing
from bn_study.store.store import Store
from bn_study.sweep import child
from bn_study.sweep.call import Call, Ending, interrupts
from bn_study.sweep.jobs import Job
from bn_study.sweep.launcher import local
from bn_study.sweep.launcher._slurm import Submission, answered, cancel, of, queued, states, submissions
from bn_study.sweep.progress import Progress
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status

NEEDS = {"submitit": "bn-study[slurm]"}
HERE = False
TIMEOUT = True
WORKERS = "array"
POLL = 0.25
"""Seconds between checks of the store."""
GONE = 5.0
"""A job counts as gone after this many seconds outside the queue, because a requeued job is briefly not listed."""
PREEMPTION = 5.0
"""Seconds in which the signal of a pre-emption follows the one that ends a job."""


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
        number = int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
        try:
            call = Call(self.call, Request.parse(self.words), self.max_failures)
            ending = local.watch(call, [number], Progress(call), stops=(signal.SIGINT,))
        except KeyboardInterrupt:  # told before it began
            if signal.SIGUSR2 in told:
                requeue(signal.SIGUSR2, None)
            return
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a signal that comes only now must not end what follows
        since = clock.monotonic()
        while told and signal.SIGUSR2 not in told and clock.monotonic() - since < PREEMPTION:
            clock.sleep(0.1)
        if signal.SIGUSR2 in told and left(call):
            requeue(signal.SIGUSR2, None)
        if ending.remarks:
            raise RuntimeError("; ".join(ending.remarks))

    def checkpoint(self) -> Any:
        """The worker has written its checkpoint when this is called, and finds it again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def left(call: Call) -> bool:
    """Whether this call still has runs to train."""
    plan = plan_status(call.experiment, call.study.store)
    failed = call.study.store.failures(call.id)
    return not call.too_many_failures() and any(run.spec.id not in failed for run in plan.missing)


def joined(call: Call) -> Call:
    """The call whose workers are in the queue for the same experiment already, else this one. Raises UsageError."""
    submitted = [job for job in of(call.experiment, call.study.store) if not job.canceled]
    waiting = {one.job for one in answered() if one.lives} if submitted else set()
    live = [job for job in submitted if waiting & set(job.ids)]
    return replace(call, id=live[-1].call) if live else call


def check(*, time: int, grace: int, **_: Any) -> None:
    """Raises UsageError for options that do not go together."""
    if grace >= 60 * time:
        raise UsageError(
            f"launcher.grace={grace}: should be less than the seconds of launcher.time, or no worker gets to work"
        )


def run(
    call: Call, progress: Progress, *, array: Count, parallel: Count | None, partition: str | None, account: str | None,
    time: Count, grace: Count, requeue: Natural, cpus: Count | None, gres: str, memory: Positive, poll: Positive,
    extra: dict[str, str | int | float | bool],
) -> Ending:  # fmt: skip
    """Submit, unless the call's job is in the queue already; watch it until nothing is left, or leave it.

    Ctrl-C leaves it, too. An array that is gone while runs are left is submitted again, unless somebody canceled it or
    the last one achieved nothing. conf/launcher/slurm.yaml explains the options, which `submit` takes from the call.
    Raises UsageError where there is no Slurm or it refuses the job.
    """
    store = call.study.store
    job = next((job for job in submissions(store) if job.call == call.id), None) or submit(call)
    goes_on = f"Slurm job {job.ids[-1]} goes on without this watch"
    if call.detach:
        return Ending(left=True, remarks=[goes_on])
    print(f"watching Slurm job {job.ids[-1]}; Ctrl-C leaves it at work", file=sys.stderr, flush=True)
    done, looked, missing = _done(call), clock.monotonic(), math.inf
    with progress, interrupts() as asked:
        while True:
            if asked.count:
                return Ending(interrupted=True, left=True, remarks=[goes_on])
            progress.update()
            clock.sleep(POLL)
            if clock.monotonic() - looked < poll:
                continue
            looked = clock.monotonic()
            queue = queued()
            # another terminal that watches the call may have submitted for it
            job = next((one for one in submissions(store) if one.call == job.call), job)
            if queue is None or any(one.job in job.ids and one.lives for one in queue):
                missing = math.inf
            else:
                missing = min(missing, looked)
            if looked - missing < GONE:
                continue
            assert queue is not None
            canceled = was_canceled({one.state for one in queue if one.job == job.ids[-1]})
            progress.update()
            if not left(call):
                return Ending()
            if job.canceled or canceled:
                return Ending(interrupted=True, remarks=[f"Slurm job {job.ids[-1]} was canceled"])
            before, done = done, _done(call)
            if done == before:
                return Ending(remarks=[f"Slurm job {job.ids[-1]} ended early; see what it printed in {job.folder}"])
            missing = math.inf
            with changing(job.folder / "call.json"):
                newest = next((one for one in submissions(store) if one.call == job.call), job)
                job = submit(call, job) if newest.ids == job.ids else newest


def _done(call: Call) -> int:
    return len(plan_status(call.experiment, call.study.store).done)


def was_canceled(states: set[str]) -> bool:
    """Whether somebody canceled an array whose tasks ended so, rather than its time, its partition or a node ending it.

    Tasks that ended by themselves before that are listed for some minutes, too.
    """
    return "CANCELLED" in states <= {"CANCELLED", "COMPLETED", "FAILED"}


def submit(call: Call, before: Submission | None = None) -> Submission:
    """Submit an array of workers for what is left of the call. Raises UsageError where Slurm refuses."""
    if not shutil.which("sbatch"):
        raise UsageError("launcher=slurm: there is no sbatch here; run it where jobs are submitted, or launcher=local")
    import submitit

    store, options = call.study.store, call.options
    folder = store.jobs() / call.id
    with store.writing():
        folder.mkdir(parents=True, exist_ok=True)
        job = before or Submission(folder, _about(call)).save()
    task = Task(call.id, call.request.words, call.max_failures, call.places)
    count = call.workers(plan_status(call.experiment, store).left)
    chosen = {name: options[name] for name in ("partition", "account") if options[name] is not None}
    gres = {"gres": options["gres"]} if call.settings.device == "gpu" else {}
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
            additional_parameters={"requeue": True} | gres | options["extra"],
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


def jobs(experiment: Experiment, store: Store) -> list[Job]:
    """The calls that were submitted for an experiment. Raises UsageError if the cluster does not answer."""
    submitted = of(experiment, store)
    queue = answered() if submitted else []
    return [
        Job(
            one.call, f"Slurm job {one.ids[-1]}", one.about["submitted"], states(one, queue), one.folder,
            partial(cancel, one),
        )
        for one in submitted
    ]  # fmt: skip
