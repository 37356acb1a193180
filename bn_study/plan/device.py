"""The device that trains the runs of a call: the cores of the CPU (`cpu`), NVIDIA GPUs (`gpu`), or as fits (`auto`).

`cpu` is the default, because on a GPU sums have another order: evidence must not move with the machine it is made on.
For the same reason runs on a GPU have native numerics. What makes them repeatable on the same kind of GPU is set in the
environment of their worker, since CUDA and TensorFlow read it when they start; training/gpu.py does the rest.
"""

import os
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any, Literal, get_args

from bn_study.plan import parts
from bn_study.plan.gpu import VISIBLE, Gpu, seen
from bn_study.plan.spec import Part

Device = Literal["cpu", "gpu", "auto"]
CHOICES: tuple[Device, ...] = get_args(Device)
CPU = "cpu"
"""The name of the device of a run that no GPU trained."""
EXTRA = "pip install 'bn-study[gpu]' installs CUDA's libraries (tensorflow[and-cuda])"

VARIABLE = "BN_STUDY_DEVICE"
TF32 = "NVIDIA_TF32_OVERRIDE"
GPU = {
    VARIABLE: "gpu",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # several workers share a GPU
    "TF_DETERMINISTIC_OPS": "1",
    "TF_CUDNN_USE_AUTOTUNE": "0",  # or the fastest algorithm is measured, and each process may find another one
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
"""What a worker's environment has for a GPU, replacing earlier values. Set TF32 to 1 yourself to allow TF32."""


def environment(base: Mapping[str, str], gpu: Gpu | None) -> dict[str, str]:
    """The environment of a worker for this GPU, or for the CPU, made from the environment `base` of its parent."""
    own = {name: value for name, value in base.items() if base.get(VARIABLE) != "gpu" or GPU.get(name) != value}
    if gpu is None:
        return own | {VISIBLE: "-1"}
    return {TF32: "0"} | own | GPU | {VISIBLE: gpu.uuid}


def on_gpu() -> bool:
    """Whether this process is to train on a GPU, by its environment."""
    return os.environ.get(VARIABLE) == "gpu"


def in_force() -> dict[str, Any]:
    """What provenance records of the device of this process: its name; of a GPU also what may decide bits or speed."""
    gpus = seen().gpus if on_gpu() else ()
    if not gpus:
        return {"name": CPU}
    return {
        "name": gpus[0].name,
        "compute_capability": gpus[0].compute_capability,
        "driver": gpus[0].driver,
        "memory": gpus[0].memory,
        "libraries": {
            one.name: one.version for one in metadata.distributions() if (one.name or "").startswith("nvidia-")
        },
        "tf32": os.environ.get(TF32) != "0",
        "deterministic": os.environ.get("TF_DETERMINISTIC_OPS") == "1",
    }


def suits_gpu(model: Part, wide: int) -> bool:
    """The rule of `auto`: a GPU pays for a network that convolves, or that has a layer of `wide` units."""
    convolves = parts.declared("model", model.name, "CONVOLUTIONAL")
    return convolves or any(units >= wide for option in model.args.values() for units in _counts(option))


def _counts(option: Any) -> Iterator[int]:
    """The whole numbers in an option that is a list, such as the widths of layers."""
    for one in option if isinstance(option, list) else ():
        if isinstance(one, list):
            yield from _counts(one)
        elif isinstance(one, int):
            yield one
