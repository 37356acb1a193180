"""What a plan will cost, from what comparable stored runs took on this machine.

Every run's provenance tells where its time went (training/stopwatch): a step, a measurement, a start. What a planned
run costs is put together from those of the nearest stored ones: they have its sizes (every setting of the data set and
of the model that is a whole number or a list, and the batch), and as many of its other settings as there is one with.
"""

import os
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bn_study import provenance
from bn_study.agenda import Agenda
from bn_study.plan.compose import expand
from bn_study.plan.experiment import Experiment, Grid
from bn_study.plan.spec import RunSpec
from bn_study.store import DamagedRun, Store, StoredRun
from bn_study.training.schedule import measuring_points
from bn_study.tune import supposed

NEWEST = 30
"""So many runs of a normaliser, model and data set are looked at: older ones may be of slower code."""
NEAREST = 8
"""The figures of so many are put together."""
_RATE_OPTIONS = ("optimizer.learning_rate", "optimizer.decay_at", "optimizer.decay_factor")


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


@dataclass
class Price:
    """Of the runs that are missing. seconds: of wall clock. memory: bytes of all workers. disk: bytes.

    None where nothing comparable is known. unknown: how many runs the figures leave out for that reason.
    unmeasured: probes of which no known run tells what a look costs; their time is left out.
    sources: the number of known runs that the figures come from.
    """

    workers: int
    seconds: float | None = None
    memory: int | None = None
    disk: int | None = None
    unknown: int = 0
    unmeasured: set[str] = field(default_factory=set)
    sources: int = 0


def price(runs: Sequence[RunSpec], known: Sequence[Known], workers: int) -> Price:
    """The price of training these runs, none of which is there, by so many workers side by side."""
    answer = Price(min(workers, max(len(runs), 1)))
    programs: Counter[str] = Counter()
    compiling: dict[str, float] = {}
    each: list[float] = []
    memory: list[int] = []
    disk = 0.0
    used: set[int] = set()
    for spec, near in _nearest(runs, known):
        step = _rate(near, "training")
        if step is None:
            answer.unknown += 1
            continue
        closest = _closest(near)
        used.update(id(one) for one in closest)
        looks = Counter(probe.name for _, probes in measuring_points(spec) for probe in probes)
        seconds = spec.steps * step + statistics.median(one.rest for one in closest)
        for name, count in looks.items():
            like = [(far, one) for far, one in near if _same_probe(one.settings, spec.settings, name)]
            once, last = _rate(like, f"measuring/{name}"), _rate(like, f"final/{name}")
            seconds += (count - 1) * (once or 0.0) + (last or 0.0)
            if last is None or (once is None and count > 1):
                answer.unmeasured.add(name)
        each.append(seconds + (_rate(near, "starting") or 0.0))
        program = repr(_program(spec.settings))
        programs[program] += 1
        compiling[program] = _rate(near, "compiling") or 0.0
        memory += [one.memory for one in closest]
        alike = [(far, one) for far, one in near if one.settings["probes"] == spec.settings["probes"]] or near
        disk += statistics.median(one.size / max(one.looks, 1) for one in _closest(alike)) * looks.total()
    answer.sources = len(used)
    if each:
        compiled = sum(seconds * min(answer.workers, programs[name]) for name, seconds in compiling.items())
        start = _rate([(0, one) for one in known], "worker") or 0.0
        longest = max(each) + max(compiling.values())
        answer.seconds = start + max((sum(each) + compiled) / answer.workers, longest)
        answer.memory = max(memory) * answer.workers
        answer.disk = round(disk)
    return answer


def to_train(experiment: Experiment, plan: Agenda) -> list[RunSpec]:
    """The runs that are missing, and those that will be once values are tuned, with some value in the place of each."""
    later = {"waiting": Grid("waiting", {}, tuple(plan.waiting))}
    waiting, _ = expand(replace(experiment, grids=later), supposed(experiment))
    known = {run.spec.id for run in plan.runs}
    return [run.spec for run in plan.missing] + [run.spec for run in waiting if run.spec.id not in known]


def stored(store: Store, runs: Iterable[RunSpec], threads: int | None) -> list[Known]:
    """Runs of the store that may tell what these cost: trained on a machine like this, by as many threads a worker."""
    wanted = {f"-{spec.model.name}-{spec.dataset.name}-s" for spec in runs}
    ids = [run_id for run_id in store.ids() if any(one in run_id for one in wanted)]
    ids.sort(key=lambda run_id: _changed(store.root / run_id), reverse=True)
    seen: Counter[str] = Counter()
    found = []
    for run_id in ids:
        kind = run_id.rpartition("-s")[0]
        seen[kind] += 1
        if seen[kind] <= NEWEST and (one := _known(store.read(run_id), threads)) is not None:
            found.append(one)
    return found


def _known(run: StoredRun, threads: int | None) -> Known | None:
    try:
        about, settings = run.provenance, run.spec["settings"]
        here = provenance.machine().items() <= about["machine"].items() and about["threads"] == threads
        if not here or about["status"] != "complete":
            return None
        size = sum(entry.stat().st_size for entry in os.scandir(run.folder))
        return Known(settings, about["timing"], about["seconds"], about["peak_memory"], size)
    except (DamagedRun, KeyError, OSError):  # trained before all of this was written down
        return None


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0


def _nearest(runs: Iterable[RunSpec], known: Sequence[Known]) -> Iterator[tuple[RunSpec, Near]]:
    """Each run with the known ones of its sizes."""
    cache: dict[str, Near] = {}
    theirs = [(_program(one.settings), one) for one in known]
    for spec in runs:
        program = _program(spec.settings)
        key = repr(program)
        if key not in cache:
            distances = [(_distance(program, other), one) for other, one in theirs]
            cache[key] = [(far, one) for far, one in distances if far is not None]
        yield spec, cache[key]


def _closest(near: Near) -> list[Known]:
    least = min(far for far, _ in near)
    return [one for far, one in near if far == least][:NEAREST]


def _program(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide how fast a step is."""
    kinds = ("dataset", "model", "norm", "optimizer")
    return {
        key: value
        for key, value in settings.items()
        if key == "batch_size" or (key.split(".")[0] in kinds and key not in _RATE_OPTIONS)
    }


def _distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> int | None:
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


def _same_probe(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Whether a probe looks at the same things. How often it does is another matter."""
    prefix = f"probes.{name}."
    asked = [
        {key: value for key, value in settings.items() if key.startswith(prefix) and not key.endswith(".every")}
        for settings in (one, other)
    ]
    return asked[0] == asked[1]


def _rate(near: Near, activity: str) -> float | None:
    """Seconds for one, from the nearest runs that tell."""
    telling = [(far, one) for far, one in near if activity in one.timing]
    if not telling:
        return None
    entries = [one.timing[activity] for one in _closest(telling)]
    return sum(entry["seconds"] for entry in entries) / sum(entry["count"] for entry in entries)
