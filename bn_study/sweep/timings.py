"""What stored runs tell of the time, memory and disk that a run takes, and which are nearest to a planned one."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bn_study.plan.declared import RATE_OPTIONS, START_OPTIONS
from bn_study.plan.spec import RunSpec
from bn_study.store import provenance
from bn_study.store.store import Store
from bn_study.store.stored_run import DamagedRun, StoredRun

NEWEST = 30
"""So many other runs of a normaliser, model and data set are looked at: older ones may be of slower code."""


NEAREST = 32
"""The figures of so many are put together."""


_NOT_OF_PROGRAM = {*(f"model.{one}" for one in START_OPTIONS), *(f"optimizer.{one}" for one in RATE_OPTIONS)}
"""Settings that a compiled program gets as values."""


@dataclass(frozen=True)
class Known:
    """What one run took. timing: see training/stopwatch. memory, size: bytes, resident and on disk."""

    settings: Mapping[str, Any]
    timing: Mapping[str, Mapping[str, float]]
    seconds: float
    memory: int
    size: int

    @property
    def rest(self) -> float:
        """Seconds that no activity accounts for: writing, mostly."""
        return max(self.seconds - sum(one["seconds"] for name, one in self.timing.items() if name != "worker"), 0.0)

    @property
    def looks(self) -> int:
        """How often a probe looked, but for the looks that were counted as compiling."""
        return int(sum(one["count"] for name, one in self.timing.items() if "/" in name))


Near = list[tuple[int, Known]]
"""Known runs of one size, each with the number of other settings that differ."""


def stored(store: Store, runs: Iterable[RunSpec], threads: int | None) -> list[Known]:
    """Runs of the store that may tell what these cost: trained on a machine like this, by as many threads a worker.

    First these runs themselves, where they are there, then the newest of the same normaliser, model and data set.
    """
    themselves = {spec.id for spec in runs}
    wanted = {f"-{spec.model.name}-{spec.dataset.name}-s" for spec in runs}
    ids = [run_id for run_id in store.ids() if any(one in run_id for one in wanted)]
    ids.sort(key=lambda run_id: (run_id in themselves, _changed(store.root / run_id)), reverse=True)
    seen: Counter[str] = Counter()
    found = []
    for run_id in ids:
        kind = run_id.rpartition("-s")[0]
        seen[kind] += 1
        if (seen[kind] <= NEWEST or run_id in themselves) and (one := _known(store.read(run_id), threads)) is not None:
            found.append(one)
    return found


def _known(run: StoredRun, threads: int | None) -> Known | None:
    try:
        about, settings = run.provenance, run.spec["settings"]
        here = provenance.machine().items() <= about["machine"].items() and about["threads"] == threads
        if not here or about["status"] != "complete":
            return None
        on_disk = sum(entry.stat().st_size for entry in os.scandir(run.folder))
        return Known(settings, about["timing"], about["seconds"], about["peak_memory"], on_disk)
    except (DamagedRun, KeyError, OSError):  # trained before all of this was written down
        return None


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def closest(near: Near) -> list[Known]:
    least = min(far for far, _ in near)
    return [one for far, one in near if far == least][:NEAREST]


def program(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide how fast a step is."""
    kinds = ("dataset", "model", "norm", "optimizer")
    return {
        key: value
        for key, value in settings.items()
        if key == "batch_size" or (key.split(".")[0] in kinds and key not in _NOT_OF_PROGRAM)
    }


def distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> int | None:
    """The number of settings that differ; None if a size does."""
    different = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    for key in different:
        kind = key.split(".")[0]
        if kind in ("dataset", "model", "batch_size") and (
            "." not in key or _is_size(one, key) or _is_size(other, key)
        ):
            return None
    return len(different)


def _is_size(settings: Mapping[str, Any], key: str) -> bool:
    value = settings.get(key)
    return isinstance(value, (int, list)) and not isinstance(value, bool)


def same_probe(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Whether a probe looks at the same things. How often it does is another matter."""
    prefix = f"probe.{name}."
    asked = [
        {key: value for key, value in settings.items() if key.startswith(prefix) and not key.endswith(".every")}
        for settings in (one, other)
    ]
    return asked[0] == asked[1]


def rate(near: Near, activity: str) -> float | None:
    """Seconds for one, from the nearest runs that tell."""
    telling = [(far, one) for far, one in near if activity in one.timing]
    if not telling:
        return None
    entries = [one.timing[activity] for one in closest(telling)]
    return sum(entry["seconds"] for entry in entries) / sum(entry["count"] for entry in entries)
