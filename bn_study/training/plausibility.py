"""Warnings about arrays that look unintended. They are not errors, because the user may have meant it."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from bn_study.training.data import Data
from bn_study.training.files import Arrays

LOSS = 1e-4
"""Largest rounding error of float32, as a share of the range; beyond it values are scaled as float64."""
LEVELS = 256
"""Nine tenths of the values should span more than this fraction, 1/LEVELS, of their range."""
FACTOR = 10
"""Warn if the ranges of train and test differ by a larger factor."""
DARK = 32
"""Warn if all uint8 pixels are below this and are divided by 255."""
SAMPLE = 3_000_000
"""Number of values from which percentiles are computed."""
_NAMES = 10


def bounds(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value in float64, over all pixels of images, or of each feature of vectors."""
    axis = 0 if inputs.ndim == 2 else None
    return inputs.min(axis=axis).astype(np.float64), inputs.max(axis=axis).astype(np.float64)


def float32_suffices(inputs: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether rounding to float32 changes values by at most LOSS of their range. low, high: see `bounds`."""
    if inputs.dtype == np.uint8 or np.finfo(inputs.dtype).nmant <= np.finfo(np.float32).nmant:
        return True
    step = np.spacing(np.maximum(np.abs(low), np.abs(high)).astype(np.float32)) / 2
    return bool((step <= LOSS * (high - low))[high > low].all())


def warnings(arrays: Arrays, data: Data, file: str, scaling: Literal["unit", "standard", "raw"]) -> Iterator[str]:
    """A line for each warning about a file. data: made from its arrays, with pixels on the scale `scaling`."""
    yield from _classes(arrays.y_train, file)
    x_train, x_test = arrays.x_train, arrays.x_test
    low, high = bounds(x_train)
    if x_train.ndim == 4 and x_train.shape[1] <= 4 < x_train.shape[3]:
        height, width, channels = x_train.shape[1:]
        yield (
            f"{file}: x_train counts as images of {height}x{width} pixels and {channels} channels; "
            "if channels come first, transpose(0, 2, 3, 1) puts them last"
        )
    if x_train.dtype == np.uint8 and scaling == "unit" and high.max() < DARK:
        yield (
            f"{file}: x_train is uint8 and holds nothing above {high.max():g}; the 0..1 scale is value / 255, so no "
            f"input is above {high.max() / 255:.2g}. Store it as float32, or use dataset.scaling=standard"
        )
    if not float32_suffices(x_train, low, high):
        if float32_suffices(data.train.inputs.astype(np.float64), *bounds(data.train.inputs)):
            yield f"{file}: x_train differs too little for its size to be rounded first, so it is scaled as float64"
        else:
            yield f"{file}: as float32, x_train loses most of its differences; use dataset.scaling=standard"
    yield from _crowded(x_train, low, high, file)
    yield from _apart(x_train, x_test, file)


def _classes(labels: np.ndarray, file: str) -> Iterator[str]:
    count = int(labels.max()) + 1
    empty = np.setdiff1d(np.arange(count), labels)
    if len(empty):
        more = f" and {len(empty) - _NAMES} more" if len(empty) > _NAMES else ""
        named = ", ".join(map(str, empty[:_NAMES])) + more
        yield (
            f"{file}: y_train has no example of class {named}; the network still gets {count} outputs, and chance is "
            f"1/{count}. Number the classes from 0 without gaps"
        )


def _crowded(inputs: np.ndarray, low: np.ndarray, high: np.ndarray, file: str) -> Iterator[str]:
    """Warn if a few extreme values, such as fill values, leave no range to the others."""
    if inputs.dtype == np.uint8:
        return
    least, most = _central(inputs)
    crowded = (most > least) & ((most - least) * LEVELS < high - low)
    if crowded.any():
        where, (a, b, c, d) = _first(crowded, least, most, low, high)
        yield (
            f"{file}: nine tenths of x_train{where} lie between {a:g} and {b:g}, and all between {c:g} and {d:g}; "
            "scaled, they are nearly one level. Are there fill values?"
        )


def _apart(train: np.ndarray, test: np.ndarray, file: str) -> Iterator[str]:
    """Warn if train and test seem to be scaled differently; for vectors by feature, without extreme values."""
    extent = _central if train.ndim == 2 else bounds
    (a, b), (c, d) = extent(train), extent(test)
    differ = (a > d) | (c > b)
    differ |= (b > a) & (d > c) & ((b - a > FACTOR * (d - c)) | (d - c > FACTOR * (b - a)))
    if differ.any():
        where, (least, most, low, high) = _first(differ, a, b, c, d)
        yield (
            f"{file}: x_train{where} ranges from {least:g} to {most:g}, x_test from {low:g} to {high:g}; "
            "are they scaled alike?"
        )


def _central(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 5th and 95th percentile of a sample of examples, over all pixels or of each feature."""
    count = max(20, SAMPLE // (inputs.size // len(inputs)))
    rows = np.linspace(0, len(inputs) - 1, min(count, len(inputs))).astype(int)
    least, most = np.percentile(inputs[rows].astype(np.float64), [5, 95], axis=0 if inputs.ndim == 2 else None)
    return least, most


def _first(flagged: np.ndarray, *values: np.ndarray) -> tuple[str, list[float]]:
    """The first flagged feature in words, with the number of others ("" for images), and its values."""
    if not np.ndim(flagged):
        return "", [float(value) for value in values]
    feature, count = int(np.argmax(flagged)), int(flagged.sum())
    more = f" and of {count - 1} more" if count > 1 else ""
    return f"'s feature {feature}{more}", [float(value[feature]) for value in values]
