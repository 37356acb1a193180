"""Questions to git about a folder. None of them fails where there is no git or no repository."""

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
    """The stripped output of a git command; None if it fails."""
    output = _output(folder, *arguments)
    return None if output is None else output.decode(errors="replace").strip()


@cache
def holds(folder: Path) -> bool:
    """Whether a repository tracks this folder: it is the top of one, or holds a tracked file.

    An installed package in an ignored environment lies inside a repository, but is not tracked by it.
    """
    top = answer(folder, "rev-parse", "--show-toplevel")
    return top is not None and (Path(top).resolve() == folder.resolve() or bool(answer(folder, "ls-files", "--", ".")))


def head(folder: Path) -> Moment | None:
    """The commit that is checked out; None without a repository or before the first commit."""
    return moment(folder, "HEAD") if holds(folder) else None


def moment(folder: Path, commit: str) -> Moment | None:
    """A commit with its date; None if this repository does not have it."""
    line = answer(folder, "log", "-1", FORMAT, commit, "--") if commit and holds(folder) else None
    return _moment(line) if line else None


def changed(folder: Path, *paths: str) -> bool:
    """Whether files differ from the commit that is checked out; true without a repository."""
    return not holds(folder) or answer(folder, "status", "--porcelain", "--", *paths) != ""


def commits(folder: Path, *paths: str) -> list[Moment]:
    """The commits up to the current one that touched any of these paths, oldest first."""
    log = answer(folder, "log", "--reverse", FORMAT, "--", *paths) if holds(folder) else None
    return [_moment(line) for line in (log or "").splitlines()]


@contextmanager
def extracted(folder: Path, commit: str, *paths: str) -> Iterator[Path]:
    """A temporary folder with these paths as they are in a commit; paths that the commit lacks are left out."""
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
