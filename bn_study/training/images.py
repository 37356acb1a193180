"""From stored arrays to three splits: held out, pooled and scaled. All image data sets use it."""

from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from bn_study.errors import UsageError
from bn_study.training import distortion
from bn_study.training.data import Augmentation, Data, Scale, Split
from bn_study.training.files import Arrays


def permutation(count: int) -> np.ndarray:
    """The order in which `count` examples are assigned to splits, the same on every machine."""
    return np.random.Generator(np.random.PCG64(0)).permutation(count)


def prepare(
    arrays: Arrays,
    low: float | np.ndarray,
    high: float | np.ndarray,
    *,
    validation: int,
    subset: int | None,
    pool: int,
    binarize: float | None,
    scaling: Literal["unit", "standard", "raw"],
    factors: list[float] | None,
    outliers: list[float] | None,
    standardize: bool | None,
    flatten: bool | None,
    flip: bool | None,
    shift: int | None,
    fingerprint: str,
    warnings: tuple[str, ...] = (),
    precision: type[np.floating] = np.float32,
) -> Data:
    """Data for classification: inputs float32, images as (n, height, width, channels) with channels 1 for gray.

    low, high: the stored values that `unit` maps to 0 and 1; a number, or one for each feature of vectors.
    validation: training inputs held out; the choice depends only on their number.
    subset: how many of the remaining training inputs to keep; None keeps all.
    pool: the side of the square of pixels that average into one.
    binarize: pixels above this on the 0..1 scale become 1, the others 0, after pooling; None leaves them gray.
    scaling: unit: 0..1; standard: mean 0 and standard deviation 1 over the training pixels (vectors: over each
    feature); raw: as stored. Binarized pixels are 0 and 1 under unit and raw.
    factors, outliers, standardize, flatten: see distortion.py. flip, shift: see `Augmentation`.
    precision: the type for pooling and scaling, before inputs become float32.

    Raises UsageError, naming the option, if one does not fit the data or is out of range.
    """
    pixels, test = (one[..., np.newaxis] if one.ndim == 3 else one for one in (arrays.x_train, arrays.x_test))
    _check_pool(pool, pixels.shape[1:])
    augmentation = _augmentation(flip, shift, pixels.shape[1:] if not flatten else (pixels[0].size,), pool)
    _check_counts(validation, subset, len(pixels))
    order = permutation(len(pixels))
    held_out, kept = order[:validation], order[validation:][:subset]
    stored, scale = [pixels[kept], pixels[held_out], test], None
    if pixels.dtype == np.uint8 and pool == 1 and not (factors or outliers or standardize):
        stored, scale = _bytes(stored, low, high, binarize, scaling)
    else:
        stored = _floats([_pooled(split, pool, precision) for split in stored], low, high, binarize, scaling)
    stored, multiplied = distortion.distort(stored, factors, outliers, standardize, flatten)
    y_train, y_test = (labels.reshape(-1).astype(np.int32) for labels in (arrays.y_train, arrays.y_test))
    targets = y_train[kept], y_train[held_out], y_test
    train, held, tested = (Split(split, labels, scale) for split, labels in zip(stored, targets, strict=True))
    return Data(train, held, tested, int(y_train.max()) + 1, fingerprint, warnings, augmentation, multiplied)


def _bytes(
    pixels: list[np.ndarray], low: float | np.ndarray, high: float | np.ndarray, binarize: float | None, scaling: str
) -> tuple[list[np.ndarray], Scale]:
    """What `_floats` does, for splits that stay bytes: the splits, binarized or as they are, and their scale."""
    zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    offset, divisor = zero + low, one * high - low
    if binarize is not None:
        white = Scale(offset, divisor)(np.arange(256, dtype=np.float32)) > binarize
        pixels = [white.astype(np.uint8)[split] for split in pixels]
    if scaling == "standard":
        return pixels, Scale(*_moments(pixels[0], np.float32))
    return pixels, Scale(offset, divisor) if scaling == "unit" and binarize is None else Scale(zero, one)


def _floats(
    inputs: list[np.ndarray],
    low: float | np.ndarray,
    high: float | np.ndarray,
    binarize: float | None,
    scaling: Literal["unit", "standard", "raw"],
) -> list[np.ndarray]:
    """The splits (the training split is first), binarized and scaled in place: CIFAR-10 is 0.6 GB as float32."""
    if scaling == "unit" or binarize is not None:
        span = np.where(np.equal(high, low), 1, np.subtract(high, low)).astype(inputs[0].dtype)
        for split in inputs:
            split -= np.asarray(low, inputs[0].dtype)
            split /= span
            if binarize is not None:
                split[...] = split > binarize
    if scaling == "standard":
        mean, deviation = _moments(inputs[0], inputs[0].dtype)
        for split in inputs:
            split -= mean
            split /= deviation
    return [split.astype(np.float32, copy=False) for split in inputs]


def _augmentation(flip: bool | None, shift: int | None, shape: tuple[int, ...], pool: int) -> Augmentation | None:
    if not flip and not shift:
        return None
    if len(shape) == 1:
        raise UsageError("dataset.flip and dataset.shift change images, but the inputs are vectors; give null")
    if shift and shift >= min(shape[:2]) // pool:
        raise UsageError(
            f"dataset.shift={shift} moves images of {min(shape[:2]) // pool} pixels out of sight; give less"
        )
    return Augmentation(bool(flip), shift or 0)


def _check_counts(validation: int, subset: int | None, count: int) -> None:
    if validation >= count:
        raise UsageError(f"dataset.validation={validation} leaves nothing to train on; at most {count - 1}")
    if subset is not None and subset > count - validation:
        raise UsageError(
            f"dataset.subset={subset} is more than there are; at most {count - validation}, "
            f"{count} training inputs less dataset.validation={validation}"
        )


def _check_pool(pool: int, shape: tuple[int, ...]) -> None:
    if pool == 1:
        return
    if len(shape) == 1:
        raise UsageError(f"dataset.pool={pool} pools pixels of images, but the inputs are vectors; use dataset.pool=1")
    height, width = shape[:2]
    if height % pool or width % pool:
        good = [side for side in range(1, min(height, width) + 1) if height % side == width % side == 0]
        raise UsageError(f"dataset.pool={pool} does not divide {height}x{width} pixels; use one of {good}")


def _pooled(pixels: np.ndarray, pool: int, precision: type[np.floating]) -> np.ndarray:
    if pool == 1:
        return pixels.astype(precision)
    count, height, width, channels = pixels.shape
    blocks = pixels.reshape(count, height // pool, pool, width // pool, pool, channels)
    return blocks.mean(axis=(2, 4), dtype=precision)


def _moments(inputs: np.ndarray, dtype: DTypeLike) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation in the type `dtype`, over all pixels or over each feature of vectors.

    The deviation of a constant is set to 1.
    """
    axis = 0 if inputs.ndim == 2 else None
    mean = inputs.mean(axis=axis, dtype=np.float64)
    # in blocks, because the squares of all inputs in float64 would need twice their memory
    blocks = np.array_split(inputs, -(-len(inputs) // 1000))
    variance = sum(np.square(block - mean).sum(axis=axis) for block in blocks) / (inputs.size // np.size(mean))
    return mean.astype(dtype), np.where(variance > 0, np.sqrt(variance), 1).astype(dtype)
