"""Portable numerics: the same bits on every x86-64 processor with AVX2.

tests/golden.json holds the checksums of short runs. They are trained again here, and where qemu is installed by a
processor without AVX-512 that it emulates, instruction by instruction.
"""

import json
import os
import shutil
import subprocess
import sys

import golden
import pytest

from bn_study.plan import numerics
from bn_study.store.store import Store

COMMITTED = json.loads(golden.FILE.read_text(encoding="utf-8"))
QUICK = ("mlp before", "cnn before")
EMULATED = ("mlp before", "cnn before")


@pytest.fixture(autouse=True)
def promised():
    if not numerics.supported():
        pytest.skip("portable bits are promised on x86-64 processors with AVX2 and FMA, which this one is not")
    assert golden.versions() == COMMITTED["versions"], "made with other versions: lock them, or golden.py --write"


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in golden.RUNS]
)
def test_the_records_of_short_runs_are_those_of_every_other_machine(name):
    assert numerics.in_force() == "portable"
    assert golden.checksum(name) == COMMITTED["records"][name]


@pytest.mark.slow
def test_a_processor_without_avx512_records_the_same_bits(home):
    """Its approximations of 1/x and 1/sqrt(x) are others too, and so are the sizes of its caches."""
    if not shutil.which("qemu-x86_64"):
        pytest.skip("no qemu-x86_64 here, which emulates other processors (scripts/install_emulator.sh)")
    command = ["qemu-x86_64", "-cpu", "Haswell", sys.executable, str(home / "tests" / "golden.py"), *EMULATED]
    for _ in range(3):  # the emulator itself crashes now and then, among its threads, which says nothing of bits
        answer = subprocess.run(command, capture_output=True, text=True, timeout=1100)
        if answer.returncode == 0:
            break
    said = [line for line in answer.stderr.splitlines() if "TCG doesn't support" not in line]
    assert answer.returncode == 0, f"exit code {answer.returncode}\n" + "\n".join(said)
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found == {name: COMMITTED["records"][name] for name in EMULATED}


@pytest.mark.slow
def test_a_worker_is_portable_whatever_it_is_started_from_and_says_so(home, tmp_path):
    user = {"XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41", "TF_ENABLE_ONEDNN_OPTS": "0"}
    place = {"PYTHONPATH": str(home), "BN_STUDY_HOME": str(home), "BN_STUDY_RESULTS": str(tmp_path)}
    surroundings = numerics.environment(os.environ, "native") | user | place
    command = [sys.executable, "-m", "bn_study", "run", *golden.words("mlp before")]
    answer = subprocess.run(command, env=surroundings, capture_output=True, text=True, cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    (run,) = (stored := Store(tmp_path / "runs")).ids()
    found = stored.read(run)
    assert golden.digest(found.records, found.vectors) == COMMITTED["records"]["mlp before"]
    assert found.provenance["numerics"] == "portable"


def test_native_numerics_leave_the_users_settings_and_drop_those_of_a_portable_parent():
    user = {"XLA_FLAGS": "--xla_dump_to=here", "HOME": "/home"}
    assert numerics.environment(user, "native") == user | {numerics.VARIABLE: "native"}
    portable = numerics.environment(user, "portable")
    assert portable.items() >= numerics.PORTABLE.items() and portable["HOME"] == "/home"
    assert numerics.environment(portable, "native") == {"HOME": "/home", numerics.VARIABLE: "native"}


def test_a_processor_without_avx2_is_native_whatever_was_asked(monkeypatch):
    monkeypatch.setattr(numerics, "supported", lambda: False)
    assert numerics.environment({}, "portable") == {numerics.VARIABLE: "native"}
