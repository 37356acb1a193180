"""CIFAR-10 after one JPEG round trip, for machines without the original. Its results are not results on CIFAR-10.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009. The splits and classes are the same;
the pixels differ slightly, and the examples are in another order.
"""

from typing import Literal

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Fraction, Positive
from bn_study.training.data import Data
from bn_study.training.files import data_root, digest, read_npz
from bn_study.training.images import prepare

TASK = "classification"
NOTE = "CIFAR-10's images after one JPEG round trip, which is not CIFAR-10"


def load(
    *,
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
    fingerprint: str | None,
) -> Data:
    """Images (n, 32, 32, 3), 10 classes, from `cifar10_jpeg.npz` in the data root.

    The options are those of `images.prepare`, and:
    fingerprint: expected SHA-256 of the content (see `files.digest`); None accepts any. Other content is a warning, not
    an error, because JPEG decoders differ in low bits.

    Raises UsageError for a file that is missing or damaged.
    """
    path = data_root() / "cifar10_jpeg.npz"
    if not path.exists():
        raise UsageError(f"no file at {path}; put it there (the folder is BN_STUDY_DATA), or use dataset=digits")
    arrays = read_npz(path)
    content = digest(arrays)
    expected = fingerprint in (None, content)
    return prepare(
        arrays,
        0,
        255,
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
        fingerprint=content,
        warnings=() if expected else (f"cifar10_jpeg: the SHA-256 is {content}, not {fingerprint}; another decoder?",),
    )
