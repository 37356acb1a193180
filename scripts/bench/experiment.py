"""Whole experiments: the useful share of a sweep, where the rest goes, and the time beside another commit's.

    scripts/bench.sh experiment
    .venv/bin/python scripts/bench/experiment.py COMMIT     also trains with the code of that commit, in turns

Three committed experiments with fewer seeds, each from the command line to its last record with nothing stored. A call
keeps nothing for the next one, which finds only the libraries' files in the operating system's memory.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from _common import CORES, ROOT, ratio, seconds, write

from bn_study.sweep.shares import shares

PARTS: dict[str, tuple[str, list[str], int, int]] = {
    "faster_convergence": ("faster_convergence", ["speed", "select", "figure1", "drift_tuned"], 1, 1),
    "faster_elsewhere, MLP": (
        "faster_elsewhere",
        ["tanh", "relu", "matched_tanh", "matched_relu", "select_tanh", "select_relu"],
        4,
        2,
    ),
    "faster_elsewhere, CNN": ("faster_elsewhere", ["cnn", "select_cnn"], 1, 1),
    "saturation": ("saturation", ["mnist", "toy"], 2, 0),
}
"""Part -> experiment, grids, seeds of each grid, seeds of a grid that selects a value for others."""


def study(tree: Path, folder: Path, part: str) -> None:
    """A study in `folder` that asks one part of an experiment, with the configuration of a source tree."""
    experiment, grids, seeds, select = PARTS[part]
    for name in ("conf", "statements.yaml"):
        os.symlink(tree / name, folder / name)
    asked = yaml.safe_load((tree / "experiments" / f"{experiment}.yaml").read_text())
    asked["grids"] = {name: asked["grids"][name] for name in grids}
    for name, grid in asked["grids"].items():
        if "seed" in grid or "like" not in grid:
            grid["seed"] = [100 + seed for seed in range(select)] if name.startswith("select") else f"range({seeds})"
    for tuned in asked.get("tune", {}).values():
        selects = [tuned["grid"]] if isinstance(tuned["grid"], str) else tuned["grid"]
        tuned["grid"] = [name for name in selects if name in grids]
    kept = {key: asked[key] for key in ("question", "source", "base", "grids", "tune") if key in asked}
    (folder / "experiments").mkdir()
    (folder / "experiments" / "asked.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))


def call(tree: Path, part: str) -> tuple[float, dict[str, float], int]:
    """Seconds from the command to its end, the shares, and the number of runs."""
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as results:
        study(tree, Path(place), part)
        own = {"BN_STUDY_HOME": place, "BN_STUDY_RESULTS": results, "PYTHONPATH": str(tree)}
        command = [sys.executable, "-P", "-m", "bn_study", "run", "asked"]
        wall = seconds(lambda: subprocess.run(command, env=os.environ | own, stdout=subprocess.DEVNULL, check=True))
        runs = [json.loads(path.read_text()) for path in Path(results).glob("runs/*/provenance.json")]
    return wall, shares(runs, CORES, wall), len(runs)


@contextmanager
def trees(commit: str | None) -> Iterator[Mapping[str, Path]]:
    """This source tree, and that of another commit."""
    if commit is None:
        yield {"ours": ROOT}
        return
    with tempfile.TemporaryDirectory() as place:
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", f"{place}/tree", commit], check=True, capture_output=True)
        try:
            yield {"ours": ROOT, commit[:10]: Path(place) / "tree"}
        finally:
            subprocess.run([*git, "remove", "--force", f"{place}/tree"], check=True)


def main() -> None:
    commit = sys.argv[1] if sys.argv[1:] else None
    rows: list[dict[str, Any]] = []
    with trees(commit) as contestants:
        for part in PARTS:
            found = {name: call(tree, part) for name, tree in contestants.items()}
            for name, (wall, where, runs) in found.items():
                row = {"part": part, "contestant": name, "runs": runs, "seconds": wall}
                rows.append(row | {"times_ours": ratio([wall], [found["ours"][0]]), **where})
                print(rows[-1], file=sys.stderr, flush=True)
    write("experiment", rows, "whole experiments")


if __name__ == "__main__":
    main()
