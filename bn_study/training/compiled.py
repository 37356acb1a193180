"""Functions of a network that probes call again and again, compiled without a change in any bit.

TensorFlow's graph optimizer fuses and reorders operations, which changes how sums are rounded. Without it a compiled
function runs the same operations as Python does one by one, in about a tenth of the time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf


class Compiled:
    """A function of tensors, compiled at its second call: tracing takes as long as some ten calls without."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._graph = tf.function(function, autograph=False)
        self._called = False

    def __call__(self, *tensors: Any) -> Any:
        if not self._called:
            self._called = True
            return self._function(*tensors)
        with _unoptimized():
            return self._graph(*tensors)


@contextmanager
def _unoptimized() -> Iterator[None]:
    """Functions that are called first in this context are not rewritten by the graph optimizer."""
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
