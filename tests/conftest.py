"""Shared by all tests. One thread and portable numerics, set before TensorFlow is imported: so workers train."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

for _name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

from bn_study.plan import numerics

os.environ.update(numerics.environment(os.environ, "portable"))

import hypothesis
import pytest

from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.plan.spec import RunSpec
from bn_study.study import Study

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background job, whose children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("bn_study", deadline=None)  # no timing assertions: a machine may be slow
hypothesis.settings.load_profile("bn_study")

HOME = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def home() -> Path:
    return HOME


@pytest.fixture(scope="session")
def make_study():
    """`make_study(folder, first="...")` -> a study there, of the checkout's vocabulary and these experiments."""

    def make_study(folder: Path, **experiments: str) -> Study:
        (folder / "experiments").mkdir(parents=True)
        (folder / "conf").symlink_to(HOME / "conf")
        for name, text in experiments.items():
            (folder / "experiments" / f"{name}.yaml").write_text(text)
        return Study(folder, folder / "results")

    return make_study


@pytest.fixture
def study_here(make_study, tmp_path, monkeypatch):
    """The same in this test's folder, as the study that the command line finds."""

    def study_here(**experiments: str) -> Study:
        place = make_study(tmp_path / "study", **experiments)
        monkeypatch.setenv("BN_STUDY_HOME", str(place.home))
        monkeypatch.delenv("BN_STUDY_RESULTS", raising=False)
        return place

    return study_here


@pytest.fixture(scope="session")
def specify():
    """`specify("norm=batch", "seed=3")` -> the one run that these overrides describe."""

    def specify(*overrides: str) -> RunSpec:
        experiment, _ = compose(HOME, None, overrides)
        (run,), waiting = expand(experiment, {})
        assert not waiting
        return run.spec

    return specify


@pytest.fixture
def copy(home, tmp_path):
    """`copy(files)` -> a function that calls bn-study in a copy of the harness to which these files were added."""

    def copy(files):
        for folder in ("bn_study", "conf"):
            shutil.copytree(home / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
        (tmp_path / "experiments").mkdir()
        for path, content in files.items():
            assert not (tmp_path / path).exists()
            (tmp_path / path).write_text(content.lstrip())
        places = {"PYTHONPATH": tmp_path, "BN_STUDY_HOME": tmp_path, "BN_STUDY_RESULTS": tmp_path / "results"}
        environment = os.environ | {name: str(place) for name, place in places.items()}

        def call(*words, code=0):
            answer = subprocess.run(
                [sys.executable, "-m", "bn_study", *words],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
            )
            assert answer.returncode == code, answer.stdout + answer.stderr
            return answer.stdout + answer.stderr

        return call

    return copy


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """`nvidia_smi(line, ...)` -> a folder for PATH with one that answers so to our query; it is in this PATH."""

    def nvidia_smi(*lines: str, code: int = 0) -> Path:
        folder = tmp_path / "driver"
        folder.mkdir(exist_ok=True)
        (folder / "answer").write_text("".join(f"{line}\n" for line in lines))
        query = "--query-gpu=index,uuid,name,compute_cap,driver_version,memory.total --format=csv,noheader,nounits"
        script = f'#!/bin/sh\n[ "$*" = "{query}" ] || exit 2\ncat "{folder}/answer"\nexit {code}\n'
        (folder / "nvidia-smi").write_text(script)
        (folder / "nvidia-smi").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        return folder

    return nvidia_smi


BROWSER = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1280,1000"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--proxy-server=127.0.0.1:9"),
)
"""Chromium's switches. No name is found and nothing but this machine is reached: the network is off."""


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Headless Chromium, without a network; tests skip where it is not installed."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("no chromium and chromedriver here (scripts/install_browser.sh)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for one in (*BROWSER, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(one)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver"))) as driver:
        yield driver
