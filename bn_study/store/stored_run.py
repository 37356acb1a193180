"""A finished run, read back and verified."""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bn_study.plan.renamed import current
from bn_study.plan.spec import RunSpec

if TYPE_CHECKING:  # what reads tables is imported where one is read: knowing what is there should take no time
    import pandas as pd

    from bn_study.store.records import Recorded

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
        noted = "spec.json" in self.provenance["checksums"]  # earlier runs did not
        content = json.loads(self._verified("spec.json")) if noted else self._json("spec.json")
        return content | {"settings": {current(key): value for key, value in content.get("settings", {}).items()}}

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """How it was trained and how it ended.

        status (complete | diverged), diverged_at, classes, fingerprint, warnings, checksums, sizes, started, seconds,
        timing (of training/stopwatch), peak_memory (bytes), experiment, stated, call; and all of
        `provenance.circumstances`.
        """
        found = self._json("provenance.json")
        checksums = found.get("checksums")
        if "status" not in found or not isinstance(checksums, dict):
            raise DamagedRun(f"{self.folder / 'provenance.json'}: status or checksums are missing")
        if "provenance.json" in checksums and checksums["provenance.json"] != own_checksum(found):
            raise DamagedRun(f"{self.folder / 'provenance.json'}: the checksum does not match")
        return found

    def status(self) -> str:
        """How it ended: complete or diverged; damaged if its provenance does not tell."""
        try:
            return self.provenance["status"]
        except DamagedRun:
            return "damaged"

    @cached_property
    def records(self) -> "pd.DataFrame":
        """Scalars, a row each: step (int), name, site ("" where a record has none), value (float)."""
        return self.scalars.table.to_pandas()

    @cached_property
    def vectors(self) -> "pd.DataFrame":
        """Per-unit values and histograms, a row each: step (int), name, site, value (array of floats)."""
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
        """Raises DamagedRun unless this is, by all that can be known without reading tables, the run of that spec.

        A table that is as long as it was and no younger than the provenance that was written after it passes; of any
        other the checksum decides.
        """
        if self.spec.get("canonical") != spec.canonical():
            raise DamagedRun(f"{self.folder}: its spec is not the one that its name stands for")
        sizes = self.provenance.get("sizes", {})
        published = self._stat("provenance.json").st_mtime_ns
        for name in TABLES:
            found = self._stat(name)
            if found.st_size != sizes.get(name) or found.st_mtime_ns > published:
                self._verified(name)

    def _stat(self, name: str) -> os.stat_result:
        try:
            return os.stat(self.folder / name)
        except OSError as error:
            raise DamagedRun(f"{self.folder / name}: {error.strerror}") from error

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError) as error:
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
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DamagedRun(f"{path}: {error.strerror}") from error
        if hashlib.sha256(content).hexdigest() != self.provenance["checksums"].get(name):
            raise DamagedRun(f"{path}: the checksum does not match")
        return content


def sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_checksum(provenance: dict[str, Any]) -> str:
    """Of all that a provenance says but this."""
    others = {name: one for name, one in provenance["checksums"].items() if name != "provenance.json"}
    text = json.dumps(provenance | {"checksums": others}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
