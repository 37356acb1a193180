"""Shared by all benchmarks: contestants in turns, a description of the machine, a CSV file and a printed table."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "results" / "bench"
CORES = len(os.sched_getaffinity(0))
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def environment(threads: int) -> dict[str, str]:
    """This process's environment with this many threads for every library, which reads it at import."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | quiet


def machine() -> str:
    """Processor, cores, memory and versions in one line."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = []
    for name in ("tensorflow", "keras", "torch", "numpy"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    widest = next((one for one in ("avx512f", "avx2", "avx") if one in info), "")
    return (
        f"{names[0] if names else platform.machine()} {widest}, {CORES} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def take_turns(
    contestants: Mapping[str, Callable[[], float]], repeats: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Run the contestants in turn for `repeats` rounds, after an uncounted round if `warm_up`.

    A contestant returns its own figure (seconds, or seconds per step). A machine that slows down slows all of them.
    """
    figures: dict[str, list[float]] = {name: [] for name in contestants}
    for counts in [*([False] if warm_up else []), *[True] * repeats]:
        for name, run in contestants.items():
            figure = run()
            if counts:
                figures[name].append(figure)
    return figures


def seconds(call: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def spread(figures: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(figures), "lowest": min(figures), "highest": max(figures)}


def ratio(others: Sequence[float], ours: Sequence[float]) -> float:
    """Median over rounds of the ratio of times: how many times as fast ours is."""
    return statistics.median(other / own for other, own in zip(others, ours, strict=True))


def write(name: str, rows: Sequence[Mapping[str, Any]], title: str) -> None:
    """Print a table and write it to results/bench/<name>.csv, with the machine's description in every row."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(shown(row.get(key)) for key in columns))
    console.print(table)
    RESULTS.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.map(lambda value: float(f"{value:.4g}") if isinstance(value, float) else value)
    frame["machine"] = machine()
    frame.to_csv(RESULTS / f"{name}.csv", index=False, lineterminator="\n")
    console.print(f"results/bench/{name}.csv")


def shown(value: Any) -> str:
    """A value with four digits; "" for a missing one."""
    if value is None:
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
