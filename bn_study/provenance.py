"""Under what circumstances a run was trained. Nothing here takes part in its identity."""

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("bn-study", "tensorflow", "keras", "numpy", "scipy", "pandas", "pyarrow")
DECIDES_NUMBERS = ("bn_study", "conf", "experiments", "requirements.lock")
"""What the dirty flag looks at: an edited README changes no result."""


def circumstances(home: Path) -> dict[str, Any]:
    """Code, versions and machine: an allow-list, never the whole environment."""
    return {
        "commit": commit(home),
        "dirty": dirty(home),
        "versions": {name: _version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        "machine": {"system": platform.system(), "processor": _processor(), "cores": os.cpu_count()},
        "threads": os.environ.get("TF_NUM_INTRAOP_THREADS"),
    }


@cache
def commit(home: Path) -> str:
    return _git(home, "rev-parse", "HEAD") or "unknown"


@cache
def dirty(home: Path) -> bool:
    """Whether anything that decides numbers differs from the commit; true where there is no repository."""
    changes = _git(home, "status", "--porcelain", "--", *DECIDES_NUMBERS)
    return changes is None or changes != ""


def _git(home: Path, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(["git", "-C", str(home), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
