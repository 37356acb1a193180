"""Cars whose price falls equally with age and with mileage, in standard deviations: two features of very unequal range.

The example of Baeldung's tutorial on batch normalization (a car's age and mileage), with true weights that are known.
"""

from typing import Literal

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Natural, NonNegative, Positive
from bn_study.training.data import Data, Split
from bn_study.training.files import digest

TASK = "regression"
NOTE = ""


def load(
    *,
    train: Count,
    validation: Count,
    test: Count,
    factors: list[Positive],
    noise: NonNegative,
    draw: Natural,
    scaling: Literal["unit", "standard", "raw"],
) -> Data:
    """Inputs (n, 2), age and mileage, and targets (n, 1), the price; classes is None.

    Age and mileage are independent and uniform between 0 and their `factors`. The price is in standard deviations of
    what they explain, -(a + m) / sqrt(2) + N(0, noise^2), where a and m are age and mileage with mean 0 and standard
    deviation 1.

    train, validation, test: examples of each split; the size of one does not change the others.
    factors: the largest age, in years, and the largest mileage, in miles. noise: of the price, in its unit.
    draw: seed of the cars. scaling: unit: both features to 0..1; standard: each to mean 0 and standard deviation 1
    over train; raw: years and miles.

    Raises UsageError unless there are two factors.
    """
    if len(factors) != 2:
        raise UsageError(f"dataset.factors={factors}: give two numbers, the largest age and the largest mileage")
    drawn = []
    for number, count in enumerate((train, validation, test)):
        random = np.random.Generator(np.random.PCG64([draw, number]))
        shares = random.uniform(0, 1, (count, 2))
        # a uniform variable on 0..1 has variance 1/12
        price = -np.sqrt(6) * (shares - 0.5).sum(axis=1, keepdims=True) + random.normal(0, noise, (count, 1))
        drawn += [shares * factors, price]
    shift, scale = {
        "unit": (0, factors),
        "standard": (drawn[0].mean(axis=0), drawn[0].std(axis=0) if train > 1 else 1),
        "raw": (0, 1),
    }[scaling]
    in_train, in_validation, in_test = (
        Split(((inputs - shift) / scale).astype(np.float32), price.astype(np.float32))
        for inputs, price in zip(drawn[::2], drawn[1::2], strict=True)
    )
    multiplied = np.array(factors, np.float32)
    return Data(in_train, in_validation, in_test, None, digest(drawn), feature_factors=multiplied)
