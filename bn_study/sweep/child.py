"""How to start another Python process with this same package and without imports from the current folder.

`python -m` searches the current folder first, so a user's `queue.py` there would replace the standard library's. `-P`
leaves the folder out. PYTHONPATH then names a checkout that is not installed.
"""

import os
import site
import sys
from pathlib import Path

PYTHON = (sys.executable, "-P")
FOLDER = Path(__file__).resolve().parents[2]
"""The folder that contains the package."""


def environment() -> dict[str, str]:
    """PYTHONPATH for the process: the user's entries without empty ones, which would mean the current folder."""
    entries = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    if FOLDER not in map(Path.resolve, map(Path, [*entries, *site.getsitepackages(), site.getusersitepackages()])):
        entries.insert(0, str(FOLDER))
    return {"PYTHONPATH": os.pathsep.join(entries)}
