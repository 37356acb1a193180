"""Data sets that stay bytes in memory."""

import numpy as np
import pytest
import tensorflow as tf

from bn_study.training.files import Arrays
from bn_study.training.images import prepare
from bn_study.training.widening import widening

SHADES = np.arange(256, dtype=np.uint8).reshape(64, 2, 2)
LABELS = np.arange(64) % 3


def prepared(pixels, low=0, high=255, *, pool=1, binarize=None, scaling="unit"):
    arrays = Arrays(pixels, LABELS, pixels, LABELS)
    options = {"validation": 8, "subset": None, "pool": pool, "binarize": binarize, "scaling": scaling}
    options |= dict.fromkeys(("factors", "outliers", "standardize", "flatten", "flip", "shift"))
    return prepare(arrays, low, high, fingerprint="", **options)


@pytest.mark.parametrize("scaling", ["unit", "standard", "raw"])
@pytest.mark.parametrize("binarize", [None, 0.0, 0.5])
@pytest.mark.parametrize("high", [255, 16])
def test_bytes_become_the_very_floats_that_floats_become(scaling, binarize, high):
    """Stored floats of the same values take the other way, in numpy from the beginning."""
    kept = prepared(SHADES, high=high, binarize=binarize, scaling=scaling)
    floats = prepared(SHADES.astype(np.float32), high=high, binarize=binarize, scaling=scaling)
    assert floats.train.scale is None and kept.train.stored.dtype == np.uint8
    for split in ("train", "validation", "test"):
        mine, other = getattr(kept, split), getattr(floats, split)
        assert mine.inputs.dtype == np.float32 and mine.inputs.tobytes() == other.inputs.tobytes()
        assert mine.slice(5).inputs.tobytes() == other.slice(5).inputs.tobytes()


@pytest.mark.parametrize("compiled", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize("scaling", ["unit", "standard", "raw"])
def test_a_graph_widens_them_to_the_same_bits(scaling, compiled):
    """A compiler turns a quotient by a constant into a product, which is rounded otherwise for half of all bytes."""
    data = prepared(SHADES, scaling=scaling)
    widened = widening(data)
    if compiled is not None:
        widened = tf.function(widened, jit_compile=compiled)
    assert widened(tf.constant(data.test.stored)).numpy().tobytes() == data.test.inputs.tobytes()
    already = tf.constant(data.test.inputs)
    assert widened(already).numpy().tobytes() == data.test.inputs.tobytes()


def test_bytes_of_vectors_are_scaled_by_feature():
    vectors = SHADES.reshape(64, 4)
    kept, floats = (prepared(one, scaling="standard") for one in (vectors, vectors.astype(np.float32)))
    assert kept.train.scale.divisor.shape == (4,)
    assert kept.train.inputs.tobytes() == floats.train.inputs.tobytes()
    assert widening(kept)(tf.constant(kept.test.stored)).numpy().tobytes() == floats.test.inputs.tobytes()


def test_pooled_pixels_are_no_bytes_any_more():
    data = prepared(SHADES, pool=2)
    assert data.train.scale is None and data.train.stored.dtype == np.float32
