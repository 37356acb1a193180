"""How to start another Python process with this same package and without imports from the current folder, and be one.

`python -m` searches the current folder first, so a user's `queue.py` there would replace the standard library's. `-P`
leaves the folder out. PYTHONPATH then names a checkout that is not installed.
"""

import os
import site
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from bn_study.errors import UsageError

PYTHON = (sys.executable, "-P")
FOLDER = Path(__file__).resolve().parents[2]
"""The folder that contains the package."""


def environment() -> dict[str, str]:
    """PYTHONPATH for the process: the user's entries without empty ones, which would mean the current folder."""
    entries = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    if FOLDER not in map(Path.resolve, map(Path, [*entries, *site.getsitepackages(), site.getusersitepackages()])):
        entries.insert(0, str(FOLDER))
    return {"PYTHONPATH": os.pathsep.join(entries)}


def run(main: Callable[[list[str]], int]) -> NoReturn:
    """Be such a process: exit with main's code, or 1 with the error as the last line, which the parent shows."""
    try:
        sys.exit(main(sys.argv[1:]))
    except UsageError as error:
        sys.exit(" ".join(str(error).splitlines()))
