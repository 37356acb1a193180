"""Plan -> workers -> summary."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.experiment import PlannedRun
from bn_study.plan.spec import RunSpec
from bn_study.store import checkpoint
from bn_study.store.store import Failure, Store
from bn_study.store.stored_run import DamagedRun
from bn_study.sweep import mirroring
from bn_study.sweep.call import Call
from bn_study.sweep.jobs import detaching
from bn_study.sweep.progress import Progress
from bn_study.sweep.request import Request
from bn_study.sweep.status import PlanStatus, plan_status
from bn_study.training import batches


def check_data(specs: Iterable[RunSpec]) -> list[str]:
    """Load every data set of these runs once, so that nothing starts on data that are missing or wrong.

    Returns warnings. Raises UsageError for data that cannot be used, and for batches that cannot be made of them.
    """
    warnings: list[str] = []
    known: dict[str, batches.Contents] = {}
    for spec in specs:
        dataset = spec.dataset
        key = repr(dataset)
        if key not in known:
            data = parts.call("dataset", dataset)
            known[key] = batches.contents(data)
            warnings += [one for one in data.warnings if one not in warnings]
        batches.check(spec, known[key])
    return warnings


def set_damaged_aside(runs: Sequence[PlannedRun], store: Store) -> list[str]:
    """Set damaged runs and checkpoints aside, to be trained again. Returns one line for each.

    Tables are not read for it: see `StoredRun.glance`.
    """
    lines = []
    for run in runs:
        if store.done(run.spec.id):
            try:
                store.read(run.spec.id).glance(run.spec)
            except DamagedRun as error:
                lines.append(f"{error}; {store.set_aside(run.spec.id)}")
    for path in store.checkpoints():
        try:
            checkpoint.load(path, None)
        except checkpoint.Unusable as error:
            lines.append(f"{error}; {store.set_checkpoint_aside(path.stem)} and its run starts from the beginning")
        except OSError:
            pass  # its run was published meanwhile, or it cannot be read here and now: whoever takes the run will tell
    return lines


@dataclass
class Outcome:
    """How a call of `run` ended. remarks: a line for each worker that did not end by itself.

    left: whether workers are still at work for it on a cluster.
    """

    status: PlanStatus
    interrupted: bool = False
    left: bool = False
    failed: dict[str, Failure] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        if self.interrupted:
            return 3
        if self.left:
            return 0
        if self.failed and all(one.usage for one in self.failed.values()) and not self.status.done:
            return 2
        return 1 if self.failed or self.status.missing or self.status.waiting else 0


def check_detach(launcher: str, detach: bool) -> None:
    """Raises UsageError if workers of this launcher cannot be left to themselves, but are to be."""
    if detach and launcher not in detaching():
        raise UsageError(f"--detach: only launcher={' or '.join(detaching())} has workers that go on by themselves")


def run(request: Request, max_failures: int | None = None, detach: bool = False) -> Outcome:
    """Train what is missing. Raises CannotWrite where the results cannot be written.

    max_failures: how many runs may fail before the call ends; None for any number. detach: leave the workers
    where they go on by themselves.
    """
    study, experiment, settings = request.study, request.experiment, request.settings
    launcher = settings.launcher.name
    check_detach(launcher, detach)
    todo = plan_status(experiment, study.store)
    if not todo.missing and not todo.waiting:
        return Outcome(todo)
    call = Call(uuid.uuid4().hex[:12], request, max_failures, detach)
    with mirroring.following(call) as remarks:
        if launcher in detaching():
            call = parts.find("launcher", launcher).joined(call)
        ending = parts.call("launcher", settings.launcher, call, Progress(call))
    if ending.left and settings.mirror is not None:
        remarks.append(f"nobody mirrors what goes on now; `bn-study export {settings.mirror.name}` does it later")
    final = plan_status(experiment, study.store)
    missing = {run.spec.id for run in final.missing}
    failures = {key: one for key, one in study.store.failures(call.id).items() if key in missing}
    return Outcome(final, ending.interrupted, ending.left, failures, [*ending.remarks, *remarks])
