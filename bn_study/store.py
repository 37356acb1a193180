"""Run folders: lease, write, publish, read. Where the training half and the analysis half meet.

results/runs/
  <id>/             a finished run, complete or diverged: spec.json, records.parquet, vectors.parquet, provenance.json
  .new/<id>-<pid>/  a run being written; renamed to <id> when all of it is on disk
  .lease/<id>       locked (flock) by the worker that trains the run, for as long as it lives
  .failed/<id>/     the last failure of a run that did not finish: error.txt, failure.json
  .log/             what workers printed
  .damaged/<id>-<n> a run whose tables no longer match their checksums, set aside

The folder under its final name is completeness: nothing else is consulted to know that a run is done.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study.errors import UsageError
from bn_study.plan.spec import RunSpec

TABLES = ("records.parquet", "vectors.parquet")


class DamagedRun(Exception):
    """A stored run whose content is not what was published."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run, read back. Tables are verified against their checksums when they are first used."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @cached_property
    def spec(self) -> dict[str, Any]:
        """`canonical` (the text that was hashed) and `settings` (flat, by dotted name)."""
        return self._json("spec.json")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """How it was trained and how it ended.

        status (complete | diverged), diverged_at, classes, fingerprint, warnings, checksums, started, seconds, timing
        (of training/stopwatch), peak_memory (bytes), experiment, stated, call; and all of `provenance.circumstances`.
        """
        found = self._json("provenance.json")
        if not {"status", "checksums"} <= set(found):
            raise DamagedRun(f"{self.folder / 'provenance.json'}: status or checksums are missing")
        return found

    @cached_property
    def records(self) -> pd.DataFrame:
        """Scalars, a row each: step (int), name, site ("" where a record has none), value (float)."""
        return self._table("records.parquet")

    @cached_property
    def vectors(self) -> pd.DataFrame:
        """Per-unit values and histograms, a row each: step (int), name, site, value (array of floats)."""
        return self._table("vectors.parquet")

    def verify(self, spec: RunSpec) -> None:
        """Raises DamagedRun unless this is the run of that spec, whole as it was published."""
        if self.spec.get("canonical") != spec.canonical():
            raise DamagedRun(f"{self.folder}: its spec is not the one that its name stands for")
        for name in TABLES:
            self._check(name)

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.folder / name).read_text())
        except (OSError, ValueError) as error:
            raise DamagedRun(f"{self.folder / name}: {error}") from error
        if not isinstance(content, dict):
            raise DamagedRun(f"{self.folder / name}: not an object")
        return content

    def _table(self, name: str) -> pd.DataFrame:
        self._check(name)
        return pd.read_parquet(self.folder / name)

    def _check(self, name: str) -> None:
        path = self.folder / name
        try:
            matches = _sha256(path) == self.provenance["checksums"].get(name)
        except OSError as error:
            raise DamagedRun(f"{path}: {error.strerror}") from error
        if not matches:
            raise DamagedRun(f"{path}: the checksum does not match")


class Store:
    """The only thing that knows the layout of `results/runs/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folders that writing needs. Raises UsageError where they cannot be written."""
        try:
            for name in (".new", ".lease", ".failed", ".damaged", ".log"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe = self.root / ".new" / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(
                f"results cannot be written to {self.root} ({error.strerror}); "
                "make it writable or set BN_STUDY_RESULTS to another folder"
            ) from error

    def done(self, run_id: str) -> bool:
        return (self.root / run_id).is_dir()

    def read(self, run_id: str) -> StoredRun:
        return StoredRun(self.root / run_id)

    def ids(self) -> list[str]:
        """All finished runs, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(
            entry.name for entry in os.scandir(self.root) if entry.is_dir() and not entry.name.startswith(".")
        )

    @contextmanager
    def lease(self, run_id: str) -> Iterator["Lease | None"]:
        """The right to train a run, held until the block ends or the process dies; None if another holds it."""
        with open(self.root / ".lease" / run_id, "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            yield Lease(file)
            file.truncate(0)

    def leased_step(self, run_id: str) -> int | None:
        """The step that the holder of a lease last noted; None where nobody notes one."""
        try:
            return json.loads((self.root / ".lease" / run_id).read_text())["step"]
        except (OSError, ValueError):
            return None

    def publish(self, spec: RunSpec, records: pd.DataFrame, vectors: pd.DataFrame, provenance: dict[str, Any]) -> None:
        """Write a run beside, sync it, and make it visible by one rename. Loses silently to a run that is there."""
        folder = self.root / ".new" / f"{spec.id}-{os.getpid()}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, table in zip(TABLES, (records, vectors), strict=True):
            table.to_parquet(folder / name, index=False, compression="zstd")
        checksums = {name: _sha256(folder / name) for name in TABLES}
        _write_json(folder / "spec.json", {"canonical": spec.canonical(), "settings": spec.settings})
        _write_json(folder / "provenance.json", provenance | {"checksums": checksums})
        for path in (*folder.iterdir(), folder):
            _sync(path)
        try:
            os.rename(folder, self.root / spec.id)
        except OSError:
            if not self.done(spec.id):
                raise
            shutil.rmtree(folder)
        _sync(self.root)
        shutil.rmtree(self.root / ".failed" / spec.id, ignore_errors=True)

    def fail(self, run_id: str, call: str, error: str, usage: bool) -> None:
        """Keep a failure aside, with its call: that call leaves the run alone from now on, the next one tries again.

        usage: whether it is the user's to mend.
        """
        folder = self.root / ".failed" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "error.txt").write_text(error)
        _write_json(folder / "failure.json", {"call": call, "usage": usage})

    def failed(self, run_id: str, call: str) -> "Failure | None":
        """A run's failure in this call, or None."""
        folder = self.root / ".failed" / run_id
        try:
            about = json.loads((folder / "failure.json").read_text())
            if about["call"] != call:
                return None
            return Failure((folder / "error.txt").read_text().strip().splitlines()[-1], about["usage"])
        except (OSError, ValueError, KeyError, IndexError):
            return None

    def log(self, name: str) -> Path:
        """Where a worker's output goes."""
        return self.root / ".log" / f"{name}.txt"

    def set_aside(self, run_id: str) -> Path:
        """Move a damaged run out of the way, so that the next call trains it anew."""
        number = 0
        while (target := self.root / ".damaged" / f"{run_id}-{number}").exists():
            number += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.root / run_id, target)
        return target


@dataclass(frozen=True)
class Failure:
    """Why a run did not finish. line: the last one of its error. usage: whether it is the user's to mend."""

    line: str
    usage: bool


@dataclass(frozen=True)
class Lease:
    """An open, locked lease file."""

    file: Any

    def note(self, step: int) -> None:
        """Say how far the run is, for whoever draws progress."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(json.dumps({"pid": os.getpid(), "step": step}))
        self.file.flush()


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
