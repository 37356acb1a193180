"""What was submitted to Slurm and what its queue says: `squeue` and `scancel`, and call.json in .jobs/<call>/."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan.experiment import Experiment
from bn_study.store.replacing import write_text
from bn_study.store.store import Store

_ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT"),
)


@dataclass(frozen=True)
class Submission:
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
    def canceled(self) -> bool:
        return (self.folder / "canceled").exists()

    def save(self, **changes: Any) -> "Submission":
        about = dict(self.about) | changes
        write_text(self.folder / "call.json", json.dumps(about, indent=1) + "\n")
        return replace(self, about=about)


def submissions(store: Store) -> list[Submission]:
    """All calls that were submitted from here, the oldest first."""
    found = []
    for path in store.jobs().glob("*/call.json"):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            if about["ids"] and {"experiment", "hash", "request", "submitted", "workers"} <= set(about):
                found.append(Submission(path.parent, about))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # the submission failed
    return sorted(found, key=lambda job: (job.about["submitted"], job.call))


def of(experiment: Experiment, store: Store) -> list[Submission]:
    """The calls that were submitted for an experiment as it is composed now."""
    return [job for job in submissions(store) if job.about["hash"] == experiment.digest]


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


def states(job: Submission, queue: Sequence[Queued]) -> str:
    """`2 running, 6 pending (Resources)`, or "" for a job of which nothing runs or waits any more."""
    counts: dict[str, int] = {}
    for one in queue:
        if one.job in job.ids and one.lives:
            words = one.state.lower().replace("_", " ")
            words += f" ({one.reason})" if one.state == "PENDING" and one.reason != "None" else ""
            counts[words] = counts.get(words, 0) + 1
    return ", ".join(f"{count} {words}" for words, count in sorted(counts.items(), reverse=True))


def cancel(job: Submission) -> None:
    """Have Slurm stop the workers, which write a checkpoint. Nobody submits the job again. Raises UsageError."""
    (job.folder / "canceled").touch()
    for one in job.ids:
        if _ask(["scancel", "--quiet", one]) is None:
            raise UsageError(f"scancel {one} failed; try again, or ask the administrators")


def _ask(command: Sequence[str]) -> str | None:
    try:
        answer = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
