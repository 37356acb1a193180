"""What git says of a folder. Whoever asks is answered without an error where there is no git and no repository."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from bn_study.plan.moment import Moment

FORMAT = "--format=%H %ct"


def answer(folder: Path, *arguments: str) -> str | None:
    """What a git command prints, without blanks around it; None if it fails."""
    found = _output(folder, *arguments)
    return None if found is None else found.decode(errors="replace").strip()


@cache
def holds(folder: Path) -> bool:
    """Whether a repository holds this folder: it is the top of one, or something in it is tracked.

    A folder that a repository only surrounds, as an installed package in an ignored environment, is not held.
    """
    top = answer(folder, "rev-parse", "--show-toplevel")
    return top is not None and (Path(top).resolve() == folder.resolve() or bool(answer(folder, "ls-files", "--", ".")))


def head(folder: Path) -> Moment | None:
    """The commit that is checked out; None without a repository or before its first commit."""
    return moment(folder, "HEAD") if holds(folder) else None


def moment(folder: Path, commit: str) -> Moment | None:
    """A commit with its date; None if this repository does not have it."""
    found = answer(folder, "log", "-1", FORMAT, commit, "--") if commit and holds(folder) else None
    return _moment(found) if found else None


def changed(folder: Path, *paths: str) -> bool:
    """Whether files differ from the commit that is checked out; true where there is no repository."""
    return not holds(folder) or answer(folder, "status", "--porcelain", "--", *paths) != ""


def commits(folder: Path, *paths: str) -> list[Moment]:
    """The commits up to the present one that touched any of these paths, the oldest first."""
    found = answer(folder, "log", "--reverse", FORMAT, "--", *paths) if holds(folder) else None
    return [_moment(line) for line in (found or "").splitlines()]


@contextmanager
def extracted(folder: Path, commit: str, *paths: str) -> Iterator[Path]:
    """These paths of the folder as they are in a commit, in a temporary folder; without those that it does not have."""
    with tempfile.TemporaryDirectory() as temporary:
        for path in paths:
            content = _output(folder, "archive", "--format=tar", commit, "--", path)
            if content:
                with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                    archive.extractall(temporary, filter="fully_trusted")  # a study's own files; conf/ may be a link
        yield Path(temporary)


def _moment(line: str) -> Moment:
    commit, seconds = line.split()
    return Moment(datetime.fromtimestamp(int(seconds), UTC).isoformat(), commit)


def _output(folder: Path, *arguments: str) -> bytes | None:
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
