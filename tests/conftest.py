"""Shared by all tests. One thread, set before TensorFlow is imported, because that is how workers train."""

import os
import signal
from pathlib import Path

for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import pytest

from bn_study.plan.compose import compose, expand
from bn_study.plan.spec import RunSpec

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job, whose children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

HOME = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def home() -> Path:
    return HOME


@pytest.fixture(scope="session")
def specify():
    """`specify("norm=batch", "seed=3")` -> the one run that these overrides describe."""

    def specify(*overrides: str) -> RunSpec:
        experiment, _ = compose(HOME, None, overrides)
        (run,), waiting = expand(experiment, {})
        assert not waiting
        return run.spec

    return specify
