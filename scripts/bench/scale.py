"""Scaling of planning, plan status and reports with the number of runs, and the start time of each verb.

Nothing is trained: the real writer publishes runs whose records are random and as long as real ones. Everything is
written into a temporary folder. Times are of whole processes unless the row says `in process`.
"""

import itertools
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _common import write

from bn_study import report
from bn_study.analysis import claims, csv_files, tables, tune
from bn_study.plan.compose import compose
from bn_study.plan.experiment import PlannedRun
from bn_study.plan.spec import RunSpec
from bn_study.store.store import Store
from bn_study.study import Study
from bn_study.sweep.status import plan_status

HOME = Path(__file__).resolve().parents[2]
PLANNED = (1_000, 10_000, 100_000)
STORED = (1_000, 10_000)
REPEATS = 3  # of calls that take less than LONG
LONG = 5.0  # seconds; a longer call is timed once
QUANTILES = (5, 15, 50, 85, 95)  # the records of the probe `activations` for each unit
DRAWS = 8  # different random contents for runs of one kind, used in turn
TARGETS = {  # seconds, on two cores
    ("plan", 100_000): 10.0,
    ("know that all are done", 10_000): 2.0,
    ("report", 1_000): 15.0,
    ("--help", 0): 1.0,
    ("list", 0): 1.0,
    ("plan of 100 runs", 0): 1.0,
}


@dataclass(frozen=True)
class Timed:
    """Median of several calls. memory: peak resident set in MB; NaN if it was not this call's alone."""

    seconds: float
    spread: float
    memory: float = math.nan


# --- requests ---------------------------------------------------------------------------------------------------------


def sweep(runs: int) -> list[str]:
    """A command-line sweep of this many runs: two normalizers, five learning rates, and seeds."""
    rates = ",".join(str(0.01 * 2**power) for power in range(5))
    return ["norm=none,batch", f"optimizer.learning_rate={rates}", f"seed=range({runs // 10})"]


def experiment(runs: int) -> list[str]:
    """The experiment with seeds for about this many runs: four grids, tuning, claims, a figure.

    Activations are measured as often as accuracies: with the experiment's own interval ten thousand runs are 6 GB.
    """
    return ["faster_convergence", f"seed=range(1000,{1000 + round((runs - 36) / 16)})", "probe.activations.every=null"]


# --- synthetic runs ---------------------------------------------------------------------------------------------------


class Writer:
    """Publishes runs of an experiment as if they had been trained."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.random = np.random.default_rng(0)
        self.drawn: dict[Any, list[tuple[pd.DataFrame, pd.DataFrame]]] = {}
        store.prepare()

    def publish(self, spec: RunSpec, stated: dict[str, str]) -> None:
        kind = (spec.norm.name, spec.steps, tuple(probe.name for probe in spec.probes))
        if kind not in self.drawn:
            self.drawn[kind] = [self._draw(spec) for _ in range(DRAWS)]
        records, vectors = self.drawn[kind][spec.seed % DRAWS]
        about = {"status": "complete", "diverged_at": None, "classes": 10, "commit": "0" * 40, "dirty": False,
                 "stated": stated}  # fmt: skip
        self.store.publish(spec, records, vectors, about)

    def _draw(self, spec: RunSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Curves that rise to the level and beyond, and units that wander."""
        speed = self.random.uniform(2, 4) * (2 if spec.norm.name == "batch" else 1)
        steps = [0, *np.unique(np.geomspace(spec.measure["first"], spec.steps, spec.measure["points"]).round())]
        units = self.random.normal(size=(len(steps), 3, len(QUANTILES), 100)).cumsum(axis=0) / 10
        scalars: list[tuple[int, str, str, float]] = []
        vectors: list[tuple[int, str, str, np.ndarray]] = []
        for point, step in enumerate(map(int, steps)):
            accuracy = 1 - 0.9 * math.exp(-speed * step / spec.steps * 4)
            for split, source in itertools.product(("train", "validation", "test"), ("", "_moving")):
                noisy = accuracy + self.random.normal(scale=0.002)
                scalars.append((step, f"{split}/loss{source}", "", 1 - noisy))
                scalars.append((step, f"{split}/accuracy{source}", "", noisy))
            for layer in range(3) if len(spec.probes) > 1 else ():
                site = f"layer{layer + 1}/pre"
                for name in ("mean", "std", "skewness", "kurtosis", *(f"q{one}" for one in QUANTILES)):
                    scalars.append((step, f"activation/{name}", site, self.random.normal()))
                for index, quantile in enumerate(QUANTILES):
                    values = (units[point, layer, index] + index).astype(np.float32)
                    vectors.append((step, f"activation/unit_q{quantile}", site, values))
                for name, length in (("histogram", 20), ("edges", 21)):
                    vectors.append((step, f"activation/{name}", site, np.arange(length, dtype=np.float32)))
        columns = ["step", "name", "site", "value"]
        return pd.DataFrame(scalars, columns=columns), pd.DataFrame(vectors, columns=columns)


def fill(study: Study, words: Sequence[str]) -> list[PlannedRun]:
    """Publish every missing run of an experiment, tuned ones included."""
    composed, _ = compose(study.home, words[0], words[1:])
    writer, stated = Writer(study.store), composed.stated()
    while missing := (plan := plan_status(composed, study.store)).missing:
        for run in missing:
            writer.publish(run.spec, stated)
    return plan.runs


# --- measuring --------------------------------------------------------------------------------------------------------


def repeated(call: Callable[[], Timed]) -> Timed:
    """The median of REPEATS calls, or one call if it takes long."""
    calls = [call()]
    while calls[0].seconds < LONG and len(calls) < REPEATS:
        calls.append(call())
    seconds = [each.seconds for each in calls]
    return Timed(statistics.median(seconds), max(seconds) - min(seconds), max(each.memory for each in calls))


COMMAND = """
import atexit, sys
from pathlib import Path

@atexit.register
def tell():
    status = Path("/proc/self/status").read_text()
    print(status.split("VmHWM:")[1].split("\\n")[0], file=sys.stderr)

from bn_study.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""The command. Its last line is its peak memory, because rusage would include this process, which forks it."""


def command(study: Study, *words: str) -> Timed:
    """A verb in a separate process."""
    environment = os.environ | {"BN_STUDY_HOME": str(study.home), "BN_STUDY_RESULTS": str(study.results)}
    started = time.perf_counter()
    answer = subprocess.run([sys.executable, "-c", COMMAND, *words], env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    if answer.returncode not in (0, 1):
        raise RuntimeError(f"bn-study {' '.join(words)}: exit code {answer.returncode}: {answer.stderr}")
    return Timed(seconds, 0.0, int(answer.stderr.split()[-2]) / 1024)


def timed(call: Callable[[], Any]) -> Timed:
    started = time.perf_counter()
    call()
    return Timed(time.perf_counter() - started, 0.0)


def starts(study: Study) -> Iterator[tuple[str, int, Timed]]:
    """Start time of each verb, with little to do."""
    verbs = {
        "--help": ["--help"],
        "list": ["list"],
        "plan of 100 runs": ["plan", *sweep(100)],
        "plan of the experiment": ["plan", "faster_convergence"],
        "show": ["show"],
        "doctor": ["doctor"],
    }
    for name, words in verbs.items():
        yield name, 0, repeated(partial(command, study, *words))


def plans(study: Study, sizes: Sequence[int]) -> Iterator[tuple[str, int, Timed]]:
    for size in sizes:
        yield "plan", size, repeated(partial(command, study, "plan", *sweep(size)))
        yield "plan of an experiment", size, repeated(partial(command, study, "plan", *experiment(size)))


def stored(study: Study, sizes: Sequence[int]) -> Iterator[tuple[str, int, Timed]]:
    """Verbs on stored runs, which are published in between."""
    for size in sizes:
        words = experiment(size)
        fill(study, words)
        composed, _ = compose(study.home, words[0], words[1:])
        yield (
            "know that all are done, in process",
            size,
            repeated(partial(timed, partial(plan_status, composed, study.store))),
        )
        yield "know that all are done", size, repeated(partial(command, study, "plan", *words))
        yield "run, all done", size, repeated(partial(command, study, "run", *words))
        yield "report", size, repeated(partial(command, study, "report", *words))
        yield from ((f"report: {name}, in process", size, one) for name, one in stages(study, composed))


def stages(study: Study, composed: Any) -> Iterator[tuple[str, Timed]]:
    """The stages of a report, as `evidence.report` runs them."""
    measures = tables.asked(composed)
    runs = plan_status(composed, study.store).runs
    kept: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)

        def make_runs() -> None:
            csv_files.write_csv(tables.runs_table(runs, study.store, measures), folder / "runs.csv")
            kept["runs"] = csv_files.read_csv(folder / "runs.csv")

        def make_curves() -> None:
            table = report.curves_table(composed, runs, study.store, kept["runs"])
            csv_files.write_csv(table, folder / "curves.csv")
            kept["curves"] = csv_files.read_csv(folder / "curves.csv")

        def judge() -> None:
            kept["tuned"] = tune.choose(composed, kept["runs"])
            kept["verdicts"] = claims.verdicts(composed, kept["runs"], kept["tuned"])

        def draw() -> None:
            report.write(folder, composed, kept["runs"], kept["curves"], kept["verdicts"], kept["tuned"])

        steps = {"runs.csv": make_runs, "curves.csv": make_curves, "verdicts": judge, "figures": draw}
        yield from ((name, timed(call)) for name, call in steps.items())


# --- output -----------------------------------------------------------------------------------------------------------


def rows(measured: Sequence[tuple[str, int, Timed]]) -> list[dict[str, Any]]:
    """A row for each measurement. growth: exponent of seconds over runs since the previous size; 1 is linear."""
    before: dict[str, tuple[int, float]] = {}
    table = []
    for name, size, one in sorted(measured, key=lambda each: (each[1] > 0, each[0], each[1])):
        growth = math.nan
        if name in before:
            smaller, seconds = before[name]
            growth = math.log(one.seconds / seconds) / math.log(size / smaller)
        before[name] = size, one.seconds
        target = TARGETS.get((name, size), math.nan)
        table.append(
            {
                "what": name,
                "runs": size or None,
                "seconds": round(one.seconds, 3),
                "spread": round(one.spread, 3),
                "memory_MB": round(one.memory) if one.memory > 0 else None,
                "growth": round(growth, 2),
                "target": target,
                "met": one.seconds <= target if target > 0 else None,
            }
        )
    return table


def main(planned: Sequence[int] = PLANNED, sizes: Sequence[int] = STORED) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as temporary:
        study = Study(HOME, Path(temporary))
        measured = [*starts(study), *plans(study, planned), *stored(study, sizes)]
    return rows(measured)


if __name__ == "__main__":
    write("scale", main(), "how it grows with the number of runs")
