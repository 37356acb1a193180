"""Training on a GPU: where there is none, all but the device itself, with TensorFlow's operations on the CPU.

What a process is told lasts to its end, so each training is a process of its own.
"""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from bn_study.plan import device, numerics
from bn_study.plan.gpu import Gpu, seen
from bn_study.training.pooling import MaxOfFour

HERE = seen({name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}).gpus
needs_gpu = pytest.mark.skipif(not HERE, reason="no NVIDIA GPU here (scripts/gpu_check.sh)")
NONE = Gpu("GPU-none", "none", "0.0", "0", 0)
TRAIN = """
import json, sys, golden
from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.training.train import Programs, train
(run,), _ = expand(compose(golden.HOME, None, golden.words(sys.argv[1]))[0], {})
programs = Programs()
trained = train(run.spec, programs, lambda step, state: None, None)
_, program, _ = programs._program
import tensorflow as tf
from tensorflow.python.framework.config import is_op_determinism_enabled
print(json.dumps({
    "digest": golden.digest(trained.records, trained.vectors),
    "first": trained.records[trained.records["step"] == 0].values.tolist(), "count": len(trained.records),
    "xla": program.network.xla, "chunk": program.chunk, "deterministic": is_op_determinism_enabled(),
    "tf32": tf.config.experimental.tensor_float_32_execution_enabled(), "diverged_at": trained.diverged_at,
}))
"""
AS_IF = "import tensorflow\ntensorflow.config.list_logical_devices = lambda kind: [kind]\n"
"""Has TensorFlow find a GPU, though its operations are on the CPU."""


def process(gpu, name, script=TRAIN, **more):
    base = numerics.environment(os.environ, "native" if gpu else "portable") | {"PYTHONPATH": "tests:.", **more}
    return subprocess.run(
        [sys.executable, "-c", script, name], env=device.environment(base, gpu), capture_output=True, text=True
    )


def trained(gpu, name, script=TRAIN, **more):
    answer = process(gpu, name, script, **more)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(autouse=True)
def in_the_checkout(home, monkeypatch):
    monkeypatch.chdir(home)


def test_a_process_that_was_to_train_on_a_gpu_never_trains_on_the_cpu():
    answer = process(NONE, "mlp")
    assert answer.returncode and answer.stderr.strip().splitlines()[-1].endswith(
        f"UsageError: device=gpu: TensorFlow finds no GPU; {device.EXTRA}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn before", "mlp after, adam, dropout", "mlp noisy"])
def test_xla_takes_everything_there_and_operations_are_exact_and_repeatable(name):
    cpu, there = trained(None, name), trained(NONE, name, AS_IF + TRAIN)
    assert (there["xla"], there["deterministic"], there["tf32"]) == (True, True, False)
    assert (cpu["xla"], cpu["deterministic"]) == (name.startswith("mlp"), False)
    assert there["diverged_at"] is None and there["count"] == cpu["count"]
    assert trained(NONE, name, AS_IF + TRAIN, NVIDIA_TF32_OVERRIDE="1")["tf32"], "who asks for it gets TF32"


@pytest.mark.parametrize("shape", [pytest.param((3, 8, 8, 4), marks=pytest.mark.slow), (2, 7, 5, 3)])
@pytest.mark.parametrize("kind", ["different", "after ReLU", "full of ties"])
def test_max_pooling_for_a_gpu_is_that_of_keras(shape, kind):
    random = np.random.default_rng(0)
    values = {"different": random.normal(size=shape), "full of ties": random.integers(0, 3, shape)}
    inputs = tf.constant(values.get(kind, np.maximum(values["different"], 0)), tf.float32)
    found = []
    for layer in (MaxOfFour(), keras.layers.MaxPooling2D(2)):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs)
            weighted = outputs * tf.reshape(tf.range(1.0, tf.size(outputs) + 1), outputs.shape)
        found.append((outputs, tape.gradient(weighted, inputs)))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_gpu
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp before", "mlp after, adam, dropout", "mlp noisy", "cnn", "cnn before"])
def test_a_gpu_repeats_a_run_bit_for_bit(name):
    assert trained(HERE[0], name)["digest"] == trained(HERE[0], name)["digest"]


@needs_gpu
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp before", "cnn", "cnn before"])
def test_a_gpu_measures_an_initialized_network_as_the_cpu_does(name):
    """To a few roundings of float32: TF32 would have an error a thousand times as large."""
    cpu, gpu = trained(None, name)["first"], trained(HERE[0], name)["first"]
    assert [row[:3] for row in gpu] == [row[:3] for row in cpu] and len(cpu) > 10
    assert [row[3] for row in gpu] == pytest.approx([row[3] for row in cpu], rel=1e-4, abs=1e-5, nan_ok=True)
