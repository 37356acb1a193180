"""The time of inference with batch normalization, with it folded into the weights before it, and without it.

    scripts/bench.sh inference

The normalized network is trained for some steps first, so that its moving averages are not those of the start. Folded,
each layer's weights are multiplied by gamma / sqrt(variance + epsilon) and its bias takes the shift, so that it is the
plain network with other weights; it must put out what the normalized one does. The three take turns. Times are per
batch; ratios are medians over rounds.
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
"""Largest difference between the outputs of the normalized network and the folded one, relative to the largest."""
WHOLE, FOLDED, PLAIN = "batch", "folded", "none"
NETWORKS = [("mlp", "3", "relu"), ("mlp", "10", "relu"), ("cnn", "small", "relu"), ("cnn", "large", "relu")]
BATCHES = {1: 200, 128: 10}
"""Calls per turn, by the number of examples in a batch."""


def contest(network: tuple[str, str, str], threads: int) -> list[dict[str, object]]:
    """Check and then time one architecture, in our stack and in PyTorch."""
    import contestants

    normalized = contestants.Shared(Case(*network, "before"), TRAINED_STEPS)
    normalized.program.advance(normalized.rows, normalized.rates(), None)
    plain, folded = (contestants.Shared(Case(*network, "none"), TRAINED_STEPS) for _ in range(2))
    normalized.weights = contestants.weights(normalized)
    folded.weights = _folded(normalized.weights, contestants.EPSILON)
    contestants.assign(folded)
    shared = {WHOLE: normalized, FOLDED: folded, PLAIN: plain}
    rows = []
    for examples, calls in BATCHES.items():
        inputs = normalized.inputs[:examples]
        for contestant, made in ((OURS, contestants.ours_at_inference), ("pytorch", contestants.torch_at_inference)):
            nets = {norm: made(one, inputs) for norm, one in shared.items()}
            _same(network, contestant, nets[WHOLE](), nets[FOLDED]())
            figures = take_turns({norm: _timed(call, calls) for norm, call in nets.items()}, REPEATS)
            for norm, times in figures.items():
                milliseconds = spread([1000 * time for time in times])
                rows.append({
                    "model": network[0], "shape": network[1], "examples": examples, "threads": threads,
                    "contestant": contestant, "norm": norm, "ms": milliseconds["median"],
                    "ms_lowest": milliseconds["lowest"], "ms_highest": milliseconds["highest"],
                    "times_plain": ratio(times, figures[PLAIN]),
                })  # fmt: skip
    return rows


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


def _same(network: tuple[str, str, str], contestant: str, one: Any, other: Any) -> None:
    error = abs(one - other).max() / abs(one).max()
    if not error <= TOLERANCE:
        raise SystemExit(f"{network}, {contestant}: folded, its outputs differ by {error:.1g} of the largest")


def _timed(call: Callable[[], Any], calls: int) -> Callable[[], float]:
    return lambda: seconds(lambda: [call() for _ in range(calls)]) / calls


def child(threads: int) -> None:
    """One process per number of threads, because libraries read it at import."""
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
