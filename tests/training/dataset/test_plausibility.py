"""The user's own arrays: scaling keeps what they tell, and what looks unintended is said before anything is trained."""

import numpy as np
import pytest
from omegaconf import OmegaConf

from bn_study.errors import UsageError
from bn_study.plan import parts

CLASSES = np.arange(400) % 10


@pytest.fixture
def load(home, tmp_path):
    """`load(x, y, **options)` -> the data set of these 400 inputs, of which the last 100 are the test split."""

    def load(x, y=CLASSES, **options):
        path = tmp_path / "mine.npz"
        np.savez(path, x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
        values = OmegaConf.to_container(OmegaConf.load(home / "conf" / "dataset" / "arrays.yaml")) | options
        values |= {"path": str(path), "validation": 50}
        return parts.call("dataset", parts.checked("dataset", values.pop("name"), values))

    return load


@pytest.fixture
def random():
    return np.random.default_rng(0)


def inputs(data):
    return np.concatenate([data.train.inputs, data.validation.inputs, data.test.inputs])


# Scaling


@pytest.mark.parametrize("scaling", ["unit", "standard"])
@pytest.mark.parametrize("shape", [(1,), (4, 4)], ids=["vectors", "images"])
def test_an_offset_that_float32_cannot_tell_makes_no_difference(load, random, scaling, shape):
    """Seconds since 1970: at 1.7e9 the nearest float32 values are 128 apart."""
    seconds = 10 * CLASSES.reshape(-1, *[1] * len(shape)) + random.uniform(0, 5, (400, *shape))
    data = load(1.7e9 + seconds, scaling=scaling)
    assert data.train.inputs.dtype == np.float32
    np.testing.assert_allclose(inputs(data), inputs(load(seconds, scaling=scaling)), atol=1e-5)
    assert len(data.warnings) == 1 and "scaled as float64" in data.warnings[0]


def test_such_an_offset_is_gone_before_pixels_are_pooled(load, random):
    seconds = random.uniform(0, 5, (400, 4, 4))
    pooled, expected = load(1.7e9 + seconds, pool=2), load(seconds, pool=2)
    np.testing.assert_allclose(inputs(pooled), inputs(expected), atol=1e-5)


@pytest.mark.parametrize("scaling", ["unit", "raw"])
def test_what_only_subtraction_would_save_is_said(load, random, scaling):
    """Floats within 0..1 stay as they are under unit."""
    (line,) = load(0.5 + 1e-6 * random.random((400, 3)), scaling=scaling).warnings
    assert "loses most of its differences; use dataset.scaling=standard" in line
    assert load(0.5 + 1e-6 * random.random((400, 3)), scaling="standard").train.inputs.std() == pytest.approx(1, 1e-3)


@pytest.mark.parametrize("scaling", ["unit", "standard"])
def test_ordinary_float64_is_scaled_as_it_always_was(load, random, scaling):
    """Bit for bit: runs of such files are stored, and their ids say nothing of the order of cast and subtraction."""
    x = random.normal(50, 9, (400, 12)) + CLASSES[:, None]
    data, raw = load(x, scaling=scaling), load(x, scaling="raw").train.inputs
    if scaling == "unit":
        low, high = x[:300].min(0), x[:300].max(0)
        expected = (raw - low.astype(np.float32)) / (high - low).astype(np.float32)
    else:
        mean = raw.mean(0, dtype=np.float64)
        variance = np.square(raw - mean).sum(0) / len(raw)
        expected = (raw - mean.astype(np.float32)) / np.sqrt(variance).astype(np.float32)
    assert np.array_equal(data.train.inputs, expected) and data.warnings == ()


def test_float16_is_scaled_as_float32_is(load, random):
    """The range of these pixels, 127,488, is more than float16 can hold."""
    x = np.clip(random.normal(0, 20000, (400, 4, 4)), -63488, 64000).astype(np.float16)
    x[0, 0, :2] = -63488, 64000
    assert np.array_equal(inputs(load(x)), inputs(load(x.astype(np.float32))))
    assert 0 <= inputs(load(x)).min() < 0.2 and 0.8 < load(x).train.inputs.max() <= 1


@pytest.mark.parametrize("split", ["x_train", "x_test"])
def test_values_that_scaling_takes_out_of_float32_are_refused(load, random, split):
    x = (0.1 * random.random((400, 4, 4))).astype(np.float32)
    place = 0 if split == "x_train" else 399
    x[place, 0, :2] = (-3.4028235e38, 3.4e38) if split == "x_train" else (0, 3.4e38)
    x[1, 0, 0] = -1e-3  # not within 0..1
    with np.errstate(all="raise"), pytest.raises(UsageError) as caught:
        load(x)
    assert f"mine.npz: {split} ranges from" in str(caught.value) and "fill values" in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


# Warnings


def test_ordinary_data_give_no_warning(load, random):
    strokes = np.where(random.random((400, 8, 8)) < 0.85, 0, random.random((400, 8, 8)))  # mostly background
    for x in (
        (255 * strokes).astype(np.uint8),
        strokes.astype(np.float32),
        strokes,
        random.lognormal(0, 1.5, (400, 6)),
        (random.random((400, 30)) < 0.03).astype(np.float32),
        np.column_stack([np.full(400, 7.0), random.integers(1900, 2020, 400)]),
        random.integers(0, 256, (400, 8, 8, 3), np.uint8),
        random.integers(0, 256, (400, 3, 3, 3), np.uint8),
    ):
        for scaling in ("unit", "standard", "raw"):
            assert load(x, scaling=scaling).warnings == ()


@pytest.mark.parametrize("shape", [(64,), (8, 8)], ids=["vectors", "images"])
def test_one_fill_value_among_ordinary_ones_is_said(load, random, shape):
    x = random.random((400, *shape)).astype(np.float32)
    x.reshape(400, -1)[::30, 5] = 1e30
    (line,) = load(x).warnings
    assert "x_train's feature 5 lie" in line if len(shape) == 1 else "of x_train lie" in line
    assert "nearly one level. Are there fill values?" in line and "1e+30" in line


def test_one_fill_value_in_every_image_is_said(load, random):
    x = random.random((400, 8, 8)).astype(np.float32)
    x[:, 0, 0] = -3.4e38
    assert any("nearly one level" in line for line in load(x).warnings)


@pytest.mark.parametrize("options", [{"scaling": "unit"}, {"scaling": "standard", "binarize": 0.5}])
def test_uint8_of_zero_and_one_is_said(load, random, options):
    (line,) = load(random.integers(0, 2, (400, 8, 8), np.uint8), **options).warnings
    assert "nothing above 1" in line and "no input is above 0.0039" in line and "float32" in line


def test_uint8_of_zero_and_one_is_fine_where_nothing_is_divided_by_255(load, random):
    for scaling in ("standard", "raw"):
        assert load(random.integers(0, 2, (400, 8, 8), np.uint8), scaling=scaling).warnings == ()


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_train_and_test_of_different_ranges_are_said(load, random, kind):
    x = random.integers(0, 256, (400, 8, 8)).astype(kind)
    x[300:] = x[300:] > 127
    (line,) = load(x).warnings
    assert "x_train ranges from 0 to 255, x_test from 0 to 1; are they scaled alike?" in line


def test_a_feature_of_another_range_in_test_is_named(load, random):
    x = random.normal(0, 1, (400, 5))
    x[300:, 2] += 50
    (line,) = load(x).warnings
    assert "x_train's feature 2 ranges" in line


def test_classes_without_an_example_are_named(load, random):
    x = random.random((400, 8, 8))
    (line,) = load(x, CLASSES + 1).warnings
    assert "no example of class 0;" in line and "11 outputs, and chance is 1/11" in line
    (line,) = load(x, CLASSES * 20).warnings
    assert "no example of class 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 161 more;" in line and "181 outputs" in line


def test_channels_that_come_first_are_hinted_at(load, random):
    x = random.integers(0, 256, (400, 3, 16, 16), np.uint8)
    (line,) = load(x).warnings
    assert "images of 3x16 pixels and 16 channels" in line and "transpose(0, 2, 3, 1)" in line
    assert load(x.transpose(0, 2, 3, 1)).warnings == ()
