"""The time, memory and disk that stored runs took, and which stored runs are most similar to a planned one."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bn_study.plan.declared import RATE_OPTIONS, START_OPTIONS
from bn_study.plan.device import CPU
from bn_study.plan.spec import RunSpec
from bn_study.store import provenance
from bn_study.store.store import Store
from bn_study.store.stored_run import CannotRead, DamagedRun, StoredRun

NEWEST = 30
"""At most this many stored runs per normalizer, model and data set are read, newest first: older code may be slower."""
NEAREST = 32
"""An estimate averages at most this many runs."""

_NOT_OF_PROGRAM = {*(f"model.{name}" for name in START_OPTIONS), *(f"optimizer.{name}" for name in RATE_OPTIONS)}
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
        """Seconds that no activity accounts for, mostly writing."""
        return max(self.seconds - sum(one["seconds"] for name, one in self.timing.items() if name != "worker"), 0.0)

    @property
    def evaluations(self) -> int:
        """How often a probe was evaluated. Evaluations that were counted as compiling are left out."""
        return int(sum(one["count"] for name, one in self.timing.items() if "/" in name))


Near = list[tuple[int, Known]]
"""Known runs of the same sizes, each with the number of its settings that differ."""


def stored(store: Store, runs: Iterable[RunSpec], threads: int | None, device: str) -> list[Known]:
    """Stored runs that these can be compared with: trained on such a machine and device, with as many threads.

    First the runs themselves, if they are stored, then the newest of the same normalizer, model and data set.
    """
    themselves = {spec.id for spec in runs}
    wanted = {f"-{spec.model.name}-{spec.dataset.name}-s" for spec in runs}
    ids = [run_id for run_id in store.ids() if any(one in run_id for one in wanted)]
    ids.sort(key=lambda run_id: (run_id in themselves, _changed(store.root / run_id)), reverse=True)
    seen: Counter[str] = Counter()
    comparable = []
    for run_id in ids:
        kind = run_id.rpartition("-s")[0]
        seen[kind] += 1
        if seen[kind] <= NEWEST or run_id in themselves:
            comparable.append(_known(store.read(run_id), threads, device))
    return [run for run in comparable if run is not None]


def _known(run: StoredRun, threads: int | None, device: str) -> Known | None:
    try:
        origin, settings = run.provenance, run.spec["settings"]
        here = provenance.machine().items() <= origin["machine"].items() and origin["threads"] == threads
        here = here and origin.get("device", {"name": CPU})["name"] == device
        if not here or origin["status"] != "complete":
            return None
        on_disk = sum(entry.stat().st_size for entry in os.scandir(run.folder))
        return Known(settings, origin["timing"], origin["seconds"], origin["peak_memory"], on_disk)
    except (DamagedRun, CannotRead, KeyError):  # KeyError: older runs did not record all of this
        return None


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def closest(near: Near) -> list[Known]:
    """The runs with the fewest settings that differ, at most NEAREST of them."""
    least = min(differing for differing, _ in near)
    return [run for differing, run in near if differing == least][:NEAREST]


def program(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide how fast a step is."""
    kinds = ("dataset", "model", "norm", "optimizer")
    return {
        key: value
        for key, value in settings.items()
        if key == "batch_size" or (key.split(".")[0] in kinds and key not in _NOT_OF_PROGRAM)
    }


def distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> int | None:
    """The number of settings that differ; None if a size differs."""
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
    """Whether a probe has the same options in both settings. How often it is evaluated does not count."""
    prefix = f"probe.{name}."
    options = [
        {key: value for key, value in settings.items() if key.startswith(prefix) and not key.endswith(".every")}
        for settings in (one, other)
    ]
    return options[0] == options[1]


def rate(near: Near, activity: str) -> float | None:
    """Seconds per occurrence of an activity, from the most similar runs that recorded it; None if none did."""
    recorded = [(differing, run) for differing, run in near if activity in run.timing]
    if not recorded:
        return None
    entries = [run.timing[activity] for run in closest(recorded)]
    return sum(entry["seconds"] for entry in entries) / sum(entry["count"] for entry in entries)
