"""What TensorFlow must be told in a process that trains on a GPU. Its environment (plan/device.py) has the rest."""

import os

import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.plan import device


def prepare() -> None:
    """Exact float32 products and operations that repeat bit for bit; nothing for the CPU. Call it before training.

    Raises UsageError if TensorFlow finds no GPU, because it would train on the CPU without a word.
    """
    if not device.on_gpu():
        return
    if not tf.config.list_logical_devices("GPU"):
        raise UsageError(f"device=gpu: TensorFlow finds no GPU; {device.EXTRA}")
    tf.config.experimental.enable_tensor_float_32_execution(os.environ.get(device.TF32) != "0")
    tf.config.experimental.enable_op_determinism()
