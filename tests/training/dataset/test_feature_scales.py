"""One scale for all pixels, and the cars of two features, against plain numpy."""

import numpy as np
import pytest

from bn_study.errors import UsageError
from bn_study.training.train import Programs


@pytest.fixture
def load(specify):
    return lambda *words: Programs().data(specify(*words).dataset)


def test_standardized_pixels_undo_factors_and_use_the_training_images_alone(load):
    plain = load("dataset=digits", "dataset.scaling=raw")
    scaled = load("dataset=digits", "dataset.scaling=raw", "dataset.factors=[0.01,100]", "dataset.standardize=true")
    train = plain.train.inputs.astype(np.float64)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    for split in ("train", "validation", "test"):
        expected = (getattr(plain, split).inputs - mean) / np.where(deviation > 0, deviation, 1)
        # a pixel that never varies keeps its factor
        np.testing.assert_allclose(
            getattr(scaled, split).inputs[:, deviation > 0], expected[:, deviation > 0], atol=1e-4
        )
    assert (scaled.train.inputs[:, deviation == 0] == 0).all()
    assert scaled.feature_factors.max() > 20


def test_standardized_after_outliers(load):
    outlying = load("dataset=digits", "dataset.outliers=[0.05,10]")
    data = load("dataset=digits", "dataset.outliers=[0.05,10]", "dataset.standardize=true")
    inputs = outlying.train.inputs.astype(np.float64)
    deviation = inputs.std(axis=0)
    expected = (inputs - inputs.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    np.testing.assert_allclose(data.train.inputs, expected, atol=1e-4)


def test_flat_images_are_the_same_pixels(load):
    words = ("dataset=digits", "dataset.factors=[0.01,100]")
    images, vectors = load(*words), load(*words, "dataset.flatten=true")
    assert vectors.shape == (64,)
    np.testing.assert_array_equal(vectors.test.inputs, images.test.inputs.reshape(-1, 64))
    np.testing.assert_array_equal(vectors.feature_factors, images.feature_factors.ravel())
    with pytest.raises(UsageError, match="the inputs are vectors"):
        load("dataset=digits", "dataset.flatten=true", "dataset.flip=true")


def test_age_and_mileage_have_equal_weights(load):
    data = load("dataset=car_prices", "dataset.noise=0", "dataset.train=4000")
    inputs, price = data.train.inputs.astype(np.float64), data.train.targets[:, 0]
    assert (inputs >= 0).all() and 19.9 < inputs[:, 0].max() <= 20 and 199_000 < inputs[:, 1].max() <= 200_000
    design = np.column_stack([inputs / (np.array([20, 200_000]) / np.sqrt(12)), np.ones(len(inputs))])
    weights, *_ = np.linalg.lstsq(design, price, rcond=None)
    np.testing.assert_allclose(weights, [-np.sqrt(0.5), -np.sqrt(0.5), np.sqrt(6)], rtol=1e-4)
    assert abs(np.corrcoef(inputs.T)[0, 1]) < 0.05
    np.testing.assert_array_equal(data.feature_factors, [20, 200_000])


def test_cars_are_the_same_in_every_scaling(load):
    raw, unit, standard = (load("dataset=car_prices", f"dataset.scaling={one}") for one in ("raw", "unit", "standard"))
    train = raw.train.inputs.astype(np.float64)
    for split in ("train", "validation", "test"):
        inputs = getattr(raw, split).inputs
        np.testing.assert_allclose(getattr(unit, split).inputs, inputs / [20, 200_000], rtol=1e-6)
        expected = (inputs - train.mean(axis=0)) / train.std(axis=0)
        np.testing.assert_allclose(getattr(standard, split).inputs, expected, atol=1e-5)
        np.testing.assert_array_equal(getattr(standard, split).targets, getattr(raw, split).targets)
    assert abs(raw.train.targets.std() ** 2 - 1.01) < 0.05


def test_cars_have_two_features(load):
    with pytest.raises(UsageError, match=r"dataset.factors=\[20.0\]: give two numbers"):
        load("dataset=car_prices", "dataset.factors=[20]")
