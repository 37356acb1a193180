"""A follower: exports the runs of a call to a mirror while they are trained.

It only reads the store; a damaged run that it meets is not exported, and named at the end.

    python -m bn_study.sweep.follower SINCE [EXPERIMENT] [OVERRIDE ...]

Each run is exported when it is published, and a long run also at every checkpoint. What was written before SINCE, a
time by the clock of the results' disk, is not exported. When the sweep is over or the parent process is gone, standard
input ends; the follower then exports what is left and exits. An alarm ends it if its mirror hangs. An error ends only
the follower: the error is its last line, and its exit code is 1.
"""

import math
import os
import signal
import sys
import threading
from pathlib import Path

from bn_study.analysis.mirror import _run
from bn_study.analysis.mirror._sweep import Sweep
from bn_study.plan import parts
from bn_study.plan.experiment import PlannedRun
from bn_study.store import checkpoint
from bn_study.store.store import Store
from bn_study.store.stored_run import CannotRead, DamagedRun
from bn_study.sweep import child
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status

POLL = 2.0
"""Seconds between checks of the store."""
NICE = 10
"""The follower gives way to workers."""


def main(arguments: list[str]) -> int:
    """Follow until standard input ends."""
    os.nice(NICE)
    since, request = float(arguments[0]), Request.parse(arguments[1:])
    study, experiment, mirror = request.study, request.experiment, request.settings.mirror
    assert mirror is not None, "nobody starts a follower without a mirror"
    over = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        over.set()
        # the parent ends this process after mirror_wait; after twice that time the parent must be gone
        signal.alarm(math.ceil(2 * request.settings.mirror_wait))

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    sweep = Sweep.of(experiment)
    folder = study.results / "mirror" / mirror.name
    exported: dict[str, float] = {}
    last = False
    plan = plan_status(experiment, study.store)
    while True:
        if plan.has_more(study.store):
            plan = plan_status(experiment, study.store)
        for run in plan.runs:
            news = _news(run, study.store, since, exported, sweep)
            if news is not None:
                parts.call("mirror", mirror, news, folder)
        if last:
            done = filter(study.store.done, [run.spec.id for run in plan.runs])
            unread = [run_id for run_id in done if exported.get(run_id) != math.inf]
            print(*(f"{run_id} cannot be read" for run_id in unread), sep="\n", file=sys.stderr)
            return 1 if unread else 0
        last = over.wait(POLL)


def _news(
    run: PlannedRun, store: Store, since: float, exported: dict[str, float], sweep: Sweep
) -> _run.Run | None:  # fmt: skip
    """The run, if part of it is not exported yet. Updates `exported`: the checkpoint's time, infinity if published."""
    run_id = run.spec.id
    if exported.get(run_id) == math.inf:
        return None
    try:
        if store.done(run_id):
            stored = store.read(run_id)
            news = _run.of(stored, sweep) if _written(stored.folder / "provenance.json") >= since else None
            exported[run_id] = math.inf
            return news
        path = store.checkpoint(run_id)
        written = _written(path)
        if written < since or written == exported.get(run_id):
            return None
        exported[run_id] = written
        state = checkpoint.load(path, run.spec).state
    except (OSError, checkpoint.Unusable, DamagedRun, CannotRead):
        return None  # gone or incomplete; `run` handles damaged runs
    return None if state is None else _run.under_way(run.spec, state, sweep)


def _written(path: Path) -> float:
    return path.stat().st_mtime


if __name__ == "__main__":
    child.run(main)
