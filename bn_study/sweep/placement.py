"""The GPUs of a call: whether its workers train on them, which worker on which, and how many share one."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

from bn_study.errors import UsageError
from bn_study.plan import device, parts
from bn_study.plan.experiment import Cell
from bn_study.plan.gpu import Gpu, seen
from bn_study.plan.spec import Part
from bn_study.sweep import child
from bn_study.sweep.request import Request

PROBE = "import tensorflow; raise SystemExit(not tensorflow.config.list_logical_devices('GPU'))"
UNUSABLE = f"TensorFlow cannot use it; {device.EXTRA}"


def here(request: Request) -> bool:
    """Whether the workers are on this machine, whose GPUs can be seen."""
    return parts.declared("launcher", request.settings.launcher.name, "HERE")


def gpus(request: Request) -> tuple[Gpu, ...]:
    """The GPUs that this machine's workers of a call train on; none: they train on the CPU.

    `auto` takes GPUs if there are any and every network of the plan is convolutional or wide. One device trains all
    runs of a call, so that no comparison has its arms on different ones. Raises UsageError if device=gpu finds none,
    and for `auto` where the workers are elsewhere.
    """
    settings = request.settings
    if settings.device == "auto" and not here(request):
        raise UsageError(
            f"device=auto: the GPUs of launcher={settings.launcher.name} cannot be seen from here; "
            "give device=gpu or device=cpu"
        )
    cells = [cell for grid in request.experiment.grids.values() for cell in grid.cells]
    fits = settings.device == "gpu" or all(device.suits_gpu(_model(cell), settings.wide) for cell in cells)
    if settings.device == "cpu" or not fits:
        return ()
    found = seen()
    if settings.device == "gpu" and not found.gpus:
        raise UsageError(f"device=gpu: no NVIDIA GPU is seen here ({found.reason}); with one, {device.EXTRA}")
    return found.gpus


def _model(cell: Cell) -> Part:
    if cell.spec is not None:
        return cell.spec.model
    options = dict(cell.config["model"])
    return Part(options.pop("name"), options)


def settled(request: Request) -> Request:
    """The request with device cpu or gpu, after TensorFlow was asked, in a process of its own, whether it can use them.

    Where it cannot, `auto` is the CPU, with a warning. Raises UsageError where device=gpu is not possible.
    """
    if not here(request) and request.settings.device != "auto":
        return request  # its workers find out
    found = gpus(request)
    if found and not usable(found[0]):
        if request.settings.device == "gpu":
            raise UsageError(f"device=gpu: {found[0]} is here, but {UNUSABLE}")
        print(f"warning: device=auto: {found[0]} is here, but {UNUSABLE}; the CPU trains", file=sys.stderr)
        found = ()
    return replace(request, settings=replace(request.settings, device="gpu" if found else "cpu"))


@cache
def usable(gpu: Gpu) -> bool:
    """Whether TensorFlow can use a GPU. Asking takes the seconds of its import."""
    answer = subprocess.run(
        [*child.PYTHON, "-c", PROBE], env=device.environment(os.environ, gpu) | child.environment(), capture_output=True
    )
    return answer.returncode == 0


def per_gpu(request: Request, found: tuple[Gpu, ...], cores: int) -> int:
    """How many workers share a GPU. By default as many as its memory holds, but no more than there are cores for.

    cores: sets of `threads` cores of this machine. A launcher without the option has one worker for each GPU.
    """
    options = request.settings.launcher.args
    if "per_gpu" not in options:
        return 1
    if options["per_gpu"] is not None:
        return options["per_gpu"]
    held = min(gpu.memory for gpu in found) / (options["gpu_memory"] * 2**30)
    return max(min(int(held), cores // len(found)), 1)
