"""CIFAR-10: 50,000 + 10,000 color images of 32x32 pixels in 10 classes, from the original Python batches.

Source: A. Krizhevsky, Learning multiple layers of features from tiny images, 2009, and
https://www.cs.toronto.edu/~kriz/cifar.html for the format of the batches.
"""

import hashlib
import io
import pickle
import tarfile
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan.types import Count, Fraction, Positive
from bn_study.training.data import Data
from bn_study.training.files import Arrays, checked, digest, locate
from bn_study.training.images import prepare

TASK = "classification"
NOTE = ""
FOLDER = "cifar-10-batches-py"
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


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
    checksums: list[str] | None,
) -> Data:
    """Images (n, 32, 32, 3), 10 classes, from `cifar-10-python.tar.gz` or the unpacked folder in the data root, else
    from Keras' cache or download.

    The options are those of `images.prepare`, and:
    checksums: MD5 of data_batch_1 to data_batch_5 and test_batch, checked before they are read; None accepts any.

    Raises UsageError for a file that is missing, damaged or not CIFAR-10's.
    """
    # Keras 3 unpacks into a separate folder, Keras 2 beside its other data sets
    path = locate("cifar10", ["cifar-10-python.tar.gz", FOLDER], [f"{FOLDER}-target/{FOLDER}", FOLDER])
    batches = _read(path)
    if checksums is not None:
        _verify(batches, checksums, path)
    pixels, labels = zip(*(_decode(name, batches[name], path) for name in BATCHES), strict=True)
    arrays = Arrays(np.concatenate(pixels[:5]), np.concatenate(labels[:5]), pixels[5], labels[5])
    return prepare(
        checked(arrays, path),
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
        fingerprint=digest(arrays),
    )


def _read(path: Path) -> dict[str, bytes]:
    """The batches' bytes by name. An archive is read in memory in one pass and not unpacked to disk."""
    try:
        if path.is_dir():
            batches = {name: (path / name).read_bytes() for name in BATCHES if (path / name).is_file()}
        else:
            with tarfile.open(path, "r:gz") as archive:
                wanted = {f"{FOLDER}/{name}": name for name in BATCHES}
                batches = {
                    wanted[member.name]: stream.read()
                    for member in archive
                    if member.isfile() and member.name in wanted and (stream := archive.extractfile(member))
                }
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} is damaged ({error}); replace it") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}); replace it") from error
    missing = [name for name in BATCHES if name not in batches]
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}; replace it with the complete data set")
    return batches


def _verify(batches: dict[str, bytes], checksums: list[str], path: Path) -> None:
    if len(checksums) != len(BATCHES):
        raise UsageError(f"dataset.checksums has {len(checksums)} entries; it needs one each for {', '.join(BATCHES)}")
    for name, expected in zip(BATCHES, checksums, strict=True):
        content = hashlib.md5(batches[name], usedforsecurity=False).hexdigest()
        if content != expected:
            raise UsageError(
                f"{name} in {path} is not CIFAR-10's: its MD5 is {content}. Replace the file;\n"
                f"to use other data knowingly, save it as .npz and use dataset=arrays dataset.path=..."
            )


_ADMITTED = {
    # numpy before version 2 had it in `numpy.core`, whose import warns today
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _Unpickler(pickle.Unpickler):
    """Admits only what a pickled numpy array needs, so that no code of the file runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no data needs")
        return _ADMITTED[module, name]


def _decode(name: str, content: bytes, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (n, 32, 32, 3) and labels (n,), both uint8, of one batch: rows of 1024 red, 1024 green, 1024 blue."""
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        pixels = np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return pixels, np.asarray(batch[b"labels"], np.uint8)
    except Exception as error:  # unpickling another file can raise anything
        raise UsageError(f"{name} in {path} is not a batch of CIFAR-10 ({error}); replace it") from error
