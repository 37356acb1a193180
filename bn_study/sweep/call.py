"""One call of `bn-study run`: what every launcher receives and returns."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan import device, numerics, parts
from bn_study.plan.call_settings import CallSettings
from bn_study.plan.experiment import Experiment
from bn_study.plan.gpu import Gpu
from bn_study.study import Study
from bn_study.sweep import placement
from bn_study.sweep.request import Request


@dataclass(frozen=True)
class Call:
    """id: names the call in leases and failures. max_failures: it ends when this many runs failed; None: no limit.

    detach: whether workers on a cluster go on without being watched.
    """

    id: str
    request: Request
    max_failures: int | None = None
    detach: bool = False

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
        """Cores per worker."""
        return self.settings.threads

    def workers(self, runs: int) -> int:
        """The number of workers for this number of runs."""
        option = parts.declared("launcher", self.settings.launcher.name, "WORKERS")
        usual = self.options[option] if option else len(self.gpus) * self.per_gpu or cores() // self.threads or 1
        return min(self.settings.workers or usual, runs or 1)

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs of this machine that its workers train on; none: they train on the CPU. Raises UsageError."""
        return placement.gpus(self.request)

    @property
    def per_gpu(self) -> int:
        """How many workers share a GPU."""
        return placement.per_gpu(self.request, self.gpus, cores() // self.threads) if self.gpus else 0

    @property
    def device(self) -> str:
        """The name of the device that trains, as provenance has it; `gpu` where no GPU is seen, as from afar."""
        try:
            return self.gpus[0].name if self.gpus else device.CPU
        except UsageError:
            return self.settings.device

    @property
    def options(self) -> Mapping[str, Any]:
        """The launcher's options."""
        return self.settings.launcher.args

    @property
    def timeout(self) -> float | None:
        """Seconds that a run may take; None for no limit."""
        return self.settings.timeout

    @property
    def places(self) -> dict[str, str]:
        """The environment variables by which a worker, here or elsewhere, finds the study, its results and the data."""
        data = {name: value for name, value in os.environ.items() if name == "BN_STUDY_DATA"}
        return data | {"BN_STUDY_HOME": str(self.study.home), "BN_STUDY_RESULTS": str(self.study.results)}

    def environment(self, number: int) -> dict[str, str]:
        """The complete environment of worker `number`. TensorFlow and Keras read it when they are imported.

        Portable numerics are a promise about CPUs: on a GPU they are native.
        """
        names = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        own = dict.fromkeys(names, str(self.threads)) | {
            "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", **self.places,
        }  # fmt: skip
        gpu = self.gpus[number // self.per_gpu % len(self.gpus)] if self.gpus else None
        chosen = numerics.environment(os.environ, "native" if gpu else self.settings.numerics)
        return device.environment(chosen, gpu) | own

    def too_many_failures(self) -> bool:
        return self.max_failures is not None and len(self.study.store.failures(self.id)) >= self.max_failures


@dataclass
class Ending:
    """How a launcher's work ended. left: whether workers still run. remarks: lines, such as about workers that died."""

    interrupted: bool = False
    left: bool = False
    remarks: list[str] = field(default_factory=list)


class Interrupts:
    """Counts how often this process was asked to stop: by Ctrl-C, SIGTERM or a closed terminal."""

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
    """Count requests to stop instead of obeying them. Signals that `nohup` or a shell ignores stay ignored.

    raising: whether every request after the first raises KeyboardInterrupt.
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
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))
