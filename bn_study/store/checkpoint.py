"""A run under way, on disk: all that training needs to go on from a step as if it had never stopped.

One .npz of plain arrays, nothing in it is run as code: the state that `train` gives (every variable of network and
optimizer, the seed generators' among them, the records so far, the step), the spec it belongs to, and under what
circumstances the steps so far were taken. Behind the archive stands its SHA-256: a flipped bit of its directory can
hide an array from zip's own checks.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bn_study.plan.spec import RunSpec

State = Mapping[str, np.ndarray]
_SPEC, _HISTORY = "spec", "history"
_DIGEST = hashlib.sha256().digest_size


class Unusable(Exception):
    """A checkpoint that is damaged, or not of this run."""


@dataclass(frozen=True)
class Checkpoint:
    """state: None at the beginning of a run. history: an entry per stretch of it that ended with a checkpoint."""

    state: State | None
    history: list[dict[str, Any]]


BEGINNING = Checkpoint(None, [])


def save(path: Path, spec: RunSpec, checkpoint: Checkpoint) -> None:
    """Write beside, sync, rename: a checkpoint is there whole, or the one before it is. Raises OSError."""
    content = io.BytesIO()
    texts = {_SPEC: np.array(spec.canonical()), _HISTORY: np.array(json.dumps(checkpoint.history))}
    np.savez(content, allow_pickle=False, **texts, **(checkpoint.state or {}))
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        file.write(content.getbuffer())
        file.write(hashlib.sha256(content.getbuffer()).digest())
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def load(path: Path, spec: RunSpec | None) -> Checkpoint:
    """Read a checkpoint; spec: whose it must be. Raises Unusable, and FileNotFoundError where there is none."""
    try:
        whole = path.read_bytes()
        if hashlib.sha256(whole[:-_DIGEST]).digest() != whole[-_DIGEST:]:
            raise Unusable(f"{path}: the checksum at its end does not match")
        with np.load(io.BytesIO(whole[:-_DIGEST]), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        text, history = str(arrays.pop(_SPEC)), json.loads(str(arrays.pop(_HISTORY)))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise Unusable(f"{path}: {error}") from error
    if spec is not None and text != spec.canonical():
        raise Unusable(f"{path}: it is of another run")
    return Checkpoint(arrays, history)
