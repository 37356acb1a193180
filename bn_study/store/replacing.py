"""Change a file that others read and write: it is replaced at once, and one process at a time does it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside a file, to be written, which then takes its place; if writing fails, nothing does.

    So a reader finds the old content or the new one, never a part, and so it is after a kill.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """Give a file this text as UTF-8. A kill or a full disk leaves the text that it had. Raises OSError."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", errors=errors)


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Hold off other processes that would change a file in the same folder, from reading it to writing it.

    The folder is locked, because a lock of the file would not outlive its replacement. It is made if it is not there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: nobody is held off
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)
