"""The cost of portable numerics: a step of the MLP and of the CNN, against native numerics on the same processor.

    scripts/bench.sh numerics

Numerics are chosen before TensorFlow is imported, so each turn is a process.
"""

import json
import subprocess
import sys
from functools import partial

from _common import ROOT, environment, ratio, seconds, spread, take_turns, write

NETWORKS = {
    "mlp": (["dataset=mnist", "model=mlp", "batch_size=60"], 2000),
    "cnn": (["dataset=cifar10_jpeg", "dataset.subset=10000", "model=cnn", "batch_size=64"], 50),
}
"""Settings, and the number of timed steps."""
NORMS = ("none", "batch")
REPEATS = 3


def child(model: str, norm: str) -> float:
    """Milliseconds per step on one core."""
    from bn_study import study
    from bn_study.plan.compose import compose
    from bn_study.plan.expand import expand
    from bn_study.training import batches
    from bn_study.training.train import Programs

    words, steps = NETWORKS[model]
    experiment, _ = compose(study.locate().home, None, [*words, f"norm={norm}", f"steps={2 * steps}"])
    spec = expand(experiment, {})[0][0].spec
    programs = Programs()
    program, _ = programs.start(spec)
    order = batches.of_run(spec, programs.data(spec.dataset).train)

    def train(first: int) -> None:
        for step in range(first, first + steps, program.chunk):
            count = min(program.chunk, first + steps - step)
            program.advance(order.rows(step, count), batches.learning_rates(spec, step, count), None)

    train(0)  # compiles
    return 1000 * seconds(lambda: train(steps)) / steps


def turn(model: str, norm: str, chosen: str) -> float:
    """The same in a process with these numerics."""
    from bn_study.plan import numerics

    command = [sys.executable, __file__, "--child", model, norm]
    surroundings = numerics.environment(environment(1), "portable" if chosen == "portable" else "native")
    done = subprocess.run(command, env=surroundings, stdout=subprocess.PIPE, check=True, cwd=ROOT)
    return float(json.loads(done.stdout))


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(*sys.argv[2:])))
        return
    rows = []
    for model in NETWORKS:
        for norm in NORMS:
            contestants = {one: partial(turn, model, norm, one) for one in ("native", "portable")}
            found = take_turns(contestants, REPEATS, warm_up=False)
            rows += [
                {
                    "model": model, "norm": norm, "numerics": name, **spread(times),
                    "times_native": ratio(times, found["native"]),
                }
                for name, times in found.items()
            ]  # fmt: skip
    write("numerics", rows, "milliseconds of a training step, one core")


if __name__ == "__main__":
    main()
