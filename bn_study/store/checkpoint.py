"""Checkpoints: a file from which training continues a run as if it had never stopped.

The file is an .npz of plain arrays, so reading it runs no code. It holds the state that `train` gives (the step, the
records so far, and every variable of the network and the optimizer, including the seed generators'), the run's spec,
and the circumstances of the steps so far. The SHA-256 of the archive follows it, because a flipped bit in the zip
directory can hide an array from zip's own checks.
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
from bn_study.store.replacing import replacing

State = Mapping[str, np.ndarray]
_SPEC, _HISTORY = "spec", "history"
_DIGEST = hashlib.sha256().digest_size


class Unusable(Exception):
    """A checkpoint that is damaged or belongs to another run."""


@dataclass(frozen=True)
class Checkpoint:
    """state: None at the start of a run. history: an entry for each attempt that left a checkpoint."""

    state: State | None
    history: list[dict[str, Any]]


BEGINNING = Checkpoint(None, [])


def save(path: Path, spec: RunSpec, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint atomically: write beside it, sync, rename. Raises OSError."""
    content = io.BytesIO()
    texts = {_SPEC: np.array(spec.canonical()), _HISTORY: np.array(json.dumps(checkpoint.history))}
    np.savez(content, allow_pickle=False, **texts, **(checkpoint.state or {}))
    with replacing(path) as beside, open(beside, "wb") as file:
        file.write(content.getbuffer())
        file.write(hashlib.sha256(content.getbuffer()).digest())
        file.flush()
        os.fsync(file.fileno())


def load(path: Path, spec: RunSpec | None) -> Checkpoint:
    """Read a checkpoint. spec: its run must be this one.

    Raises Unusable, FileNotFoundError if there is none, or another OSError if it cannot be read now.
    """
    try:
        whole = path.read_bytes()
        if hashlib.sha256(whole[:-_DIGEST]).digest() != whole[-_DIGEST:]:
            raise Unusable(f"{path}: the checksum at its end does not match")
        with np.load(io.BytesIO(whole[:-_DIGEST]), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        text, history = str(arrays.pop(_SPEC)), json.loads(str(arrays.pop(_HISTORY)))
    except (ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
        raise Unusable(f"{path}: {error}") from error
    if spec is not None and text != spec.canonical():
        raise Unusable(f"{path}: it belongs to another run")
    return Checkpoint(arrays, history)
