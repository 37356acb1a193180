"""From stored arrays to three splits: held out, pooled and scaled. All image data sets use it."""

from typing import Literal

import numpy as np

from bn_study.errors import UsageError
from bn_study.training.data import Data, Split
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
    precision: the type for pooling and scaling, before inputs become float32.

    Raises UsageError, naming the option, if too many are held out or the pool does not divide the image.
    """
    pixels = arrays.x_train[..., np.newaxis] if arrays.x_train.ndim == 3 else arrays.x_train
    test = arrays.x_test[..., np.newaxis] if arrays.x_test.ndim == 3 else arrays.x_test
    _check_pool(pool, pixels.shape[1:])
    order = permutation(len(pixels))
    held_out, kept = order[:validation], order[validation:][:subset]
    _check_counts(validation, subset, len(pixels))

    inputs = [_pooled(split, pool, precision) for split in (pixels[kept], pixels[held_out], test)]
    _scale(inputs, low, high, binarize, scaling)
    y_train, y_test = (labels.reshape(-1).astype(np.int32) for labels in (arrays.y_train, arrays.y_test))
    targets = (y_train[kept], y_train[held_out], y_test)
    train, held, tested = (
        Split(split.astype(np.float32, copy=False), labels) for split, labels in zip(inputs, targets, strict=True)
    )
    return Data(train, held, tested, int(y_train.max()) + 1, fingerprint, warnings)


def _scale(
    inputs: list[np.ndarray],
    low: float | np.ndarray,
    high: float | np.ndarray,
    binarize: float | None,
    scaling: Literal["unit", "standard", "raw"],
) -> None:
    """Binarize and scale the splits (the training split is first), in place: CIFAR-10 is 0.6 GB as float32."""
    if scaling == "unit" or binarize is not None:
        span = np.where(np.equal(high, low), 1, np.subtract(high, low)).astype(inputs[0].dtype)
        for split in inputs:
            split -= np.asarray(low, inputs[0].dtype)
            split /= span
            if binarize is not None:
                split[...] = split > binarize
    if scaling == "standard":
        mean, deviation = _moments(inputs[0])
        for split in inputs:
            split -= mean
            split /= deviation


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


def _moments(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation in the inputs' type, over all pixels or over each feature of vectors.

    The deviation of a constant is set to 1.
    """
    axis = 0 if inputs.ndim == 2 else None
    mean = inputs.mean(axis=axis, dtype=np.float64)
    # in blocks, because the squares of all inputs in float64 would need twice their memory
    blocks = np.array_split(inputs, -(-len(inputs) // 1000))
    variance = sum(np.square(block - mean).sum(axis=axis) for block in blocks) / (inputs.size // np.size(mean))
    return mean.astype(inputs.dtype), np.where(variance > 0, np.sqrt(variance), 1).astype(inputs.dtype)
