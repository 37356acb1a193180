"""Run folders: write, publish, read and set aside.

results/runs/
  <id>/               a finished run, complete or diverged: spec.json, records.parquet, vectors.parquet, provenance.json
  .new/<id>.<random>/ a run being written; renamed to <id> when all of it is on disk
  .lease/<id>.<n>     who trains a run (lease.py)
  .checkpoint/<id>.npz  a run in training, as it was some minutes ago (checkpoint.py)
  .failed/<id>/       failures of a run that did not finish: <call>.json, and <call>.txt for people
  .jobs/<call>/       what was submitted to a cluster, and the output of its workers
  .log/               output of workers
  .damaged/<id>-<n>   a run whose content is not what was published, set aside

A run is done if and only if the folder with its final name exists.

Verification. A table is verified against its checksum when it is read, and provenance.json against its own. `run` only
checks cheaply (`StoredRun.glance`) that the spec belongs to the id, and that every file exists, has the published size
and was not written since. It recognizes 10,000 finished runs in a second. Corruption below the file system is found
when a run is read; what makes tables of runs then sets it aside, and the next `run` trains it again.
"""

import json
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bn_study.errors import UsageError
from bn_study.plan.spec import RunSpec
from bn_study.store.lease import HEARTBEAT_TIMEOUT, Lease, Leases
from bn_study.store.replacing import write_text
from bn_study.store.stored_run import TABLES, StoredRun, own_checksum, sha256_of

if TYPE_CHECKING:  # imported only where a table is read: pandas is slow to import
    import pandas as pd


Kind = Literal["failed", "crashed", "timeout"]
DEATHS = 2
"""A call stops trying a run after this many of its workers have died."""


class CannotWrite(UsageError):
    """The results cannot be written: no space, no permission, or a failing disk."""


class Store:
    """The only thing that knows the layout of `results/runs/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Create the folders for writing. Raises CannotWrite if they cannot be written."""
        with self.writing():
            for name in (".new", ".lease", ".checkpoint", ".failed", ".damaged", ".log"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root / ".new") as probe:
                probe.write(bytes(1 << 16))  # on a full disk a file can be created, but not filled

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an OSError in the block into a CannotWrite that says what to do."""
        try:
            yield
        except OSError as error:
            raise CannotWrite(
                f"results cannot be written to {self.root} ({error.strerror or error}); "
                "make room and make it writable, or set BN_STUDY_RESULTS to another folder"
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

    def leases(self, heartbeat_timeout: float = HEARTBEAT_TIMEOUT) -> Leases:
        """Who trains which run. heartbeat_timeout: in seconds; see lease.py."""
        return Leases(self.root / ".lease", heartbeat_timeout)

    def publish(
        self,
        spec: RunSpec,
        records: "pd.DataFrame",
        vectors: "pd.DataFrame",
        provenance: dict[str, Any],
        lease: Lease | None = None,
    ) -> None:
        """Write a run beside, sync it, and make it visible by one rename. Does nothing if the run is there already.

        Afterwards removes the leftovers of attempts at it. Raises CannotWrite, and Lost if `lease` is no longer ours.
        """
        with self.writing():
            folder = self.root / ".new" / f"{spec.id}.{uuid.uuid4().hex[:12]}"
            folder.mkdir()
            try:
                for name, table in zip(TABLES, (records, vectors), strict=True):
                    with open(folder / name, "wb") as file:
                        table.to_parquet(file, index=False, compression="zstd")
                _write_json(folder / "spec.json", {"canonical": spec.canonical(), "settings": spec.settings})
                files = {path.name: path for path in folder.iterdir()}
                complete = provenance | {
                    "checksums": {name: sha256_of(path) for name, path in files.items()},
                    "sizes": {name: path.stat().st_size for name, path in files.items()},
                }
                complete["checksums"]["provenance.json"] = own_checksum(complete)
                _write_json(folder / "provenance.json", complete)
                for path in (*folder.iterdir(), folder):
                    _sync(path)
                if lease is not None:
                    lease.check()
                os.rename(folder, self.root / spec.id)
            except OSError:
                if lease is not None:
                    lease.check()
                if not self.done(spec.id):
                    raise
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            _sync(self.root)
        self._tidy(spec.id)

    def tidy(self) -> None:
        """Remove what attempts left behind at runs that are done by now."""
        for folder in (".new", ".lease", ".checkpoint", ".failed"):
            with suppress(FileNotFoundError):
                for run_id in {name.lstrip(".").partition(".")[0] for name in os.listdir(self.root / folder)}:
                    if self.done(run_id):
                        self._tidy(run_id)

    def _tidy(self, run_id: str) -> None:
        """Ignores errors: leftovers only take disk space."""
        with suppress(OSError):
            for folder in (self.root / ".failed" / run_id, *(self.root / ".new").glob(f"{run_id}.*")):
                shutil.rmtree(folder, ignore_errors=True)
            for path in (self.checkpoint(run_id), *(self.root / ".checkpoint").glob(f".{run_id}.*")):
                path.unlink(missing_ok=True)
            self.leases().clear(run_id)

    def fail(self, run_id: str, call: str, kind: Kind, text: str, usage: bool = False) -> None:
        """Store why a run did not finish. This call does not try the run again, but the next one does.

        kind: it raised (`failed`), its worker died (`crashed`: counts from the second time on) or it took too long
            (`timeout`). text: a traceback, or a worker's last output and how it died; `_reason` takes a line of it.
        usage: whether the user can fix it.
        """
        base = self.root / ".failed" / run_id / call
        with self.writing():
            base.parent.mkdir(parents=True, exist_ok=True)
            summary = {"kind": kind, "usage": usage, "deaths": self._deaths(base) + (kind == "crashed")}
            for path, content in ((base.with_suffix(".txt"), text), (base.with_suffix(".json"), json.dumps(summary))):
                write_text(path, content, errors="backslashreplace")

    def failed(self, run_id: str, call: str) -> "Failure | None":
        """Why a call does not try a run again; None if it does."""
        base = self.root / ".failed" / run_id / call
        try:
            summary = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
            if summary["kind"] == "crashed" and summary["deaths"] < DEATHS:
                return None
            text = base.with_suffix(".txt")
            reason = _reason(text.read_text(encoding="utf-8", errors="replace"))
            return Failure(summary["kind"], reason, bool(summary["usage"]), text)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def failures(self, call: str) -> dict[str, "Failure"]:
        """All runs that a call does not try again, by id."""
        try:
            names = sorted(os.listdir(self.root / ".failed"))
        except FileNotFoundError:
            return {}
        return {name: failure for name in names if (failure := self.failed(name, call)) is not None}

    def failed_runs(self) -> set[str]:
        """The ids of runs that failed in some call and were not finished since."""
        try:
            return {one.name for one in os.scandir(self.root / ".failed") if any(Path(one).glob("*.json"))}
        except FileNotFoundError:
            return set()

    def _deaths(self, base: Path) -> int:
        try:
            return int(json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))["deaths"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def jobs(self) -> Path:
        """The folder of jobs and logs of calls on a cluster; each call has a subfolder."""
        return self.root / ".jobs"

    def log(self, name: str) -> Path:
        """The file of a worker's output."""
        return self.root / ".log" / f"{name}.txt"

    def checkpoint(self, run_id: str) -> Path:
        """The checkpoint file of a run in training."""
        return self.root / ".checkpoint" / f"{run_id}.npz"

    def checkpoints(self) -> list[Path]:
        """All checkpoint files, sorted."""
        return sorted((self.root / ".checkpoint").glob("[!.]*.npz"))

    def set_aside(self, run_id: str) -> str:
        """Move a damaged run away, so that the next call trains it again. Returns a clause that says how it went."""
        return self._move_away(self.root / run_id)

    def set_checkpoint_aside(self, run_id: str) -> str:
        """The same for an unusable checkpoint, so that its run starts from the beginning."""
        return self._move_away(self.checkpoint(run_id))

    def _move_away(self, path: Path) -> str:
        number = 0
        while (target := self.root / ".damaged" / f"{path.stem}-{number}{path.suffix}").exists():
            number += 1
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(path, target)
        except FileNotFoundError:
            return "another process moved it away"
        except OSError as error:
            return f"it cannot be moved away ({error.strerror})"
        return f"it was moved to {target}"


@dataclass(frozen=True)
class Failure:
    """Why a run did not finish.

    line: the reason in one line. usage: whether the user can fix it. path: a text file with the details.
    """

    kind: Kind
    line: str
    usage: bool
    path: Path

    def told(self, run_id: str) -> str:
        """Two lines for the terminal."""
        return f"{self.kind}: {run_id}: {self.line}\n        {self.path}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(text: str) -> str:
    """What a log says of why a run failed: its last line, or the exception that its last traceback ends with.

    Keras tells in several lines what it called, and the first of them that is not empty is what went wrong.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # colors
    _, found, trace = text.rpartition("Traceback (most recent call last):\n")
    lines = [line for line in (trace if found else text).splitlines() if line.strip()]
    ends = [place for place, line in enumerate(lines) if found and not line.startswith(" ")]
    if not ends:
        return lines[-1].strip() if lines else ""
    kind, _, said = lines[ends[0]].partition(": ")
    if said.startswith("Exception encountered when calling") and len(lines) > ends[0] + 1:
        return f"{kind}: {lines[ends[0] + 1].strip()}"
    return lines[ends[0]]
