"""From the bytes of a data set in memory to a network's inputs, inside a compiled function."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bn_study.training.data import Data, Scale


def widening(data: Data) -> Callable[[Any], Any]:
    """A function of tensors, from bytes to the float32 values of `Split.inputs`. Floats stay as they are."""
    scale = data.train.scale
    if scale is None:
        return lambda stored: stored
    # of tensors, because a compiler replaces a quotient by a constant by a product, which is rounded otherwise
    scale = Scale(tf.constant(scale.offset), tf.constant(scale.divisor))
    return lambda stored: scale(tf.cast(stored, tf.float32)) if stored.dtype == tf.uint8 else stored
