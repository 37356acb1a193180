"""What a served page shows while a sweep runs: its page, its data and its progress, from the store as it is now.

Nothing is written to the results. What takes long is made once for each set of published runs, which `version` names.
"""

import hashlib
import json
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bn_study.errors import UsageError
from bn_study.report import evidence
from bn_study.report.web import pages, write
from bn_study.store.lease import Holder
from bn_study.sweep import cost
from bn_study.sweep.call import Call
from bn_study.sweep.progress import Figures, Progress
from bn_study.sweep.request import Request

Made = TypeVar("Made")


class Live:
    """The contents of a served experiment. Several threads may ask at once."""

    def __init__(self, request: Request) -> None:
        self.request, self.store = request, request.study.store
        self.progress = Progress(Call("serve", request))
        self._watching, self._making = threading.Lock(), threading.RLock()
        self._made: dict[str, tuple[str, Any]] = {}

    def page(self) -> bytes:
        """The experiment's page, or one that waits for the first run."""
        with self._making:
            return self._of_version("page", self._page)

    def data(self) -> bytes:
        """The page's data as JSON. Raises UsageError if there is no run yet or one cannot be read."""
        with self._making:
            return self._of_version("data", self._data)

    def status(self) -> bytes:
        """The progress as JSON: see `_status`."""
        with self._watching:
            return _json(self._status())

    def _of_version(self, name: str, make: Callable[[str], Made]) -> Made:
        version = self._version()
        if self._made.get(name, ("", None))[0] != version:
            self._made[name] = version, make(version)
        return self._made[name][1]

    def _version(self) -> str:
        """Names the set of the experiment's published runs."""
        planned = {run.spec.id for run in self.progress.plan.runs}
        return hashlib.sha256(" ".join(sorted(planned.intersection(self.store.ids()))).encode()).hexdigest()[:12]

    def _page(self, version: str) -> bytes:
        study, experiment = self.request.study, self.request.experiment
        try:
            with tempfile.TemporaryDirectory() as folder:
                report = evidence.drawn(study, experiment, Path(folder))
                text = write.page(study, experiment, report, above=None, live=version)
        except UsageError as error:  # no run yet, or one that is damaged
            text = pages.waiting(experiment, str(error), version)
        return text.encode()

    def _data(self, _: str) -> bytes:
        study, experiment = self.request.study, self.request.experiment
        return _json(write.data(study, experiment, evidence.judge(study, experiment)))

    def _status(self) -> dict[str, Any]:
        """version: changes when a run is published. words: the rest as a sentence. workers: who trains what.

        Counts of runs: done, diverged among them, in training, not begun, failed and not begun again. waiting: cells
        that wait for tuning. price: what is left costs, in words. published: the ids of the runs that are done.
        """
        version, holders = self._version(), self.progress.leases.holders()
        found = self.progress.figures(time.monotonic(), holders)
        plan = self.progress.plan
        steps = {run.spec.id: run.spec.steps for run in plan.runs}
        busy = [one for one in holders if one.run in steps]
        failed = len(
            self.store.failed_runs() & (steps.keys() - self.progress.statuses.keys() - {one.run for one in busy})
        )
        begun = found.done + len(busy) + failed
        return {
            "experiment": self.request.experiment.name,
            "version": version,
            "words": self._words(found, busy, failed),
            "runs": found.runs,
            "done": found.done,
            "diverged": found.diverged,
            "running": len(busy),
            "not_begun": max(found.runs - begun, 0),
            "failed": failed,
            "waiting": found.waiting,
            "left": found.left,
            "workers": [
                {"host": one.host, "pid": one.pid, "run": one.run, "step": one.step, "steps": steps[one.run]}
                for one in busy
            ],
            "price": self._of_version("price", lambda _: [*cost.told(self.progress.call, plan, calibrate=False)]),
            "published": sorted(self.progress.statuses),
        }

    def _words(self, found: Figures, busy: Sequence[Holder], failed: int) -> str:
        """`5 of 12 runs done, 2 in training, 5 not begun; 3m 10s left.`"""
        counts = [
            (len(busy), "in training"),
            (found.runs - found.done - len(busy) - failed, "not begun"),
            (found.waiting, "waiting for tuning"),
            (failed, "failed"),
            (found.diverged, "diverged (a result, not a failure)"),
        ]
        words = [f"{found.done} of {found.runs} runs done", *(f"{count} {what}" for count, what in counts if count > 0)]
        over = found.done == found.runs and not found.waiting
        end = found.left if busy or over else f"no worker is at it: {self.request.command('run')} starts them"
        return f"{', '.join(words)}; {end}."


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()
