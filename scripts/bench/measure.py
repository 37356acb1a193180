"""The cost of measuring, of starting and of memory, in the default numerics.

    scripts/bench.sh measure

Each probe alone at the default schedule, as a share of training time: the times are those in every run's provenance
(`timing`), during training and at the end, without tracing. One measuring point beside its arithmetic at the speed of
large matrix products. Whole commands of one step, and the memory of their workers.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _common import ROOT, environment, seconds, spread, take_turns, write

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


def point() -> list[dict[str, object]]:
    """A measuring point of a normalized MLP: 2,000 images of three splits with two sources of statistics."""
    from case import sgemm_peak

    from bn_study import study
    from bn_study.plan import parts
    from bn_study.plan.compose import compose
    from bn_study.plan.expand import expand
    from bn_study.plan.schedule import measuring_points
    from bn_study.training.evaluation import Evaluation
    from bn_study.training.train import Programs

    words = [*NETWORKS["mlp"], "norm=batch", "probe.curves.images=2000", "probe.curves.sources=[reestimated,moving]"]
    spec = expand(compose(study.locate().home, None, words)[0], {})[0][0].spec
    program, evaluator = Programs().start(spec)
    (probe,) = measuring_points(spec)[0][1]

    def measured() -> None:
        evaluation = Evaluation(evaluator, spec.batch_size, 2000, step=1, final=False)
        list(parts.call("probe", probe, program.network, evaluation))

    times = spread(take_turns({"point": lambda: seconds(measured)}, 21)["point"])
    kernels = [layer.kernel.shape for layer in program.network.linear]
    passes = 2000 * (3 * 2 + 1)  # and one to re-estimate
    arithmetic = passes * sum(2.0 * inputs * units for units, inputs in kernels) / sgemm_peak() / 1e9
    row = {"what": "measuring point", **{f"{key}_ms": 1e3 * one for key, one in times.items()}}
    return [row | {"arithmetic_ms": 1e3 * arithmetic, "times_arithmetic": times["median"] / arithmetic}]


def command(*words: str) -> tuple[float, list[dict[str, Any]]]:
    """Seconds of a whole `bn-study run` with one worker, and the provenance of its runs."""
    with tempfile.TemporaryDirectory() as results:
        variables = os.environ | {"BN_STUDY_RESULTS": results}
        call = [sys.executable, "-m", "bn_study", "run", *words, "workers=1"]
        took = seconds(lambda: subprocess.run(call, env=variables, stdout=subprocess.DEVNULL, check=True, cwd=ROOT))
        return took, [json.loads(path.read_text()) for path in Path(results).glob("runs/*/provenance.json")]


def worker() -> list[dict[str, object]]:
    """Real sweeps: a whole command of one step, a worker's later runs, and the memory of workers."""
    short = sorted((command(*NETWORKS["mlp"], "norm=batch", "steps=1") for _ in range(3)), key=lambda one: one[0])[1]
    compiling = short[1][0]["timing"]["compiling"]["seconds"]
    runs = command(*NETWORKS["mlp"], "norm=none,batch", "seed=range(3)")[1]
    (large,) = command(*NETWORKS["cnn"], "norm=batch", "steps=20")[1]
    later = [run["timing"]["starting"]["seconds"] for run in runs if "starting" in run["timing"]]
    found = {
        "seconds of a command that trains one step": short[0],
        "of these, compiling": compiling,
        "seconds to a second run's first step": max(later),
        "peak memory on MNIST, GB": max(run["peak_memory"] for run in runs) / 1e9,
        "peak memory on all of cifar10_jpeg, GB": large["peak_memory"] / 1e9,
    }
    return [{"what": what, "value": value} for what, value in found.items()]


def main() -> None:
    from bn_study.plan import numerics

    if sys.argv[1:] == ["--child"]:
        print(json.dumps([measure(), point()]))
        return
    write("worker", worker(), "commands and their workers")
    call = [sys.executable, __file__, "--child"]
    own = numerics.environment(environment(1), "portable")
    done = subprocess.run(call, env=own, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    shares, points = json.loads(done.stdout)
    write("measure", shares, "measuring, one core")
    write("point", points, "a measuring point, one core")


if __name__ == "__main__":
    main()
