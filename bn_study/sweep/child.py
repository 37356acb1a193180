"""How a Python process of this package is started: with this very package, and with nothing of the current folder.

`python -m` puts the current folder in front of everything, so a user's `queue.py` there would stand for the standard
library's. `-P` leaves it out. A checkout that is not installed is found by PYTHONPATH then.
"""

import os
import site
import sys
from pathlib import Path

PYTHON = (sys.executable, "-P")
FOLDER = Path(__file__).resolve().parents[2]
"""Holds the package."""


def environment() -> dict[str, str]:
    """PYTHONPATH as the process needs it: the user's entries, but no empty one, which means the current folder."""
    entries = [one for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]
    if FOLDER not in map(Path.resolve, map(Path, [*entries, *site.getsitepackages(), site.getusersitepackages()])):
        entries.insert(0, str(FOLDER))
    return {"PYTHONPATH": os.pathsep.join(entries)}
