"""2x2 max pooling whose gradient repeats bit for bit on a GPU, where TensorFlow's own has no such form under XLA."""

import keras
from keras import ops

from bn_study.plan import device


class MaxOfFour(keras.layers.Layer):
    """The largest of each 2x2 block; an odd last row or column is left out. (n, h, w, c) -> (n, h//2, w//2, c).

    The gradient goes to the first of equal values in reading order, as in Keras' MaxPooling2D.
    """

    def call(self, inputs):
        _, height, width, _ = inputs.shape
        down, right = height // 2 * 2, width // 2 * 2
        first, *others = [inputs[:, row:down:2, column:right:2] for row in (0, 1) for column in (0, 1)]
        for one in others:
            first = ops.maximum(first, one)
        return first


def max_pooling() -> keras.layers.Layer:
    """2x2 max pooling for this process's device."""
    return MaxOfFour() if device.on_gpu() else keras.layers.MaxPooling2D(2)
