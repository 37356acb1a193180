"""A finished run, read back and verified."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bn_study.errors import UsageError
from bn_study.plan.renamed import current
from bn_study.plan.spec import RunSpec

if TYPE_CHECKING:  # imported only where a table is read: pandas is slow to import
    import pandas as pd

    from bn_study.store.records import Recorded

TABLES = ("records.parquet", "vectors.parquet")


class DamagedRun(Exception):
    """A stored run whose content is not what was published."""


class CannotRead(UsageError):
    """A stored run that may be whole but cannot be read here and now: no permission, or a disk that does not answer."""


@dataclass(frozen=True)
class StoredRun:
    """A finished run. Tables are verified against their checksums when they are first used.

    What reads its files raises DamagedRun or CannotRead.
    """

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @cached_property
    def spec(self) -> dict[str, Any]:
        """`canonical` (the text that was hashed) and `settings` (flat, by dotted name)."""
        listed = "spec.json" in self.provenance["checksums"]  # not so in early runs
        content = json.loads(self._verified("spec.json")) if listed else self._json("spec.json")
        return content | {"settings": {current(key): value for key, value in content.get("settings", {}).items()}}

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """How it was trained and how it ended.

        status (complete | diverged), diverged_at, classes, fingerprint, warnings, checksums, sizes, started, seconds,
        timing (by training/stopwatch), peak_memory (bytes), experiment, stated, call; and all of
        `provenance.circumstances`.
        """
        content = self._json("provenance.json")
        checksums = content.get("checksums")
        if "status" not in content or not isinstance(checksums, dict):
            raise DamagedRun(f"{self.folder / 'provenance.json'}: status or checksums are missing")
        if "provenance.json" in checksums and checksums["provenance.json"] != own_checksum(content):
            raise DamagedRun(f"{self.folder / 'provenance.json'}: the checksum does not match")
        return content

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """What provenance says of each attempt that trained a part of the run, in their order.

        All have commit, dirty, study, device, numerics and started, and since 0.2.0 stated; the last one has the rest.
        """
        return [*self.provenance.get("earlier", []), self.provenance]

    def status(self) -> str:
        """complete or diverged; damaged; unreadable if it may be whole but cannot be read here and now."""
        try:
            return self.provenance["status"]
        except DamagedRun:
            return "damaged"
        except CannotRead:
            return "unreadable"

    @property
    def readable(self) -> bool:
        """Whether the provenance can be read."""
        return self.status() not in ("damaged", "unreadable")

    @cached_property
    def records(self) -> "pd.DataFrame":
        """Scalars, one per row: step (int), name, site ("" if the record has none), value (float)."""
        return self.scalars.table.to_pandas()

    @cached_property
    def vectors(self) -> "pd.DataFrame":
        """Per-unit values and histograms, one per row: step (int), name, site, value (array of floats)."""
        return self.arrays.table.to_pandas()

    @cached_property
    def scalars(self) -> "Recorded":
        """The records by name and site."""
        return self._table("records.parquet")

    @cached_property
    def arrays(self) -> "Recorded":
        """The vectors by name and site."""
        return self._table("vectors.parquet")

    def glance(self, spec: RunSpec) -> None:
        """Raises DamagedRun unless this is the run of that spec, as far as one can tell without reading the tables.

        A table passes if it has the published size and is no newer than the provenance, which is written after it.
        Otherwise its checksum decides.
        """
        if self.spec.get("canonical") != spec.canonical():
            raise DamagedRun(f"{self.folder}: its spec does not belong to its name")
        sizes = self.provenance.get("sizes", {})
        published = self._stat("provenance.json").st_mtime_ns
        for name in TABLES:
            stat = self._stat(name)
            if stat.st_size != sizes.get(name) or stat.st_mtime_ns > published:
                self._verified(name)

    def _stat(self, name: str) -> os.stat_result:
        with _reading(self.folder / name) as path:
            return os.stat(path)

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads(self._bytes(name))
        except ValueError as error:
            raise DamagedRun(f"{self.folder / name}: {error}") from error
        if not isinstance(content, dict):
            raise DamagedRun(f"{self.folder / name}: not an object")
        return content

    def _table(self, name: str) -> "Recorded":
        from pyarrow import BufferReader
        from pyarrow.parquet import ParquetFile

        from bn_study.store.records import Recorded

        return Recorded(ParquetFile(BufferReader(self._verified(name))).read(use_threads=False))

    def _verified(self, name: str) -> bytes:
        content = self._bytes(name)
        if hashlib.sha256(content).hexdigest() != self.provenance["checksums"].get(name):
            raise DamagedRun(f"{self.folder / name}: the checksum does not match")
        return content

    def _bytes(self, name: str) -> bytes:
        with _reading(self.folder / name) as path:
            return path.read_bytes()


@contextmanager
def _reading(path: Path) -> Iterator[Path]:
    """Raises DamagedRun if the file is not there, and CannotRead if the system says no for another reason."""
    try:
        yield path
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedRun(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise CannotRead(f"{path} cannot be read now ({error.strerror}); try again, or make it readable") from error


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_checksum(provenance: dict[str, Any]) -> str:
    """SHA-256 of a provenance without its own checksum."""
    others = {name: value for name, value in provenance["checksums"].items() if name != "provenance.json"}
    text = json.dumps(provenance | {"checksums": others}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
