"""The circumstances in which a run was trained. They are not part of its identity."""

import base64
import hashlib
import os
import platform
import resource
import shlex
import time
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from bn_study.plan import device, git, numerics
from bn_study.plan.secrets import without_credentials

LIBRARIES = ("bn-study", "tensorflow", "keras", "numpy", "scipy", "pandas", "pyarrow")
PACKAGE = Path(__file__).resolve().parents[2]
CODE = (
    *(f"bn_study/{name}" for name in ("training", "plan", "store")),
    *(f"bn_study/sweep/{name}" for name in ("launcher", "call.py", "child.py", "placement.py", "worker.py")),
    "requirements.lock",
)
"""The code that decides the numbers of a run's records: it plans the run, sets up its process, trains it and writes the
records. Measures, verdicts and pages are recomputed by every report."""
VOCABULARY = ("conf", "parts")
"""The same for the study. The runs' ids cover what an experiment trains, and `stated` covers its claims."""
THREADS = "TF_NUM_INTRAOP_THREADS"
ENVIRONMENT = (
    *("BN_STUDY_HOME", "BN_STUDY_RESULTS", "BN_STUDY_DATA"),
    *(THREADS, "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "OPENBLAS_CORETYPE"),
    "NPY_DISABLE_CPU_FEATURES",
    *("TF_XLA_FLAGS", "XLA_FLAGS", "KERAS_BACKEND", "CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED"),
    *("NVIDIA_TF32_OVERRIDE", "TF_DETERMINISTIC_OPS", "TF_CUDNN_USE_AUTOTUNE", "CUBLAS_WORKSPACE_CONFIG"),
    *("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_PARTITION", "SLURM_CPUS_PER_TASK"),
)
"""The only environment variables that are stored. Names are listed in full, because a pattern might match a secret."""


def circumstances(home: Path, request: Sequence[str]) -> dict[str, Any]:
    """Code, versions, command, machine, device and the part of the environment that may decide numbers or speed.

    request: the words after `bn-study run`. Credentials are removed from URLs. commit, dirty and date are the
    package's; `study` has those of the study, which may be in another repository. Spec.json has the hashes of the
    study's own parts.
    """
    return {
        **package(),
        "study": source(home, VOCABULARY),
        "remote": without_credentials(git.answer(home, "remote", "get-url", "origin") or "") or None,
        "versions": {name: _version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "command": without_credentials(shlex.join(["bn-study", "run", *request])),
        "machine": machine() | {"host": platform.node()},
        "device": device.in_force(),
        "threads": threads(),
        "numerics": numerics.in_force(),
        "environment": {name: without_credentials(os.environ[name]) for name in ENVIRONMENT if name in os.environ},
    }


def machine() -> dict[str, Any]:
    """What decides the speed of a run. Times of machines that agree in this are comparable."""
    return {"system": platform.system(), "processor": _processor(), "cores": os.cpu_count()}


def threads() -> int | None:
    """Threads of this worker; None if they were not set."""
    value = os.environ.get(THREADS, "")
    return int(value) if value.isdecimal() else None


def peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def age() -> float:
    """Seconds since this process started, imports included; 0 if the system does not provide them."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return 0.0


def source(folder: Path, paths: Sequence[str]) -> dict[str, Any]:
    """The commit that these paths of a folder come from.

    commit: "unknown" without a repository. date: its committer date, None without a commit. dirty: whether the paths
    differ from the commit; true without a repository.
    """
    head = git.head(folder)
    commit = {"commit": "unknown", "date": None} if head is None else {"commit": head.commit, "date": head.date}
    return commit | {"dirty": git.changed(folder, *paths)}


def version() -> str | None:
    """The version of this package; None if it is not installed."""
    return _version("bn-study")


def package() -> dict[str, Any]:
    """`source` of the package's code. Installed from a wheel it has no commit, and is dirty if it was edited since."""
    about = source(PACKAGE, CODE)
    return about | {"dirty": _edited()} if about["date"] is None and _recorded() else about


@cache
def _recorded() -> dict[Path, metadata.FileHash]:
    """The files of the code that an installation listed, with their hashes; none for a checkout."""
    try:
        files = metadata.files("bn-study") or []
    except metadata.PackageNotFoundError:
        return {}
    listed = {Path(one.locate()).resolve(): one.hash for one in files if one.hash and str(one).startswith(CODE)}
    return {path: checksum for path, checksum in listed.items() if path.is_relative_to(PACKAGE)}


def _edited() -> bool:
    """Whether a file of the installed code differs from what was installed."""
    for path, checksum in _recorded().items():
        digest = hashlib.new(checksum.mode, path.read_bytes() if path.is_file() else b"").digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != checksum.value:
            return True
    return False


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
