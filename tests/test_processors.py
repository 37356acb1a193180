"""The committed evidence is the same on another processor, whose sums and logarithms differ in their last places."""

import os
import random
import shutil
import subprocess
import sys

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from bn_study.analysis import csv_files, rounding, tables
from bn_study.plan import parts
from bn_study.plan.compose import compose
from bn_study.report import evidence
from bn_study.study import Study

ON = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
"""The instruction sets that NumPy chooses among on this machine, the oldest first."""
LEVELS = [tuple(ON[at:]) for at in reversed(range(len(ON)))]
"""What to switch off: the newest alone, then more, down to what every machine has."""
WITHOUT_FMA = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"
"""The C library then takes logarithms and powers without fused multiplication, which changes last places."""
CHILD = """
import sys
from numpy._core._multiarray_umath import __cpu_features__
assert not any(__cpu_features__[name] for name in sys.argv[1].split())
from bn_study.cli.main import main
sys.exit(main(["report", "--check", *sys.argv[2:]]))
"""
FOUND = ("gradients_by_depth", "moments_by_depth", "learning_rates")
"""Experiments with numbers that did differ in the 16th digit."""


def checked(home, results, level, core, *words):
    """What `report --check` says without the instruction sets of `level`, and with OpenBLAS's kernels for `core`."""
    environment = {
        "PYTHONPATH": home, "BN_STUDY_HOME": home, "BN_STUDY_RESULTS": results, "OPENBLAS_CORETYPE": core,
        "NPY_DISABLE_CPU_FEATURES": " ".join(level), "GLIBC_TUNABLES": WITHOUT_FMA if "X86_V3" in level else "",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", CHILD, " ".join(level), *words],
        env=os.environ | {key: str(value) for key, value in environment.items()},
        capture_output=True,
        text=True,
    )


def copied(home, target, *names):
    """A folder of results with the tables of these experiments alone, and of the one that all verdicts wait for."""
    for name in {*names, "sanity_checks"}:
        shutil.copytree(home / "results" / name, target / name)
    return target


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_the_evidence_of_an_experiment_is_the_same(home, tmp_path, level):
    name = FOUND[len(level) % len(FOUND)]
    answer = checked(home, copied(home, tmp_path, name), level, "Nehalem" if level == LEVELS[-1] else "Haswell", name)
    assert (answer.returncode, answer.stdout) == (0, f"{name}: unchanged\n"), answer.stdout + answer.stderr


@pytest.mark.slow
def test_all_evidence_is_the_same_on_the_oldest_processor(home, tmp_path):
    names = [path.parent.name for path in (home / "results").glob("*/runs.csv")]
    for path in (home / "results" / "README.md", *(home / "results").glob("board.*")):
        shutil.copy(path, tmp_path)
    for name in ("replications", "statements"):
        shutil.copytree(home / "results" / name, tmp_path / name)
    answer = checked(home, copied(home, tmp_path, *names), tuple(ON), "Nehalem", "--all")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("unchanged") == len(names) + 1


@pytest.fixture
def shaken(monkeypatch):
    """Multiplies every number that is read or about to be rounded by 1 ± 3e-16: all its last places are noise."""
    for name in parts.names("figure"):
        parts.find("figure", name)
    draw = random.Random(0)
    original, read = rounding.rounded, csv_files.read_csv

    def noisy(value):
        return value * (1 + draw.choice((-3e-16, 0.0, 3e-16)))

    def read_csv(path):
        table = read(path)
        results = [name for name in table if "(" in name or name in ("value", "estimate", "low", "high", "p")]
        floats = [name for name in results if table[name].dtype == float]
        return table.assign(**{name: [noisy(one) for one in table[name]] for name in floats})

    for name, module in list(sys.modules.items()):
        if name.startswith("bn_study.") and getattr(module, "rounded", None) is original:
            monkeypatch.setattr(module, "rounded", lambda value, *digits: original(noisy(value), *digits))
    monkeypatch.setattr(tables, "read_csv", read_csv)
    return noisy


@pytest.mark.parametrize(
    "name", ["steps_to_match", "placement", "nothing_to_tune", "noise_regularizes", "rates_by_depth"]
)
def test_numbers_shaken_in_their_last_places_change_nothing(home, shaken, name):
    assert len({shaken(0.1) for _ in range(20)}) > 1 and np.isclose(shaken(0.1), 0.1, rtol=1e-15, atol=0)
    assert evidence.differences(Study(home, home / "results"), compose(home, name, [])[0], "") == []


@pytest.mark.slow
def test_more_numbers_shaken_in_their_last_places_change_nothing(home, shaken):
    """Those of ten experiments, others at each commit."""
    head = subprocess.run(["git", "-C", str(home), "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    place, names = (
        Study(home, home / "results"),
        sorted(path.parent.name for path in (home / "results").glob("*/runs.csv")),
    )
    for name in random.Random(head).sample(names, 10):
        assert evidence.differences(place, compose(home, name, [])[0], "") == []
    assert evidence.board_differences(place) == []
