"""A check of the installation, the data and the output folders."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan import numerics, places
from bn_study.plan.gpu import seen
from bn_study.store import provenance
from bn_study.study import locate
from bn_study.sweep import placement
from bn_study.sweep.call import cores

PROBE = "import tensorflow, keras; print('tensorflow', tensorflow.__version__, 'keras', keras.__version__)"


def examine() -> int:
    """Print one line per check. Returns 0 if a sweep could start, 1 otherwise."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", lambda: f"{platform.python_version()} at {sys.executable}"),
        ("study", _study),
        ("package", _package),
        ("vocabulary", _vocabulary),
        ("results", _results),
        ("cores", lambda: f"{cores()}; the default is one worker per core, with one thread each"),
        ("numerics", _numerics),
        ("tensorflow", _tensorflow),
        ("gpu", _gpu),
        ("data root", _data_root),
    ]
    code = 0
    for name, check in checks:
        try:
            print(f"ok    {name:12} {check()}", flush=True)
        except UsageError as error:
            print(f"FAIL  {name:12} {error}", flush=True)
            code = 1
    return code


def _study() -> str:
    home = locate().home
    if home != places.HOME:
        return str(home)
    return f"{home}, which comes with the package; `bn-study new FOLDER` makes one of your own"


def _package() -> str:
    source, version = provenance.package(), provenance.version()
    if source["date"] is None:
        return f"version {version or 'unknown'} ({'edited since it was installed' if source['dirty'] else 'unchanged'})"
    return _committed(source)


def _vocabulary() -> str:
    home = locate().home
    if home.is_relative_to(places.PACKAGE):
        return "the package's"
    source = provenance.source(home, provenance.VOCABULARY)
    return _committed(source) if source["date"] else "not in git: what was stated when is known by the clock alone"


def _committed(source: Mapping[str, Any]) -> str:
    changes = "with uncommitted changes that affect numbers" if source["dirty"] else "clean"
    return f"{source['commit'][:10]} ({changes})"


def _results() -> str:
    store = locate().store
    there = next(folder for folder in (store.root, *store.root.parents) if folder.exists())
    stored = 0
    if there == store.root or not os.access(there, os.W_OK):  # else nothing is made by looking
        store.prepare()
        stored = len(store.ids())
    return (
        f"{store.root.parent} is writable, {stored} runs stored, {shutil.disk_usage(there).free / 2**30:.0f} GiB free"
    )


def _numerics() -> str:
    if numerics.supported():
        return "portable: AVX2 and FMA are supported; every x86-64 processor with them computes the same bits"
    return f"native: {numerics.UNSUPPORTED}"


def _tensorflow() -> str:
    answer = subprocess.run(
        [sys.executable, "-P", "-c", PROBE],  # -P: without imports from the current folder, like workers
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
        capture_output=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    if answer.returncode:
        said = answer.stderr.strip().splitlines() or [f"the process died with {answer.returncode}, without a word"]
        raise UsageError(f"cannot be imported: {said[-1]}; install it again, see docs/installing.md")
    return answer.stdout.strip()


def _gpu() -> str:
    found = seen()
    if not found.gpus:
        return f"no NVIDIA GPU is seen ({found.reason}), so device=gpu is not possible"
    names = ", ".join(map(str, found.gpus))
    return f"{names}; {'device=gpu uses it' if placement.usable(found.gpus[0]) else placement.UNUSABLE}"


def _data_root() -> str:
    from bn_study.training.files import data_root

    root = Path(data_root())
    names = ("mnist.npz", "cifar-10-python.tar.gz", "cifar-10-batches-py", "cifar10_jpeg.npz")
    present = [name for name in names if (root / name).exists()]
    source = "BN_STUDY_DATA" if "BN_STUDY_DATA" in os.environ else "default"
    return f"{root} ({source}): {', '.join(present) or 'none of ' + ', '.join(names) + '; dataset=digits needs none'}"
