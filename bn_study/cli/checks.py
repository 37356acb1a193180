"""A check of the installation, the data and the output folders."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bn_study.errors import UsageError
from bn_study.plan import numerics
from bn_study.store import provenance
from bn_study.study import locate

PROBE = "import tensorflow, keras; print('tensorflow', tensorflow.__version__, 'keras', keras.__version__)"


def examine() -> int:
    """Print one line per check. Returns 0 if a sweep could start, 1 otherwise."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", lambda: f"{platform.python_version()} at {sys.executable}"),
        ("study", lambda: str(locate().home)),
        ("package", lambda: _source(provenance.PACKAGE, provenance.CODE)),
        ("vocabulary", lambda: _source(locate().home, provenance.VOCABULARY)),
        ("results", _results),
        ("cores", lambda: f"{len(os.sched_getaffinity(0))}; the default is one worker per core, with one thread each"),
        ("numerics", _numerics),
        ("tensorflow", _tensorflow),
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


def _source(folder: Path, paths: Sequence[str]) -> str:
    source = provenance.source(folder, paths)
    changes = "with uncommitted changes that affect numbers" if source["dirty"] else "clean"
    return f"{source['commit'][:10]} ({changes})"


def _results() -> str:
    store = locate().store
    store.prepare()
    free = shutil.disk_usage(store.root).free
    return f"{store.root.parent} is writable, {len(store.ids())} runs stored, {free / 2**30:.0f} GiB free"


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
        raise UsageError(
            f"cannot be imported: {answer.stderr.strip().splitlines()[-1]}; run scripts/test.sh to reinstall"
        )
    return answer.stdout.strip()


def _data_root() -> str:
    from bn_study.training.files import data_root

    root = Path(data_root())
    names = ("mnist.npz", "cifar-10-python.tar.gz", "cifar-10-batches-py", "cifar10_jpeg.npz")
    present = [name for name in names if (root / name).exists()]
    source = "BN_STUDY_DATA" if "BN_STUDY_DATA" in os.environ else "default"
    return f"{root} ({source}): {', '.join(present) or 'none of ' + ', '.join(names) + '; dataset=digits needs none'}"
