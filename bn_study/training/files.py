"""Find and read data files. All content is checked, and no code in a file is run."""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan.types import FileContent


class Arrays(NamedTuple):
    """A data set as stored, in the layout of Keras' `mnist.npz`.

    x_train, x_test: pixels, (n, height, width), (n, height, width, channels) or (n, features).
    y_train, y_test: class labels from 0, (n,).
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def data_root() -> Path:
    """The folder of data files: BN_STUDY_DATA, else `~/.cache/bn_study`. It need not exist.

    Raises UsageError if it exists and cannot be read.
    """
    root = Path(os.path.expanduser(os.environ.get("BN_STUDY_DATA") or "~/.cache/bn_study"))
    if os.path.exists(root) and not (os.path.isdir(root) and os.access(root, os.R_OK | os.X_OK)):
        raise UsageError(f"the data root {root} is not a folder that can be read; set BN_STUDY_DATA to one")
    return root


def keras_folders() -> list[Path]:
    """Keras' folders of downloads: in KERAS_HOME or `~/.keras`, and the fallback if that is not writable."""
    home = os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras")
    return [Path(home, "datasets"), Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras/datasets")]


def locate(name: str, in_root: Sequence[str], in_keras: Sequence[str]) -> Path:
    """The first existing file or folder in the data root, then in Keras' cache, then after Keras' download.

    name: Keras' name of the data set. in_root, in_keras: paths relative to the data root and to Keras' cache.
    Raises UsageError if none exists and the download fails.
    """
    ours = [data_root() / path for path in in_root]
    candidates = [*ours, *(folder / path for folder in keras_folders() for path in in_keras)]
    existing = _existing(candidates)
    if not existing:
        reason = download(name)
        existing = _existing(candidates)
    if not existing:
        raise UsageError(
            f"no {name} on this machine, and it could not be downloaded ({reason}).\n"
            f"Put it at {' or '.join(map(str, ours))} (the folder is BN_STUDY_DATA), or use dataset=digits"
        )
    return existing


def _existing(paths: Sequence[Path]) -> Path | None:
    # os.path.exists, not Path.exists, which raises for a folder without permission to enter
    return next((path for path in paths if os.path.exists(path)), None)


def download(name: str) -> str:
    """Let Keras download its data set `name` into its own cache. Returns a reason in case the file is still missing.

    It runs in a separate process, because Keras imports TensorFlow and draws a progress bar on standard output.
    """
    print(f"downloading {name} with Keras, once", file=sys.stderr)
    script = f"import socket; socket.setdefaulttimeout(60); from keras.datasets import {name}; {name}.load_data()"
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", script],  # -P: do not import a keras.py of the current folder
            env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except OSError as error:
        return str(error)
    complaint = child.stderr.strip().splitlines() if child.returncode else []
    return complaint[-1][:200] if complaint else "Keras' cache does not have it"


def digest(arrays: Sequence[np.ndarray]) -> str:
    """SHA-256 over the arrays' raw bytes in C order, one array after the other."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def read_npz(file: Path | FileContent) -> Arrays:
    """The four arrays of an .npz file, verified by `checked`. A FileContent must still have its SHA-256.

    Raises UsageError, naming the file, if it cannot be read, is no .npz, lacks an array, or holds Python objects.
    """
    path = Path(file.path) if isinstance(file, FileContent) else file
    try:
        with open(path, "rb") as stream:
            if isinstance(file, FileContent) and hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                raise UsageError(f"{path} changed while it was in use; start the command again")
            return checked(_members(stream, path), path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error


def _members(stream: BinaryIO, path: Path) -> Arrays:
    stream.seek(0)
    if not zipfile.is_zipfile(stream):
        raise UsageError(f"{path} is not an .npz archive, or only the beginning of one; replace it")
    stream.seek(0)
    try:
        with np.load(stream, allow_pickle=False) as archive:
            missing = [name for name in Arrays._fields if name not in archive.files]
            if missing:
                raise UsageError(f"{path} lacks {', '.join(missing)}; it must hold {', '.join(Arrays._fields)}")
            return Arrays(*(archive[name] for name in Arrays._fields))
    except UsageError:
        raise
    except Exception as error:  # a damaged archive raises a dozen types, from zlib.error to MemoryError
        if "allow_pickle" in str(error):
            raise UsageError(f"{path} holds Python objects (pickles), which are not read; save plain arrays") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{path} is damaged ({reason[:200]}); replace it") from error


def checked(arrays: Arrays, path: Path) -> Arrays:
    """The same arrays if they form a data set for classification. Raises UsageError, naming `path`, otherwise.

    Pixels must be uint8 or finite floats, with the same type and shape in train and test. Labels must be whole numbers
    from 0, (n,) or (n, 1). Every class of the test split must occur in the training split.
    """
    for split, pixels, labels in (("train", *arrays[:2]), ("test", *arrays[2:])):
        x, y = f"{path}: x_{split}", f"{path}: y_{split}"
        if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
            raise UsageError(f"{x} is {pixels.dtype}; store pixels as uint8 or float32")
        if pixels.ndim not in (2, 3, 4) or pixels.size == 0:
            raise UsageError(f"{x} has shape {pixels.shape}; use (n, height, width[, channels]) or (n, features)")
        if not _finite(pixels):
            raise UsageError(f"{x} holds NaN or values that float32 cannot hold; remove or replace them")
        if labels.shape not in ((len(pixels),), (len(pixels), 1)):
            raise UsageError(f"{y} has shape {labels.shape}; it must hold a class for each of {len(pixels)} inputs")
        if labels.dtype.kind not in "iuf" or not _finite(labels) or (labels != np.floor(labels)).any():
            raise UsageError(f"{y} ({labels.dtype}) must hold class numbers: whole numbers from 0")
        for label in (labels.min(), labels.max()):
            if not 0 <= label < len(arrays.x_train):
                raise UsageError(f"{y} holds the label {label}; classes are numbered from 0, and fewer than inputs")
    if arrays.x_train.shape[1:] != arrays.x_test.shape[1:] or arrays.x_train.dtype != arrays.x_test.dtype:
        kinds = " and ".join(f"{pixels.dtype} {pixels.shape[1:]}" for pixels in (arrays.x_train, arrays.x_test))
        raise UsageError(f"{path}: inputs of x_train and x_test differ: {kinds}")
    if (arrays.y_train == 0).all():
        raise UsageError(f"{path}: y_train holds the class 0 alone, so there is nothing to learn")
    unknown = np.setdiff1d(arrays.y_test, arrays.y_train)
    if len(unknown):
        raise UsageError(f"{path}: y_test holds the class {unknown[0]:.0f}, which y_train lacks")
    return arrays


def _finite(values: np.ndarray) -> bool:
    if values.dtype.kind != "f":
        return True
    with np.errstate(over="ignore"):  # a float64 beyond the range of float32 becomes infinite
        return bool(np.isfinite(values.astype(np.float32, copy=False)).all())
