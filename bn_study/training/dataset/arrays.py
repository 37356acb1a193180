"""Any data set for classification that fits in memory, from an .npz file in the layout of Keras' `mnist.npz`."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan.types import Count, File, Fraction, Positive
from bn_study.training import plausibility
from bn_study.training.data import Data
from bn_study.training.files import Arrays, read_npz
from bn_study.training.images import prepare

TASK = "classification"
NOTE = ""


def load(
    *,
    path: File,
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
    """Images or vectors of x_train and x_test with the class numbers y_train and y_test; classes = largest + 1.

    The options are those of `images.prepare`. For uint8 the 0..1 scale is value / 255. Floats stay as they are if
    x_train lies in 0..1. Other floats are scaled from the minimum and maximum of x_train (vectors: of each feature),
    which do not depend on `validation` and `subset`. Content that looks unintended is a warning: see `plausibility`.

    Raises UsageError, naming the file, for content that does not fit (see `files.read_npz` and `files.checked`) and for
    scaled values that float32 cannot hold.
    """
    arrays = read_npz(path)
    low, high = plausibility.bounds(arrays.x_train)
    precise = plausibility.float32_suffices(arrays.x_train, low, high)
    with np.errstate(over="ignore", invalid="ignore"):  # checked below
        data = prepare(
            arrays,
            *_scale(arrays.x_train, low, high),
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
            fingerprint=path.sha256,
            precision=np.float32 if precise else np.float64,
        )
    _check(data, arrays, Path(path.path), scaling)
    scale = scaling if binarize is None else "unit"
    return replace(data, warnings=tuple(plausibility.warnings(arrays, data, Path(path.path).name, scale)))


def _scale(
    pixels: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[float | np.ndarray, float | np.ndarray]:  # fmt: skip
    """The stored values that become 0 and 1."""
    if pixels.dtype == np.uint8:
        return 0, 255
    if low.min() >= 0 and high.max() <= 1:
        return 0, 1
    return low, high


def _check(data: Data, arrays: Arrays, path: Path, scaling: str) -> None:
    for name, split in (("x_train", data.train), ("x_train", data.validation), ("x_test", data.test)):
        if not np.isfinite([split.inputs.min(), split.inputs.max()]).all():
            stored: np.ndarray = getattr(arrays, name)
            raise UsageError(
                f"{path}: {name} ranges from {stored.min():g} to {stored.max():g}, and dataset.scaling={scaling} takes "
                "that to NaN or values that float32 cannot hold;\nare there fill values? Replace them"
            )
