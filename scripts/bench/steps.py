"""The time of a training step: our loop against Keras `fit` and PyTorch, on the same data, network and threads.

    scripts/bench.sh steps [mlp|cnn]

All contestants start from the same weights. Before the timing each one trains on the same batches, and its loss must
start at the same value and change by the same amount. Then the contestants of one architecture take turns, with and
without batch normalization. Times are per step; ratios are medians over rounds.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Sequence

from _common import CORES, ROOT, environment, ratio, spread, take_turns, write
from case import OURS, Case, Contestant, sgemm_peak

CHECKED_STEPS = 10
START_TOLERANCE, CHANGE_TOLERANCE = 1e-4, 0.1
"""Relative tolerances of the first loss and of its change over CHECKED_STEPS. Libraries sum in different orders, which
changes gradients at the kinks of ReLU and max-pooling, so the learning rate is small. Another learning rate, network or
batch is far outside these tolerances."""
SMALLEST_CHANGE = 5e-5
"""The smallest change of the loss that the check can distinguish from none."""
REPEATS = {"mlp": 4, "cnn": 3}
CASES = [
    *(Case("mlp", *rest) for rest in itertools.product(("3", "10"), ("sigmoid", "relu"), ("none", "before", "after"))),
    *(Case("cnn", shape, "relu", norm) for shape in ("small", "large") for norm in ("none", "before", "after")),
]


def contest(cases: Sequence[Case], peak: float, threads: int) -> list[dict[str, object]]:
    """Check and then time all contestants of one architecture, with each normalization."""
    import contestants

    field = {(case, name): one for case in cases for name, one in contestants.field(case, CHECKED_STEPS).items()}
    changes = {key: _change(one) for key, one in field.items()}
    for (case, name), (start, change) in changes.items():
        our_start, our_change = changes[case, OURS]
        if abs(start - our_start) > START_TOLERANCE * our_start or (
            abs(change - our_change) > CHANGE_TOLERANCE * abs(our_change) + SMALLEST_CHANGE
        ):
            raise SystemExit(
                f"{case}: {name} starts at a loss of {start} and changes it by {change}, ours from {our_start} by "
                f"{our_change}: that is not the same training"
            )
    figures = take_turns({key: one.time for key, one in field.items()}, REPEATS[cases[0].model])
    rows = []
    for (case, name), times in figures.items():
        milliseconds = spread([1000 * time for time in times])
        gflops = case.flops / milliseconds["median"] / 1e6
        plain = next(key for key in figures if key[0].norm == "none" and key[1] == name)
        row = {
            "model": case.model, "shape": case.shape, "activation": case.activation, "norm": case.norm,
            "threads": threads, "contestant": name, "ms": milliseconds["median"], "ms_lowest": milliseconds["lowest"],
            "ms_highest": milliseconds["highest"], "times_ours": ratio(times, figures[case, OURS]),
            "times_plain": ratio(times, figures[plain]), "gflops": gflops, "share_of_peak": gflops / peak,
        }  # fmt: skip
        rows.append(row)
        print(
            f"{case.model} {case.shape:5} {case.activation:7} {case.norm:6} {threads} {name:22} {row['ms']:9.3f} ms, "
            f"{row['times_ours']:5.2f} times ours, {row['times_plain']:5.2f} times plain, {row['share_of_peak']:.0%}",
            file=sys.stderr,
        )
    return rows


def _change(one: Contestant) -> tuple[float, float]:
    start = one.loss()
    one.train()
    return start, one.loss() - start


def _worth(case: Case, threads: int) -> bool:
    """A sweep gives an MLP one core and a CNN all cores. Deep MLPs have one activation, to finish in ten minutes."""
    if threads > 1:
        return case.shape == "large"
    return case.shape == "3" or (case.shape, case.activation) == ("10", "sigmoid")


def child(threads: int, models: list[str]) -> None:
    """One process per number of threads, because libraries read it at import."""
    peak = sgemm_peak()
    print(f"{threads} thread(s): sgemm peak {peak:.1f} GFLOP/s", file=sys.stderr)
    cases = [case for case in CASES if case.model in models and _worth(case, threads)]
    groups = itertools.groupby(cases, key=lambda case: (case.model, case.shape, case.activation))
    rows = [row for _, group in groups for row in contest(list(group), peak, threads)]
    peak = max(peak, sgemm_peak())
    for row in rows:
        row["share_of_peak"] = row["gflops"] / peak
        row["sgemm_peak"] = peak
    print(json.dumps(rows))


def main() -> None:
    models = sys.argv[1:] or ["mlp", "cnn"]
    rows = []
    for threads in dict.fromkeys((1, CORES)):
        command = [sys.executable, __file__, "--threads", str(threads), *models]
        done = subprocess.run(command, env=environment(threads), stdout=subprocess.PIPE, check=True, cwd=ROOT)
        rows += json.loads(done.stdout)
    write("steps" if len(models) == 2 else f"steps_{models[0]}", rows, "a training step")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--threads"]:
        child(int(sys.argv[2]), sys.argv[3:])
    else:
        main()
