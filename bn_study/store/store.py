"""Run folders: write, publish, read, set aside. Where the training half and the analysis half meet.

results/runs/
  <id>/               a finished run, complete or diverged: spec.json, records.parquet, vectors.parquet, provenance.json
  .new/<id>.<random>/ a run being written; renamed to <id> when all of it is on disk
  .lease/<id>.<n>     who trains a run (lease.py)
  .checkpoint/<id>.npz  a run under way, as it was some minutes ago (training/checkpoint.py)
  .failed/<id>/       failures of a run that did not finish: <call>.json and, to be read, <call>.txt
  .jobs/<call>/      what was submitted to a cluster, and what its workers printed
  .log/               what workers printed
  .damaged/<id>-<n>   a run that is not what was published, set aside

The folder under its final name is completeness: nothing else is consulted to know that a run is done.

What is verified when. Whoever uses a table verifies its checksum first, and provenance.json verifies its own. A call of
`run` only glances at what is there (`StoredRun.glance`): the spec is the one that its name stands for, and every file
is there, has the size that was published and was not written to since. So 10,000 finished runs are known in a second;
rot below the file system shows when a run is read, which sets it aside for the next call to train anew.
"""

import json
import os
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
from bn_study.store.lease import SILENCE, Lease, Leases
from bn_study.store.stored_run import TABLES, StoredRun, own_checksum, sha256_of

if TYPE_CHECKING:  # what reads tables is imported where one is read: knowing what is there should take no time
    import pandas as pd


Kind = Literal["failed", "crashed", "timeout"]
DEATHS = 2
"""Workers that a run may take with it in one call before that call leaves it alone."""


class CannotWrite(UsageError):
    """The results cannot be written: no space, no permission, a disk that fails."""


class Store:
    """The only thing that knows the layout of `results/runs/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folders that writing needs. Raises CannotWrite where they cannot be written."""
        with self.writing():
            for name in (".new", ".lease", ".checkpoint", ".failed", ".damaged", ".log"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root / ".new") as probe:
                probe.write(bytes(1 << 16))  # a full disk takes a new file, but nothing in it

    @contextmanager
    def writing(self) -> Iterator[None]:
        """An OSError in the block becomes a CannotWrite that says what to do."""
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

    def leases(self, silence: float = SILENCE) -> Leases:
        """Who trains what. silence: see lease.py."""
        return Leases(self.root / ".lease", silence)

    def publish(
        self,
        spec: RunSpec,
        records: "pd.DataFrame",
        vectors: "pd.DataFrame",
        provenance: dict[str, Any],
        lease: Lease | None = None,
    ) -> None:
        """Write a run beside, sync it, and make it visible by one rename. Loses silently to a run that is there.

        What is left of attempts at the run goes afterwards. Raises CannotWrite, and Lost if `lease` is no longer ours.
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
        """Remove what attempts at runs left behind that are done by now."""
        for folder in (".new", ".lease", ".checkpoint", ".failed"):
            with suppress(FileNotFoundError):
                for run_id in {name.lstrip(".").partition(".")[0] for name in os.listdir(self.root / folder)}:
                    if self.done(run_id):
                        self._tidy(run_id)

    def _tidy(self, run_id: str) -> None:
        """Should it fail, what is left only takes room."""
        with suppress(OSError):
            for folder in (self.root / ".failed" / run_id, *(self.root / ".new").glob(f"{run_id}.*")):
                shutil.rmtree(folder, ignore_errors=True)
            for path in (self.checkpoint(run_id), *(self.root / ".checkpoint").glob(f".{run_id}.*")):
                path.unlink(missing_ok=True)
            self.leases().clear(run_id)

    def fail(self, run_id: str, call: str, kind: Kind, text: str, usage: bool = False) -> None:
        """Keep aside why a run did not finish. Its call leaves the run alone from now on, the next one tries again.

        kind: it raised (`failed`), its worker died (`crashed`: counts from the second time on) or it took too long
            (`timeout`). text: a traceback, or how the worker died and what it said last; the last line is the reason.
        usage: whether it is the user's to mend.
        """
        place = self.root / ".failed" / run_id / call
        with self.writing():
            place.parent.mkdir(parents=True, exist_ok=True)
            about = {"kind": kind, "usage": usage, "deaths": self._deaths(place) + (kind == "crashed")}
            for path, content in ((place.with_suffix(".txt"), text), (place.with_suffix(".json"), json.dumps(about))):
                beside = path.with_name(f".{path.name}.{os.getpid()}")
                beside.write_text(content, encoding="utf-8", errors="backslashreplace")
                os.replace(beside, path)

    def failed(self, run_id: str, call: str) -> "Failure | None":
        """Why a call leaves a run alone, or None if it does not."""
        place = self.root / ".failed" / run_id / call
        try:
            about = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
            if about["kind"] == "crashed" and about["deaths"] < DEATHS:
                return None
            text = place.with_suffix(".txt")
            lines = text.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            return Failure(about["kind"], lines[-1] if lines else "", bool(about["usage"]), text)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def failures(self, call: str) -> dict[str, "Failure"]:
        """All runs that a call leaves alone, by id."""
        try:
            names = sorted(os.listdir(self.root / ".failed"))
        except FileNotFoundError:
            return {}
        found = {name: self.failed(name, call) for name in names}
        return {name: failure for name, failure in found.items() if failure is not None}

    def _deaths(self, place: Path) -> int:
        try:
            return int(json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))["deaths"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def jobs(self) -> Path:
        """Where calls that a cluster works on leave their jobs and logs, a folder each."""
        return self.root / ".jobs"

    def log(self, name: str) -> Path:
        """Where a worker's output goes."""
        return self.root / ".log" / f"{name}.txt"

    def checkpoint(self, run_id: str) -> Path:
        """Where a run under way is kept."""
        return self.root / ".checkpoint" / f"{run_id}.npz"

    def checkpoints(self) -> list[Path]:
        """All that there are, sorted."""
        return sorted((self.root / ".checkpoint").glob("[!.]*.npz"))

    def set_aside(self, run_id: str) -> str:
        """Move a damaged run out of the way, for the next call to train it anew; how that went, as half a sentence."""
        return self._move_away(self.root / run_id)

    def set_checkpoint_aside(self, run_id: str) -> str:
        """The same for a checkpoint that cannot be used: its run starts from the beginning."""
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

    line: the reason in a line. usage: whether it is the user's to mend. path: a text that says all that is known.
    """

    kind: Kind
    line: str
    usage: bool
    path: Path


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
