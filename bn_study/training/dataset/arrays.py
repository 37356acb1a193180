"""Any data set for classification that fits in memory, from an .npz file in the layout of Keras' `mnist.npz`."""

from typing import Literal

import numpy as np

from bn_study.plan.types import Count, File, Fraction
from bn_study.training.data import Data
from bn_study.training.files import read_npz
from bn_study.training.images import prepare


def load(
    *,
    path: File,
    validation: Count,
    subset: Count | None,
    pool: Count,
    binarise: Fraction | None,
    scaling: Literal["unit", "standard", "raw"],
) -> Data:
    """Images or vectors of x_train and x_test with the class numbers y_train and y_test; classes = largest + 1.

    The options are those of `images.prepare`. The 0..1 scale is value / 255 for uint8. Floats that lie in 0..1 over
    x_train stay as they are; others are taken there from the minimum and maximum of x_train (vectors: of each
    feature), the same whatever `validation` and `subset` are.

    Raises UsageError, naming the file, for content that does not fit: see `files.read_npz` and `files.checked`.
    """
    arrays = read_npz(path)
    low, high = _range(arrays.x_train)
    return prepare(
        arrays,
        low,
        high,
        validation=validation,
        subset=subset,
        pool=pool,
        binarise=binarise,
        scaling=scaling,
        fingerprint=path.sha256,
    )


def _range(pixels: np.ndarray) -> tuple[float | np.ndarray, float | np.ndarray]:
    if pixels.dtype == np.uint8:
        return 0, 255
    if pixels.min() >= 0 and pixels.max() <= 1:
        return 0, 1
    axis = 0 if pixels.ndim == 2 else None
    return pixels.min(axis=axis), pixels.max(axis=axis)
