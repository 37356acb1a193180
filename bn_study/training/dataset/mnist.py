"""MNIST: 60,000 + 10,000 handwritten digits of 28x28 pixels.

Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document recognition, 1998.
"""

from typing import Literal

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Fraction, Positive
from bn_study.training.data import Data
from bn_study.training.files import digest, locate, read_npz
from bn_study.training.images import prepare

TASK = "classification"
NOTE = ""


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
    """Images (n, 28, 28, 1), 10 classes, from `mnist.npz` in the data root, else from Keras' cache or download.

    The options are those of `images.prepare`, and:
    fingerprint: required SHA-256 of the content (see `files.digest`); None accepts any content of that shape.

    Raises UsageError for a file that is missing, damaged or not MNIST.
    """
    path = locate("mnist", ["mnist.npz"], ["mnist.npz"])
    arrays = read_npz(path)
    content = digest(arrays)
    if fingerprint not in (None, content) or arrays.x_train.shape[1:] != (28, 28):
        raise UsageError(
            f"the content of {path} is not MNIST's: its SHA-256 is {content}. Replace the file,\n"
            f"or use it knowingly with dataset=arrays dataset.path={path}"
        )
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
    )
