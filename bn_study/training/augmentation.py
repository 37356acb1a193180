"""Augmentation of training images inside a compiled function."""

from typing import Any

import tensorflow as tf


def augmented(images: Any, changes: Any) -> Any:
    """Images (batch, height, width, channels), mirrored and then moved; what comes in from outside is 0.

    changes: (batch, 3), as `batches.drawn_changes` draws them.
    """
    _, height, width, _ = images.shape
    rows = tf.range(height) - changes[:, 1:2]
    columns = tf.range(width) - changes[:, 2:3]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = tf.where(changes[:, 0:1] == 1, width - 1 - columns, columns)
    images = tf.gather(images, tf.clip_by_value(rows, 0, height - 1), axis=1, batch_dims=1)
    images = tf.gather(images, tf.clip_by_value(columns, 0, width - 1), axis=2, batch_dims=1)
    return images * tf.cast(inside, images.dtype)[..., None]
