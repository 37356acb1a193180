"""Loss and accuracy."""

import keras
from keras import ops

from bn_study.training.data import Data


def per_example(data: Data):
    """(targets, outputs) -> loss of each example: cross-entropy of logits for classes, else squared error."""
    if data.classes is None:
        return keras.losses.mean_squared_error
    return lambda targets, logits: keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)


def correct(targets, logits):
    """1.0 where the largest logit is the target's, else 0.0."""
    return ops.cast(ops.equal(ops.cast(ops.argmax(logits, -1), targets.dtype), targets), "float32")
