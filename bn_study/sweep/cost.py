"""The cost of a plan, estimated from comparable runs stored on this machine.

Every run's provenance records where its time went (training/stopwatch): steps, measurements, starts. The cost of a
planned run is composed of these times of the most similar stored runs. Comparable runs have its sizes: the batch size
and every setting of the data set and of the model that is a whole number or a list. The most similar of them differ in
the fewest other settings.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan.expand import expand
from bn_study.plan.experiment import Experiment, Grid
from bn_study.plan.schedule import measuring_points
from bn_study.plan.spec import RunSpec
from bn_study.store.store import Store
from bn_study.sweep import child
from bn_study.sweep.call import Call
from bn_study.sweep.status import PlanStatus
from bn_study.sweep.timings import Known, Near, closest, distance, program, rate, same_probe, stored
from bn_study.sweep.units import duration, size


@dataclass
class Price:
    """The price of runs. seconds: wall clock. memory: bytes of all workers. disk: bytes. None: no comparable run.

    unknown: the number of runs that are left out because no comparable run is stored. unmeasured: probes whose time per
    evaluation is unknown and left out. sources: the number of stored runs that the estimate uses.
    """

    workers: int
    seconds: float | None = None
    memory: int | None = None
    disk: int | None = None
    unknown: int = 0
    unmeasured: set[str] = field(default_factory=set)
    sources: int = 0


@dataclass(frozen=True)
class _Cost:
    """The cost of one run. seconds: without compiling, which a worker does once for all runs of a program."""

    seconds: float
    compiling: float
    program: str
    memory: int
    disk: float
    unmeasured: set[str]
    sources: list[Known]


def price(runs: Sequence[RunSpec], known: Sequence[Known], workers: int) -> Price:
    """The price of training all these runs with this many workers in parallel."""
    answer = Price(min(workers, max(len(runs), 1)))
    costs = [cost for _, cost in _costs(runs, known) if cost is not None]
    answer.unknown = len(runs) - len(costs)
    if costs:
        compiling = {cost.program: cost.compiling for cost in costs}
        programs = Counter(cost.program for cost in costs)
        total = sum(cost.seconds for cost in costs)
        total += sum(seconds * min(answer.workers, programs[one]) for one, seconds in compiling.items())
        longest = max(cost.seconds + cost.compiling for cost in costs)
        start = rate([(0, one) for one in known], "worker") or 0.0
        answer.seconds = start + max(total / answer.workers, longest)
        answer.memory = max(cost.memory for cost in costs) * answer.workers
        answer.disk = round(sum(cost.disk for cost in costs))
        answer.unmeasured = {name for cost in costs for name in cost.unmeasured}
        answer.sources = len({id(one) for cost in costs for one in cost.sources})
    return answer


def expected(runs: Sequence[RunSpec], known: Sequence[Known]) -> dict[str, float]:
    """Seconds that a worker needs for each of these runs, by id, without those that have no comparable run."""
    return {spec.id: cost.seconds for spec, cost in _costs(runs, known) if cost is not None}


def _costs(runs: Iterable[RunSpec], known: Sequence[Known]) -> Iterator[tuple[RunSpec, _Cost | None]]:
    """The cost of each run. The seed does not change it, so runs that differ only in the seed are estimated once."""
    costs: dict[str, _Cost | None] = {}
    theirs = [(program(one.settings), one) for one in known]
    for spec in runs:
        kind = replace(spec, seed=0).canonical()
        if kind not in costs:
            costs[kind] = _cost(spec, theirs)
        yield spec, costs[kind]


def _cost(spec: RunSpec, known: Sequence[tuple[dict[str, Any], Known]]) -> _Cost | None:
    """known: stored runs, each with the settings that decide its speed. None if none of them has the run's sizes."""
    settings = spec.settings
    own = program(settings)
    distances = [(distance(own, other), one) for other, one in known]
    near: Near = [(differing, one) for differing, one in distances if differing is not None]
    step = rate(near, "training") if spec.steps else 0.0
    if step is None or not near:
        return None
    nearest = closest(near)
    evaluations = Counter(probe.name for _, probes in measuring_points(spec) for probe in probes)
    unmeasured = set()
    seconds = spec.steps * step + (rate(near, "starting") or 0.0) + statistics.median(one.rest for one in nearest)
    for name, count in evaluations.items():
        like = [(differing, one) for differing, one in near if same_probe(one.settings, settings, name)]
        once, last = rate(like, f"measuring/{name}"), rate(like, f"final/{name}")
        seconds += (count - 1) * (once or 0.0) + (last or 0.0)
        if last is None or (once is None and count > 1):
            unmeasured.add(name)
    alike = [(differing, one) for differing, one in near if one.settings["probe"] == settings["probe"]] or near
    disk = statistics.median(one.size / max(one.evaluations, 1) for one in closest(alike)) * evaluations.total()
    memory = max(one.memory for one in nearest)
    compiling = rate(near, "compiling") or 0.0
    return _Cost(seconds, compiling, repr(own), memory, disk, unmeasured, nearest)


def to_train(experiment: Experiment, plan: PlanStatus) -> list[RunSpec]:
    """The missing runs, including those that still wait for tuning, with an arbitrary value for each tuned setting."""
    missing = [run.spec for run in plan.missing]
    if not plan.waiting:
        return missing
    from bn_study.analysis.tune import supposed  # imported late: pandas takes longer than the rest of the plan

    later = {"waiting": Grid("waiting", {}, tuple(plan.waiting))}
    waiting, _ = expand(replace(experiment, grids=later), supposed(experiment))
    known = {run.spec.id for run in plan.runs}
    return missing + [run.spec for run in waiting if run.spec.id not in known]


def told(call: Call, plan: PlanStatus, calibrate: bool) -> Iterator[tuple[str, str]]:
    """The price of the missing runs as pairs (name, text), which say where the estimate comes from."""
    store = call.study.store
    runs = to_train(call.experiment, plan)
    if not runs:
        return
    known, source = stored(store, runs, call.threads, call.device), "comparable run{} stored on this machine"
    if calibrate and unpriced(runs, known):
        known, source = known + calibrated(call, runs), "run{} stored on this machine or trained just now"
    cost = price(runs, known, call.workers(len(runs)))
    gaps = [f"{cost.unknown} of the runs"] if cost.unknown else []
    gaps += [f"the time of the probe {name}" for name in sorted(cost.unmeasured)]
    advice = "nothing comparable is stored on this machine; --calibrate measures it"
    if cost.seconds is None or cost.memory is None or cost.disk is None:
        yield "time left", f"unknown: {advice}"
        return
    side = f"{cost.workers} worker{'s' if cost.workers > 1 else ''}"
    sources = f"{cost.sources} {source.format('s' if cost.sources > 1 else '')}"
    yield "time left", f"about {duration(cost.seconds)} with {side}, by {sources}"
    if gaps:
        yield "", f"without {' and '.join(gaps)}: {advice}"
    yield "memory", f"about {size(cost.memory)} for {side}; {size(_free_memory())} are free"
    folder = next(one for one in (store.root, *store.root.parents) if one.exists())
    yield "disk", f"about {size(cost.disk)}; {size(shutil.disk_usage(folder).free)} are free"


def of_all(call: Call, plan: PlanStatus, calibrate: bool) -> tuple[Price, Price]:
    """The price of the missing runs, and the price of all runs."""
    everything = to_train(call.experiment, replace(plan, done=frozenset()))
    known = stored(call.study.store, everything, call.threads, call.device)
    if calibrate and unpriced(everything, known):
        known += calibrated(call, everything)
    missing = to_train(call.experiment, plan)
    cost, whole = (price(runs, known, call.workers(max(len(runs), 1))) for runs in (missing, everything))
    return cost, whole


def calibrated(call: Call, runs: Sequence[RunSpec]) -> list[Known]:
    """Short runs, trained in another process, of each kind that has no comparable run. Raises UsageError."""
    with tempfile.TemporaryDirectory() as folder:
        answer = subprocess.run(
            [*child.PYTHON, "-m", "bn_study.sweep.calibration", folder, *call.request.worker_words],
            env=call.environment(0) | child.environment(),
            capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        if answer.returncode:
            raise UsageError(f"--calibrate: {(answer.stderr.strip().splitlines() or ['it ended'])[-1]}")
        return stored(Store(Path(folder)), runs, call.threads, call.device)


def _free_memory() -> int:
    """Bytes that programs can still use without swapping."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def unpriced(runs: Iterable[RunSpec], known: Sequence[Known]) -> list[RunSpec]:
    """One run of each kind that the known runs do not price completely."""
    kinds: dict[str, RunSpec] = {}
    for spec in runs:
        probes = {key: value for key, value in spec.settings.items() if key.startswith("probe") and "every" not in key}
        kinds.setdefault(repr((program(spec.settings), probes)), spec)
    return [spec for spec in kinds.values() if (alone := price([spec], known, 1)).unknown or alone.unmeasured]
