"""One call of `bn-study run`: what all launchers are given, and how they answer."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bn_study.plan import numerics
from bn_study.plan.call_settings import CallSettings
from bn_study.plan.experiment import Experiment
from bn_study.study import Study
from bn_study.sweep.request import Request


@dataclass(frozen=True)
class Call:
    """id: names the call in leases and failures. max_failures: how many runs may fail before it ends, None for any."""

    id: str
    request: Request
    max_failures: int | None = None

    @property
    def study(self) -> Study:
        return self.request.study

    @property
    def experiment(self) -> Experiment:
        return self.request.experiment

    @property
    def settings(self) -> CallSettings:
        return self.request.settings

    @property
    def threads(self) -> int:
        """Cores of a worker."""
        return self.settings.threads

    def workers(self, runs: int) -> int:
        """How many are to share so many runs."""
        usual = self.options.get("array") or cores() // self.threads or 1
        return min(self.settings.workers or usual, runs or 1)

    @property
    def options(self) -> Mapping[str, Any]:
        """Of its launcher."""
        return self.settings.launcher.args

    @property
    def timeout(self) -> float | None:
        """Seconds that a run may take, None for as long as it likes."""
        return self.settings.timeout

    @property
    def environment(self) -> dict[str, str]:
        """A worker's, whole: what is in it has to be there before TensorFlow and Keras are imported."""
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        own = dict.fromkeys(names, str(self.threads)) | {
            "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow",
            "BN_STUDY_HOME": str(self.study.home), "BN_STUDY_RESULTS": str(self.study.results),
        }  # fmt: skip
        return numerics.environment(os.environ, self.settings.numerics) | own

    def too_many_failures(self) -> bool:
        return self.max_failures is not None and len(self.study.store.failures(self.id)) >= self.max_failures


@dataclass
class Ending:
    """How a launcher's work ended. remarks: lines on workers that did not end by themselves, and the like.

    left: whether workers are still at work somewhere.
    """

    interrupted: bool = False
    left: bool = False
    remarks: list[str] = field(default_factory=list)


class Interrupts:
    """How often this process was asked to stop, by Ctrl-C, SIGTERM or a terminal that went away."""

    def __init__(self, raising: bool) -> None:
        self.count = 0
        self.raising = raising

    def _add(self, *_: object) -> None:
        self.count += 1
        if self.raising and self.count > 1:
            raise KeyboardInterrupt


STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupts(signals: Sequence[signal.Signals] = STOPS, raising: bool = False) -> Iterator[Interrupts]:
    """Count requests to stop instead of obeying them; what `nohup` or a shell has switched off stays so.

    raising: whether all but the first one raise KeyboardInterrupt wherever this process is.
    """
    counted = Interrupts(raising)
    before = {one: signal.getsignal(one) for one in signals}
    for one, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(one, counted._add)
    try:
        yield counted
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))
