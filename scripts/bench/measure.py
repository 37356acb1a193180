"""The cost of measuring: each probe alone at the default schedule, as a share of training time.

    scripts/bench.sh measure

The times are those in every run's provenance (`timing`), during training and at the end, without tracing.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from _common import ROOT, environment, spread, write

PROBES = ("curves", "activations", "gradients")
NETWORKS = {
    "mlp": ["dataset=mnist", "model=mlp", "batch_size=60", "steps=5000"],
    "cnn": ["dataset=cifar10_jpeg", "model=cnn", "batch_size=64", "steps=1000"],
}
REPEATS = {"mlp": 3, "cnn": 1}


def measure() -> list[dict[str, object]]:
    """A row per network, normalizer and probe."""
    from bn_study import study
    from bn_study.plan.compose import compose
    from bn_study.plan.expand import expand
    from bn_study.training.train import Programs, train

    rows: list[dict[str, object]] = []
    for model, words in NETWORKS.items():
        for norm in ("none", "batch"):
            programs = Programs()
            specs = {}
            for probe in PROBES:
                experiment, _ = compose(study.locate().home, None, [*words, f"norm={norm}", f"probe=[{probe}]"])
                specs[probe] = expand(experiment, {})[0][0].spec
            for spec in specs.values():  # trace every function before timing
                train(dataclasses.replace(spec, steps=10), programs, lambda step, state: None, None)
            timings: dict[str, list[tuple[float, float, float]]] = {probe: [] for probe in PROBES}
            for _ in range(REPEATS[model]):
                for probe, spec in specs.items():
                    timing = train(spec, programs, lambda step, state: None, None).timing
                    seconds = {name: entry["seconds"] for name, entry in timing.items()}
                    timings[probe].append(
                        (seconds["training"], seconds[f"measuring/{probe}"], seconds[f"final/{probe}"])
                    )
            for probe, times in timings.items():
                shares = spread([(between + final) / training for training, between, final in times])
                training, between, final = (spread(column)["median"] for column in zip(*times, strict=True))
                rows.append(
                    {
                        "model": model, "norm": norm, "probe": probe, "default": probe == "curves",
                        "training_seconds": training, "between_seconds": between, "final_seconds": final,
                        "share": shares["median"], "share_lowest": shares["lowest"], "share_highest": shares["highest"],
                    }
                )  # fmt: skip
                print(json.dumps(rows[-1]), file=sys.stderr)
    return rows


def worker() -> list[dict[str, object]]:
    """A worker in a real sweep on MNIST: time to the first step of its later runs, and peak memory."""
    words = [*NETWORKS["mlp"], "norm=none,batch", "seed=range(3)", "workers=1"]
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, "-m", "bn_study", "run", *words]
        variables = os.environ | {"BN_STUDY_RESULTS": results}
        subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=True, cwd=ROOT)
        runs = [json.loads(path.read_text()) for path in Path(results).glob("runs/*/provenance.json")]
    later = [run["timing"]["starting"]["seconds"] for run in runs if "starting" in run["timing"]]
    rows = [{"what": "seconds to a second run's first step", "value": max(later)}]
    return [*rows, {"what": "peak memory, GB", "value": max(run["peak_memory"] for run in runs) / 1e9}]


def main() -> None:
    if sys.argv[1:] == ["--child"]:
        print(json.dumps(measure()))
        return
    write("worker", worker(), "a worker that trains six MLPs on MNIST")
    command = [sys.executable, __file__, "--child"]
    done = subprocess.run(command, env=environment(1), stdout=subprocess.PIPE, check=True, cwd=ROOT)
    write("measure", json.loads(done.stdout), "measuring, one core")


if __name__ == "__main__":
    main()
