"""The GPU path on a real GPU: golden runs against the CPU, and step times beside Keras `fit` and PyTorch.

    scripts/gpu_check.sh
    python gpu.py ready                    exit 2 and one line if there is no GPU or TensorFlow cannot use it
    python gpu.py agree [SETTING ...]      golden runs, trained by the CPU and again with these settings (device=gpu)
    python gpu.py steps                    step times on the CPU and on the GPU

`agree` is `bn-study replicate` in a study of its own, whose experiment is the golden runs with SEEDS seeds each.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import yaml
from _common import ROOT, environment, machine, write
from case import Case

from bn_study.errors import UsageError
from bn_study.plan import device, numerics
from bn_study.plan.gpu import seen

SEEDS = 8
"""Enough for an arm's prediction interval."""
EXACT = ("identities",)
"""Golden runs that train nothing."""
CASES = [
    *(Case("mlp", "3", "relu", norm) for norm in ("none", "before")),
    *(Case("cnn", "large", "relu", norm) for norm in ("none", "before")),
]
BN_STUDY = (sys.executable, "-m", "bn_study")


def ready() -> None:
    """Raises UsageError if device=gpu is not possible here."""
    from bn_study.sweep import placement
    from bn_study.sweep.request import Request

    placement.settled(Request.parse(["device=gpu"]))
    print(", ".join(map(str, seen().gpus)))


def golden_study(folder: Path) -> None:
    """A study with one experiment: a grid for each golden run."""
    sys.path.insert(0, str(ROOT / "tests"))
    import golden

    (folder / "experiments").mkdir()
    (folder / "conf").symlink_to(ROOT / "conf")
    grids = {}
    for name in golden.RUNS:
        if name not in EXACT:
            factors = dict(word.split("=", 1) for word in golden.words(name))
            grid = {key: yaml.safe_load(value) for key, value in factors.items()} | {"seed": f"range({SEEDS})"}
            # a list is one value here, not a sweep
            grids[name.replace(", ", "_").replace(" ", "_")] = {
                key: [value] if isinstance(value, list) else value for key, value in grid.items()
            }
    content = {"question": "Does a GPU train as the CPU does?", "grids": grids}
    (folder / "experiments" / "golden.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def agree(settings: Sequence[str]) -> int:
    """Print how the golden runs agree, and write results/bench/gpu_agree.csv. Returns 1 if they do not."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        golden_study(folder)
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        places = {"BN_STUDY_HOME": temporary, "BN_STUDY_RESULTS": str(folder / "results"), "PYTHONPATH": path}
        for words in (["run", "golden"], ["report", "golden"]):
            subprocess.run([*BN_STUDY, *words], env=os.environ | places, check=True, stdout=subprocess.DEVNULL)
        again = [*BN_STUDY, "replicate", "golden", "--rows", str(SEEDS), *settings]
        code = subprocess.run(again, env=os.environ | places).returncode
        tables = list((folder / "results" / "replications").glob("*.csv"))
        if not tables:
            return code
        rows = pd.read_csv(tables[0], keep_default_na=False).drop(columns=["evidence", "verdicts", "verdicts_same"])
        write("gpu_agree", rows.to_dict("records"), "golden runs against the CPU")
    return code


def steps() -> None:
    """Write results/bench/gpu_steps.csv: every contestant on the CPU and on the GPU, in one run."""
    gpu = seen().gpus[0]
    rows = []
    for name, one in (("cpu", None), (gpu.name, gpu)):
        surroundings = numerics.environment(environment(1), "native" if one else "portable")
        command = [sys.executable, __file__, "--contest"]
        done = subprocess.run(
            command, env=device.environment(surroundings, one), stdout=subprocess.PIPE, check=True, cwd=ROOT
        )
        rows += [{"device": name} | row for row in json.loads(done.stdout)]
    write("gpu_steps", rows, f"a training step; {gpu}; {machine()}")


def contest() -> None:
    """The rows of one device, as JSON."""
    from steps import contest

    rows = []
    for model in ("mlp", "cnn"):
        for row in contest([case for case in CASES if case.model == model], math.inf, 1):
            rows.append({key: value for key, value in row.items() if key != "share_of_peak"})
    print(json.dumps(rows))


def main() -> int:
    what, *rest = sys.argv[1:]
    try:
        if what == "agree":
            return agree(rest or ["device=gpu"])
        {"ready": ready, "steps": steps, "--contest": contest}[what]()
    except UsageError as error:
        print(f"gpu_check.sh: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
