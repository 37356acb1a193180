"""The parts of a study of one's own: the files in its parts/<kind>/.

The text of a part is read once. What is parsed, hashed and executed is that text, so a run's id names the code that
trained it, even if the file is edited meanwhile.
"""

import hashlib
import linecache
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from bn_study.errors import UsageError
from bn_study.plan.places import PARTS

PACKAGE = "study_parts"
"""The package as which they are imported, so that they may share a file: `from study_parts.norm._shared import ...`."""
Function = TypeVar("Function", bound=Callable[..., Any])
_folder: Path | None = None
_remembered: list[Any] = []


def remembered(function: Function) -> Function:
    """`functools.cache` for what depends on the parts that there are: emptied when others are looked at."""
    cached: Any = cache(function)
    _remembered.append(cached)
    return cached


def folder() -> Path | None:
    """The folder whose parts exist beside the package's, if any."""
    return _folder


def look_in(place: Path | None) -> None:
    """From now on, the parts in this folder are there; None: there are none."""
    global _folder
    if place != _folder:
        _folder = place
        for one in _remembered:
            one.cache_clear()


@remembered
def names(kind: str) -> list[str]:
    """The parts of a kind, sorted."""
    return [] if _folder is None else sorted(path.stem for path in (_folder / kind).glob("[!_.]*.py"))


def file(kind: str, name: str) -> str:
    """Where a part is, as messages name it: `parts/norm/mine.py`."""
    return f"{PARTS}/{kind}/{name}.py"


def text(kind: str, name: str) -> str:
    """The source of a part."""
    return _text(_path(kind, name))


@cache
def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _path(kind: str, name: str) -> Path:
    assert _folder is not None
    return _folder / kind / f"{name}.py"


@remembered
def code(kind: str, name: str) -> str:
    """Ten hex digits of the code of a part: its own file, and those that it may share (`_*.py`)."""
    assert _folder is not None
    shared = [_text(path) for path in sorted(_folder.rglob("_*.py"))]
    return hashlib.sha256("\0".join([text(kind, name), *shared]).encode()).hexdigest()[:10]


def find(kind: str, name: str) -> ModuleType:
    """A part's module, executed once. Raises UsageError where it imports what is not there."""
    full, path, source = f"{PACKAGE}.{kind}.{name}", _path(kind, name), text(kind, name)
    known = sys.modules.get(full)
    if known is not None and known.__file__ == str(path):
        return known
    _make_packages(path.parent.parent, kind)
    sys.modules[full] = module = ModuleType(full)
    module.__file__ = str(path)
    linecache.cache[str(path)] = (
        len(source),
        None,
        source.splitlines(True),
        str(path),
    )  # for AutoGraph
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except BaseException as error:
        del sys.modules[full]
        if isinstance(error, ImportError):
            raise UsageError(f"{file(kind, name)}: {error}") from error
        raise
    return module


def _make_packages(place: Path, kind: str) -> None:
    """Let files of this folder be imported as parts of PACKAGE, and forget those of another study."""
    if getattr(sys.modules.get(PACKAGE), "__path__", None) != [str(place)]:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
    for package, path in ((PACKAGE, place), (f"{PACKAGE}.{kind}", place / kind)):
        sys.modules.setdefault(package, ModuleType(package)).__path__ = [str(path)]
