"""Augmentation against a loop in numpy, and what pairing and resuming promise of it."""

import numpy as np
import pytest
import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.training.augmentation import augmented
from bn_study.training.batches import drawn_changes, of_run
from bn_study.training.data import Augmentation
from bn_study.training.train import Programs, train

CNN = ("dataset=digits", "model=cnn", "model.blocks=[[4],[8]]", "model.dense=[10]", "batch_size=16", "probe=[curves]")
BOTH = ("dataset.flip=true", "dataset.shift=2")


def by_hand(image, mirrored, down, right):
    image = image[:, ::-1] if mirrored else image
    moved = np.zeros_like(image)
    height, width = image.shape[:2]
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                moved[row, column] = image[row - down, column - right]
    return moved


@pytest.mark.parametrize("compiled", [False, True])
def test_images_are_mirrored_and_moved_as_by_hand(compiled):
    images = np.random.default_rng(0).normal(size=(40, 6, 5, 2)).astype(np.float32)
    changes = drawn_changes(Augmentation(True, 3), seed=1, epoch=2, examples=40)
    got = tf.function(augmented, jit_compile=compiled)(tf.constant(images), tf.constant(changes))
    for image, change, one in zip(images, changes, got.numpy(), strict=True):
        np.testing.assert_array_equal(one, by_hand(image, *change))


def test_changes_are_drawn_evenly_for_each_seed_epoch_and_example():
    changes = drawn_changes(Augmentation(True, 2), 0, 0, 6000)
    assert [abs(np.mean(changes[:, 0]) - 0.5) < 0.03, set(changes[:, 0])] == [True, {0, 1}]
    for axis in (1, 2):
        found, counts = np.unique(changes[:, axis], return_counts=True)
        assert list(found) == [-2, -1, 0, 1, 2] and (abs(counts / 1200 - 1) < 0.15).all()
    others = [drawn_changes(Augmentation(True, 2), *key, 6000) for key in ((1, 0), (0, 1))]
    assert all((changes != other).any(axis=1).mean() > 0.8 for other in others)
    assert not drawn_changes(Augmentation(False, 2), 0, 0, 100)[:, 0].any()
    assert not drawn_changes(Augmentation(True, 0), 0, 0, 100)[:, 1:].any()


def test_batches_carry_the_changes_of_their_examples(specify):
    spec = specify(*CNN, *BOTH, "seed=3")
    data = Programs().data(spec.dataset)
    order = of_run(spec, data.train)
    per_epoch = len(data.train) // 16
    rows, changes = order.rows(per_epoch - 2, 4), order.changes(per_epoch - 2, 4, data.augmentation)
    for place, epoch in enumerate((0, 0, 1, 1)):
        drawn = drawn_changes(data.augmentation, 3, epoch, len(data.train))
        np.testing.assert_array_equal(changes[place], drawn[rows[place]])


def test_all_arms_of_a_seed_see_the_same_images(specify):
    """So that arms can be compared seed by seed."""
    arms = [("norm=none",), ("norm=batch", "optimizer.learning_rate=0.3"), ("norm=none", "model.blocks=[[3]]")]
    specs = [specify(*CNN, *BOTH, *words, "seed=3") for words in arms] + [specify(*CNN, *BOTH, "seed=4")]
    seen = []
    for spec in specs:
        data = Programs().data(spec.dataset)
        order = of_run(spec, data.train)
        seen.append((order.rows(90, 30), order.changes(90, 30, data.augmentation)))
    for rows, changes in seen[1:3]:
        np.testing.assert_array_equal(rows, seen[0][0])
        np.testing.assert_array_equal(changes, seen[0][1])
    assert (seen[3][0] != seen[0][0]).any() and (seen[3][1] != seen[0][1]).any()


@pytest.mark.slow
@pytest.mark.parametrize("model", [CNN, ("dataset=digits", "model.widths=[12]", "probe=[curves]")])
def test_a_run_with_augmentation_resumes_bit_for_bit_and_is_another_run(specify, model):
    states = {}
    spec, plain = (specify(*model, *words, "steps=120", "norm=batch") for words in (BOTH, ()))
    whole = train(spec, Programs(), lambda step, state: states.setdefault(step, state()), None)
    middle = states[min(states)]
    resumed = train(spec, Programs(), lambda step, state: None, middle)
    assert whole.records.equals(resumed.records)
    other = train(plain, Programs(), lambda step, state: None, None)
    first, last = whole.records.step.min(), whole.records.step.max()
    same = whole.records.value == other.records.value
    assert same[whole.records.step == first].all() and not same[whole.records.step == last].all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dataset.shift=8",), "dataset.shift=8 moves images of 8 pixels out of sight"),
        (("dataset.factors=[10,1]",), r"dataset.factors=\[10.0, 1.0\]: give two positive numbers"),
        (("dataset.outliers=[5]",), r"dataset.outliers=\[5.0\]: give a share between 0 and 1"),
    ],
)
def test_what_is_out_of_range_is_named(specify, words, message):
    with pytest.raises(UsageError, match=message):
        Programs().data(specify(*CNN, *words).dataset)


def test_factors_are_log_uniform_and_the_same_in_all_splits(specify):
    plain, scaled = (
        Programs().data(specify("dataset=digits", "dataset.scaling=raw", *words).dataset)
        for words in ((), ("dataset.factors=[0.01,100]",))
    )
    factors = scaled.feature_factors
    assert factors.shape == plain.shape and 0.01 <= factors.min() < 0.05 and 20 < factors.max() <= 100
    assert abs(np.log(factors).mean()) < 1
    for split in ("train", "validation", "test"):
        np.testing.assert_allclose(getattr(scaled, split).inputs, getattr(plain, split).inputs * factors, rtol=1e-6)


def test_outliers_are_a_share_of_the_training_images(specify):
    plain, outlying = (
        Programs().data(specify("dataset=digits", *words).dataset) for words in ((), ("dataset.outliers=[0.05,10]",))
    )
    ratio = outlying.train.inputs.max(axis=(1, 2, 3)) / plain.train.inputs.max(axis=(1, 2, 3))
    assert set(ratio.round(4)) == {1, 10} and (ratio > 5).sum() == round(0.05 * len(ratio))
    np.testing.assert_array_equal(outlying.test.inputs, plain.test.inputs)
