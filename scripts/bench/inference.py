"""The time of inference with batch normalization, with it folded into the weights before it, and without it.

    scripts/bench.sh inference

The normalized network is trained for some steps first, so that its moving averages are not those of the start, and
gamma and beta are drawn at random. Folding multiplies each layer's weights by gamma / sqrt(variance + epsilon) and
moves the shift into its bias. The result is a plain network, which must give the same outputs; how its time differs
from that of the plain one is the noise of the measurement. The three take turns. Times are per batch; ratios are
medians over rounds.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from _common import CORES, ROOT, environment, ratio, seconds, spread, take_turns, write
from case import OURS, Case

TRAINED_STEPS, REPEATS = 50, 15
TOLERANCE = 1e-4
"""Largest allowed difference between outputs that must be the same, as a share of the largest output."""
NORMALIZED, FOLDED, PLAIN = "batch", "folded", "none"
NETWORKS = [("mlp", "3", "relu"), ("mlp", "10", "relu"), ("cnn", "small", "relu"), ("cnn", "large", "relu")]
BATCHES = (1, 128)
TURN = 0.3
"""Seconds of a turn, about."""


def contest(network: tuple[str, str, str], threads: int) -> list[dict[str, object]]:
    """Check and then time one architecture, in our stack and in PyTorch."""
    import contestants

    normalized = contestants.Shared(Case(*network, "before"), TRAINED_STEPS)
    normalized.program.advance(normalized.rows, normalized.rates(), None)
    plain, folded = (contestants.Shared(Case(*network, "none"), TRAINED_STEPS) for _ in range(2))
    normalized.weights = _drawn(contestants.weights(normalized))
    contestants.assign(normalized)
    folded.weights = _folded(normalized.weights, contestants.EPSILON)
    contestants.assign(folded)
    shared = {NORMALIZED: normalized, FOLDED: folded, PLAIN: plain}
    rows = []
    for examples in BATCHES:
        inputs = normalized.inputs[:examples]
        ours = {norm: contestants.ours_at_inference(one, inputs) for norm, one in shared.items()}
        theirs = {norm: contestants.torch_at_inference(one, inputs) for norm, one in shared.items()}
        _same(f"{network}, folded", ours[NORMALIZED](), ours[FOLDED]())
        for norm in shared:
            _same(f"{network}, {norm}, in PyTorch", ours[norm](), theirs[norm]())
        for contestant, calls in ((OURS, ours), ("pytorch", theirs)):
            count = max(1, round(TURN / min(seconds(calls[PLAIN]) for _ in range(5))))
            figures = take_turns({norm: _timed(call, count) for norm, call in calls.items()}, REPEATS)
            for norm, times in figures.items():
                milliseconds = spread([1000 * time for time in times])
                rows.append({
                    "model": network[0], "shape": network[1], "examples": examples, "threads": threads,
                    "contestant": contestant, "norm": norm, "ms": milliseconds["median"],
                    "ms_lowest": milliseconds["lowest"], "ms_highest": milliseconds["highest"],
                    "times_plain": ratio(times, figures[PLAIN]),
                })  # fmt: skip
    return rows


def _drawn(weights: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The same with a random gamma and beta in each normalizer, so that losing one of them shows."""
    import numpy as np

    random = np.random.default_rng(0)
    return [
        [random.uniform(0.5, 1.5, one[0].shape).astype(np.float32), random.normal(0, 0.5, one[1].shape), *one[2:]]
        if len(one) == 4
        else list(one)
        for one in weights
    ]


def _folded(weights: Sequence[Sequence[Any]], epsilon: float) -> list[list[Any]]:
    """The weights of a plain network that puts out what a network normalized before its activations does."""
    import numpy as np

    folded = []
    for layer in weights:
        if len(layer) == 4:  # gamma, beta and the moving averages, after the kernel of the layer before
            gamma, beta, mean, variance = layer
            factor, kernel = gamma / np.sqrt(variance + epsilon), folded[-1][0]
            by_unit = factor[:, None] if kernel.ndim == 2 else factor  # ours are (units, inputs), or (..., filters)
            folded[-1] = [kernel * by_unit, beta - mean * factor]
        else:
            folded.append(list(layer))
    return folded


def _same(what: str, one: Any, other: Any) -> None:
    error = abs(one - other).max() / abs(one).max()
    if not error <= TOLERANCE:
        raise SystemExit(f"{what}: outputs that must be the same differ by {error:.1g} of the largest")


def _timed(call: Callable[[], Any], calls: int) -> Callable[[], float]:
    return lambda: seconds(lambda: [call() for _ in range(calls)]) / calls


def child(threads: int) -> None:
    """One process per number of threads, read at import: the large CNN has all cores, the other networks one."""
    networks = [one for one in NETWORKS if (one[1] == "large") == (threads > 1)] if CORES > 1 else NETWORKS
    print(json.dumps([row for network in networks for row in contest(network, threads)]))


def main() -> None:
    rows = []
    for threads in dict.fromkeys((1, CORES)):
        command = [sys.executable, __file__, "--threads", str(threads)]
        done = subprocess.run(command, env=environment(threads), stdout=subprocess.PIPE, check=True, cwd=ROOT)
        rows += json.loads(done.stdout)
    write("inference", rows, "inference")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--threads"]:
        child(int(sys.argv[2]))
    else:
        main()
