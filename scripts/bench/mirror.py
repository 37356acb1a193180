"""The cost of a mirror for a sweep of one-minute runs: the same runs without a mirror and with each, in turn.

scripts/bench.sh mirror: about four minutes on two cores. Checkpoints are 15 seconds apart, so that the mirror has much
to copy. W&B is offline.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from _common import CORES, ROOT, ratio, seconds, spread, take_turns, write

STEPS = 100_000  # 45 seconds of training, nearly a minute with its start
REPEATS = 1
REQUEST = [
    "dataset=mnist", "norm=none", f"seed=range({CORES})", f"steps={STEPS}", "batch_size=60", "schedule=log60",
    "model=mlp", "probe=[curves,activations]", "checkpoint=15",
]  # fmt: skip
MIRRORS = ("none", "tensorboard", "wandb")


def sweep(mirror: str, trained: list[float]) -> None:
    """Run the sweep, and append the mean seconds of its runs to `trained`."""
    with tempfile.TemporaryDirectory() as results:
        command = [
            sys.executable,
            "-m",
            "bn_study",
            "run",
            *REQUEST,
            *([f"mirror={mirror}"] if mirror != "none" else []),
        ]
        variables = os.environ | {"BN_STUDY_RESULTS": results, "WANDB_MODE": "offline"}
        said = subprocess.run(command, env=variables, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        if "warning" in said:
            raise SystemExit(said)
        provenances = [json.loads(path.read_text()) for path in Path(results).glob("runs/*/provenance.json")]
        if len(provenances) != CORES:
            raise SystemExit(f"{len(provenances)} runs, not {CORES}")
        trained.append(statistics.mean(provenance["seconds"] for provenance in provenances))


def main() -> None:
    trained: dict[str, list[float]] = {name: [] for name in MIRRORS}
    timed = {name: lambda name=name: seconds(lambda: sweep(name, trained[name])) for name in MIRRORS}
    figures = take_turns(timed, REPEATS, warm_up=False)
    rows = [
        {
            "mirror": name,
            **{f"run_{key}_seconds": value for key, value in spread(trained[name]).items()},
            "run_times_none": ratio(trained[name], trained["none"]),
            **{f"sweep_{key}_seconds": value for key, value in spread(figures[name]).items()},
            "sweep_times_none": ratio(figures[name], figures["none"]),
        }
        for name in MIRRORS
    ]
    write("mirror", rows, f"{CORES} runs of {STEPS:,} steps side by side, {REPEATS} sweeps each")


if __name__ == "__main__":
    main()
