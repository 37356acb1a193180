"""Data made hard to learn from, by features of unequal scale and outliers, and one scale for all features as a cure."""

import numpy as np

from bn_study.errors import UsageError


def distort(
    splits: list[np.ndarray],
    factors: list[float] | None,
    outliers: list[float] | None,
    standardized: bool | None,
    flatten: bool | None,
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Do what is asked for, in this order and in place. Returns the splits, the training one first, and the factors.

    flatten: images become vectors; a normalizer on the input then has statistics of each pixel, not of each channel.
    """
    multiplied = multiply(splits, factors)
    make_outliers(splits[0], outliers)
    if standardized:
        standardize(splits)
    if flatten:
        splits = [split.reshape(len(split), -1) for split in splits]
        multiplied = None if multiplied is None else multiplied.reshape(-1)
    return splits, multiplied


def multiply(splits: list[np.ndarray], bounds: list[float] | None) -> np.ndarray | None:
    """Multiply each pixel or feature, in place, by a factor of its own, the same in all splits and on every machine.

    bounds: factors are log-uniform between these two. Returns the factors, float32; None, for bounds of None, leaves
    the splits. Raises UsageError where the bounds are no range.
    """
    if bounds is None:
        return None
    if len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise UsageError(f"dataset.factors={bounds}: give two positive numbers, the smaller one first, as [0.1,10]")
    low, high = bounds
    random = np.random.Generator(np.random.PCG64(1))
    factors = np.exp(random.uniform(np.log(low), np.log(high), splits[0].shape[1:])).astype(np.float32)
    for split in splits:
        split *= factors
    return factors


def make_outliers(inputs: np.ndarray, outliers: list[float] | None) -> None:
    """Multiply a share of the inputs by a factor, in place; the choice depends only on their number.

    outliers: [share, factor]; None leaves the inputs. Raises UsageError where the share is none.
    """
    if outliers is None:
        return
    if len(outliers) != 2 or not outliers[0] < 1:
        raise UsageError(f"dataset.outliers={outliers}: give a share between 0 and 1 and a factor, as [0.05,10]")
    share, factor = outliers
    chosen = np.random.Generator(np.random.PCG64(2)).permutation(len(inputs))[: round(share * len(inputs))]
    inputs[chosen] *= np.float32(factor)


def standardize(splits: list[np.ndarray]) -> None:
    """Bring each pixel or feature, in place, to mean 0 and standard deviation 1 over the first split, the training one.

    A feature that is constant there only loses its mean. One that is nearly constant there may be large elsewhere.
    """
    train = splits[0]
    mean = train.mean(axis=0, dtype=np.float64)
    # in blocks, because float64 deviations of all inputs would need twice their memory
    blocks = np.array_split(train, -(-len(train) // 1000))
    variance = sum(np.square(block - mean).sum(axis=0) for block in blocks) / len(train)
    divisor = np.where(variance > 0, np.sqrt(variance), 1)
    for split in splits:
        split -= mean.astype(np.float32)
        split /= divisor.astype(np.float32)
