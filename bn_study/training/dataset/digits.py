"""scikit-learn's `digits`: 1,797 handwritten digits of 8x8 pixels, part of the package, so it needs no download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its test split).
"""

from typing import Literal

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Fraction, Positive
from bn_study.training.data import Data
from bn_study.training.files import Arrays, digest
from bn_study.training.images import permutation, prepare

TASK = "classification"
NOTE = "scikit-learn's 1,797 images of 8×8 pixels, which is not MNIST"
WHITEST = 16


def load(
    *,
    test: Count,
    validation: Count,
    subset: Count | None,
    pool: Count,
    binarize: Fraction | None,
    scaling: Literal["unit", "standard", "raw"],
    factors: list[Positive] | None,
    outliers: list[Positive] | None,
    standardize: bool | None,
    flatten: bool | None,
    flip: bool | None,
    shift: Count | None,
) -> Data:
    """Images (n, 8, 8, 1), 10 classes. The options are those of `images.prepare`, and:

    test: images of the test split. There is no official split; a fixed permutation chooses them.

    Raises UsageError if the options ask for more images than there are.
    """
    from sklearn.datasets import load_digits  # slow: imports scipy, which nothing else here needs

    bunch = load_digits()
    pixels, labels = bunch.images.astype(np.uint8), bunch.target.astype(np.uint8)
    if test > len(pixels) - 2:
        raise UsageError(f"dataset.test={test} leaves nothing to train on; at most {len(pixels) - 2}")
    order = permutation(len(pixels))
    chosen, rest = order[:test], order[test:]
    return prepare(
        Arrays(pixels[rest], labels[rest], pixels[chosen], labels[chosen]),
        0,
        WHITEST,
        validation=validation,
        subset=subset,
        pool=pool,
        binarize=binarize,
        scaling=scaling,
        factors=factors,
        outliers=outliers,
        standardize=standardize,
        flatten=flatten,
        flip=flip,
        shift=shift,
        fingerprint=digest((pixels, labels)),
    )
