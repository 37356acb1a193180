"""A cold sweep: 16 runs of 5,000 steps, from the command line to written records, against hand-written loops.

scripts/bench.sh sweep
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _common import CORES, ROOT, environment, ratio, seconds, spread, take_turns, write

SEEDS, STEPS = 8, 5000
REPEATS = 1  # each takes minutes
REQUEST = [
    "dataset=mnist", "norm=none,batch", f"seed=range({SEEDS})", f"steps={STEPS}", "batch_size=60",
    "optimizer.learning_rate=0.1", "model=mlp",
]  # fmt: skip


def ours() -> None:
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "bn_study", "run", *REQUEST]
        variables = os.environ | {"BN_STUDY_RESULTS": results}
        subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        stored = list(Path(results).glob("runs/*/records.parquet"))
        if len(stored) != 2 * SEEDS:
            raise SystemExit(f"ours left {len(stored)} runs, not {2 * SEEDS}")


def others(library: str, processes: int, threads: int) -> None:
    """`loops.py` in several processes, each with its share of the seeds."""
    with tempfile.TemporaryDirectory() as results:
        children = [
            subprocess.Popen(
                [sys.executable, str(Path(__file__).parent / "loops.py"), library, results, str(STEPS),
                 *(str(seed) for seed in range(number, SEEDS, processes))],
                env=environment(threads), cwd=ROOT,
            )
            for number in range(processes)
        ]  # fmt: skip
        if any(child.wait() for child in children):
            raise SystemExit(f"{library} failed")
        stored = list(Path(results).glob("*.csv"))
        if len(stored) != 2 * SEEDS:
            raise SystemExit(f"{library} left {len(stored)} runs, not {2 * SEEDS}")


def main() -> None:
    contestants = {
        "ours": ours,
        "fit, one process": lambda: others("keras", 1, CORES),
        "fit, one process a core": lambda: others("keras", CORES, 1),
        "pytorch, one process a core": lambda: others("torch", CORES, 1),
    }
    timed = {name: lambda run=run: seconds(run) for name, run in contestants.items()}
    figures = take_turns(timed, REPEATS, warm_up=False)
    rows = [
        {"contestant": name, **{f"{key}_seconds": value for key, value in spread(times).items()},
         "times_ours": ratio(times, figures["ours"])}
        for name, times in figures.items()
    ]  # fmt: skip
    write("sweep", rows, f"{2 * SEEDS} runs of {STEPS:,} steps, cold")


if __name__ == "__main__":
    main()
