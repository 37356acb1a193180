"""Profile of a training step of the MLP (784-100-100-100-10, sigmoid, batch 60) on one core: each matrix product, and
the whole step with a part left out.

    scripts/bench.sh step_profile
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable

from _common import ROOT, environment, seconds, spread, take_turns, write

SIZES, BATCH, STEPS, REPEATS = (784, 100, 100, 100, 10), 60, 400, 7


def products() -> dict[str, tuple[Callable[[], float], float]]:
    """Name -> (seconds of one product inside a compiled loop, its floating-point operations)."""
    import numpy as np
    import tensorflow as tf

    def product(left: tuple[int, int], right: tuple[int, int], **transposed: bool) -> Callable[[], float]:
        a, b = (tf.constant(np.random.default_rng(0).standard_normal(one, np.float32)) for one in (left, right))

        @tf.function(jit_compile=True)
        def loop(a, b):
            step, last = tf.constant(0), tf.zeros(1)
            while step < STEPS:
                outputs = tf.matmul(a, b, **transposed)
                last = outputs[0, :1] * 1e-9
                a = tf.tensor_scatter_nd_update(a, [[0, 0]], last)  # so that no two products are equal
                step += 1
            return last

        return lambda: seconds(lambda: loop(a, b).numpy()) / STEPS

    found = {}
    for inputs, units in ((784, 100), (100, 100)):
        flops = 2.0 * BATCH * inputs * units
        where = f"{inputs}x{units}"
        found[f"x W', {where}"] = product((BATCH, inputs), (units, inputs), transpose_b=True), flops
        found[f"d' x, {where}"] = product((BATCH, units), (BATCH, inputs), transpose_a=True), flops
        # the gradient of a kernel stored as (inputs, units)
        found[f"x' d, {where}"] = product((BATCH, inputs), (BATCH, units), transpose_a=True), flops
    found["d W, 100x100"] = product((BATCH, 100), (100, 100)), 2.0 * BATCH * 100 * 100
    return found


def steps() -> dict[str, Callable[[], float]]:
    """Seconds per step, written out, whole or with a part left out."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    images = tf.constant(random.integers(0, 256, (55000, SIZES[0]), np.uint8))
    fixed, white = tf.constant(random.random((BATCH, SIZES[0]), np.float32)), tf.constant(255.0)
    labels = tf.constant(random.integers(0, 10, 55000, np.int32))
    rows = tf.constant(random.integers(0, 55000, (STEPS, BATCH), np.int32))

    def step(without: str) -> Callable[[], float]:
        kernels = [
            tf.Variable(0.1 * random.standard_normal((units, inputs), np.float32))
            for inputs, units in itertools.pairwise(SIZES)
        ]
        biases = [tf.Variable(tf.zeros(units)) for units in SIZES[1:]]

        @tf.function(jit_compile=True)
        def loop(images, labels):
            step, value = tf.constant(0), tf.constant(0.0)
            while step < STEPS:
                h = fixed + 0 * value if "gather" in without else tf.cast(images[step], tf.float32) / white
                with tf.GradientTape() as tape:
                    for kernel, bias in zip(kernels, biases, strict=True):
                        h = tf.matmul(h, kernel, transpose_b=True) + bias
                        if kernel is not kernels[-1] and "sigmoid" not in without:
                            h = tf.sigmoid(h)
                    value = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels[step], h))
                gradients = tape.gradient(value, kernels + biases)
                for variable, gradient in zip(kernels + biases, gradients, strict=True):
                    if "update" in without and variable is kernels[0]:
                        biases[0].assign_sub(1e-9 * gradient[:, 0])  # the gradient must be wanted
                    else:
                        variable.assign_sub(0.1 * gradient)
                step += 1
            return value

        def whole() -> None:
            batches = tf.gather(images, rows[:1] if "gather" in without else rows)
            loop(batches, tf.gather(labels, rows)).numpy()

        return lambda: seconds(whole) / STEPS

    parts = ("gather", "sigmoid", "update of the first kernel", "gather, sigmoid, update of the first kernel")
    return {"step": step("")} | {f"step without {one}": step(one) for one in parts}


def child() -> None:
    from case import Case, sgemm_peak

    peak = sgemm_peak()
    rows = []
    whole = Case("mlp", "3", "sigmoid", "none").flops
    for names in (products(), {name: (run, whole) for name, run in steps().items()}):
        figures = take_turns({name: run for name, (run, _) in names.items()}, REPEATS)
        for name, times in figures.items():
            microseconds = spread([1e6 * time for time in times])
            gflops = names[name][1] / microseconds["median"] / 1e3
            times_us = {f"{key}_us": value for key, value in microseconds.items()}
            rows.append({"what": name, **times_us, "gflops": gflops, "share_of_peak": gflops / peak})
    print(json.dumps(rows))


if __name__ == "__main__":
    if sys.argv[1:] == ["--child"]:
        child()
    else:
        command = [sys.executable, __file__, "--child"]
        done = subprocess.run(command, env=environment(1), stdout=subprocess.PIPE, check=True, cwd=ROOT)
        write("step_profile", json.loads(done.stdout), "where a step goes, one core")
