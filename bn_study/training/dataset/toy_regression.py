"""A curve with noise, y = x^2 - 5 + N(0, noise^2): the data of M. Zhou's (Morvan's) batch normalization tutorial.

Source: https://github.com/MorvanZhou/Tensorflow-Tutorial, tutorial-contents/502_batch_normalization.py. There x is an
even grid; here x is uniformly random, so that the splits are independent draws from one distribution.
"""

from typing import Literal

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Natural, NonNegative, Number
from bn_study.training.data import Data, Split
from bn_study.training.files import digest

TASK = "regression"
NOTE = ""


def load(
    *,
    train: Count,
    validation: Count,
    test: Count,
    low: Number,
    high: Number,
    noise: NonNegative,
    draw: Natural,
    scaling: Literal["unit", "standard", "raw"],
) -> Data:
    """Inputs (n, 1) and targets (n, 1); classes is None.

    train, validation, test: examples of each split; the size of one does not change the others.
    low, high: x is uniform between them. noise: standard deviation of the noise in y. draw: seed of x and noise.
    scaling: of x: unit: low..high to 0..1; standard: mean 0 and standard deviation 1 over train; raw: as drawn. y is
    never scaled.

    Raises UsageError if low is not below high.
    """
    if low >= high:
        raise UsageError(f"dataset.low={low} must be below dataset.high={high}")
    drawn = []
    for number, count in enumerate((train, validation, test)):
        random = np.random.Generator(np.random.PCG64([draw, number]))
        x = random.uniform(low, high, (count, 1))
        drawn += [x, x**2 - 5 + random.normal(0, noise, (count, 1))]
    x_train = drawn[0]
    shift, scale = {
        "unit": (low, high - low),
        "standard": (x_train.mean(), x_train.std() or 1),
        "raw": (0, 1),
    }[scaling]
    splits = (
        Split(((x - shift) / scale).astype(np.float32), y.astype(np.float32))
        for x, y in zip(drawn[::2], drawn[1::2], strict=True)
    )
    in_train, in_validation, in_test = splits
    return Data(in_train, in_validation, in_test, classes=None, fingerprint=digest(drawn))
