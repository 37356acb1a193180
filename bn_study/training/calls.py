"""How often a forward pass calls each normalizer, and whether its statistics are right then."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import keras
import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.training.normalizer import Normalizer, Pass

Shapes = Mapping[str, Sequence[tuple[int | None, ...]]]
"""Normalizer's name -> the shape of its input in each of its calls."""


def shapes(model: keras.Model, forward_pass: Callable[[], AbstractContextManager[dict[str, Pass]]]) -> Shapes:
    """What a forward pass calls.

    Raises UsageError for a call in a loop of TensorFlow, whose body is traced once, so that calls cannot be told apart.
    """
    found: dict[str, list[tuple[int | None, ...]]] = {}

    def look(inputs):
        with forward_pass() as seen:
            model(inputs, training=False)
        here = tf.compat.v1.get_default_graph()
        for name, one in seen.items():
            if any(value.graph is not here for value in one.inputs):
                raise UsageError(
                    f"{name} is called in a loop of TensorFlow (by a recurrent layer of Keras, say), where "
                    "its statistics cannot be averaged over the calls; write the steps out in a loop of Python"
                )
            found[name] = [tuple(value.shape) for value in one.inputs]

    tf.function(look, autograph=False).get_concrete_function(tf.TensorSpec(model.inputs[0].shape, tf.float32))
    return found


def check(normalizers: Sequence[Normalizer], seen: Shapes) -> None:
    """Raises UsageError for a normalizer whose statistics would be wrong with these calls. All have statistics."""
    for layer in normalizers:
        calls = seen[layer.name]
        if not calls:
            raise UsageError(f"{layer.name} is part of the network, but a forward pass does not call it; leave it out")
        if len(calls) > 1 and not layer.averages_calls:
            raise UsageError(
                f"{layer.name} is called {len(calls)} times in a forward pass, but {type(layer).__name__} keeps the "
                "statistics of one call; make a normalizer for each call, or take norm=batch"
            )
        if len(set(calls)) > 1:
            different = next(one for one in calls if one != calls[0])
            raise UsageError(
                f"{layer.name} is called with inputs of shapes {calls[0][1:]} and {different[1:]}, which do not weigh "
                "the same in its statistics; make a normalizer for each shape"
            )
