"""What is installed, and where: the two locks, install.sh (with a Python that only writes down what it is told)."""

import os
import re
import subprocess
import sys
import tomllib

import pytest

DEVELOP = ("mypy", "selenium", "hypothesis", "pytest", "ruff")
CARD = ("wandb", "tensorboard", "submitit")
STAND_IN = f"""#!/bin/sh
echo "$(basename $(dirname $(dirname "$0"))): $*" >>"$CALLS"
case "$*" in
"-m venv "*)
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"- "*)
    exec {sys.executable} "$@" ;;
esac
"""


def pins(text):
    """Each package of a lock with its version and marker."""
    return set(re.findall(r"^([a-z0-9-]+==.*?) \\$", text, re.MULTILINE))


@pytest.fixture
def locks(home):
    return [(home / name).read_text(encoding="utf-8") for name in ("requirements.lock", "requirements-dev.lock")]


def test_the_lock_to_develop_is_the_lock_to_run_and_more(locks):
    to_run, to_develop = map(pins, locks)
    assert to_run < to_develop
    names = {one.partition("==")[0] for one in to_run}
    assert names.issuperset(CARD) and names.isdisjoint(DEVELOP)
    assert {one.partition("==")[0] for one in to_develop}.issuperset(DEVELOP)


def test_locks_name_every_package_once_with_hashes_and_no_host(locks):
    for lock in locks:
        names = [one.partition("==")[0] for one in pins(lock)]
        assert len(names) == len(set(names)), "a version must not depend on the version of Python"
        entries = re.split(r"^(?=[a-z0-9-]+==)", lock, flags=re.MULTILINE)[1:]
        assert len(entries) == len(names) and all("--hash=sha256:" in entry for entry in entries)
        assert not re.search(r"://|--(extra-)?index-url|--find-links", lock)


def test_the_version_is_the_same_everywhere(home):
    version = tomllib.loads((home / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## \[(.*?)\]", (home / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    cited = re.search(r"^version: (.*)$", (home / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest and newest[1] == version
    assert cited and cited[1] == version


@pytest.fixture
def install(home, tmp_path):
    """`install(*words, **environment)` -> what scripts/install.sh in a copy of the checkout let Python do, and said."""
    root = tmp_path / "checkout"
    (root / "scripts").mkdir(parents=True)
    for name in ("scripts/install.sh", "scripts/environment.sh", "pyproject.toml"):
        (root / name).write_bytes((home / name).read_bytes())
    (root / "scripts" / "install.sh").chmod(0o755)
    (root / "requirements.lock").write_text("numpy==2\n")
    (root / "requirements-dev.lock").write_text("numpy==2\npytest==9\n")
    python, calls = tmp_path / "system" / "bin" / "python", tmp_path / "calls"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)

    def install(*words, code=0, **environment):
        calls.write_text("")
        kept = {name: value for name, value in os.environ.items() if name not in ("VENV", "WHEELHOUSE")}
        answer = subprocess.run(
            [str(root / "scripts" / "install.sh"), *words], cwd=tmp_path, capture_output=True, text=True,
            env=kept | {"PYTHON": str(python), "CALLS": str(calls)} | environment,
        )  # fmt: skip
        assert answer.returncode == code, answer.stderr
        done = [line for line in calls.read_text().splitlines() if " -m " in line]
        return [line.replace(f"{root}/", "") for line in done], answer.stderr

    install.root = root
    return install


def installed(calls):
    """The locks that pip was told to install."""
    return re.findall(r"--requirement (\S+)", "\n".join(calls))


def test_a_second_call_does_nothing_until_a_lock_changes(install):
    assert installed(install()[0]) == ["requirements.lock"]
    assert install()[0] == []
    (install.root / "requirements-dev.lock").write_text("numpy==2\npytest==10\n")
    assert install()[0] == []
    (install.root / "requirements.lock").write_text("numpy==3\n")
    assert installed(install()[0]) == ["requirements.lock"]


def test_what_develops_is_added_and_stays(install):
    install()
    calls, _ = install("--dev")
    assert installed(calls) == ["requirements-dev.lock"] and not any("-m venv" in call for call in calls)
    assert install()[0] == install("--dev")[0] == [], "reproduce.sh after test.sh"
    (install.root / "requirements.lock").write_text("numpy==3\n")
    assert installed(install()[0]) == ["requirements.lock", "requirements-dev.lock"]


def test_an_interrupted_installation_begins_again(install):
    install()
    (install.root / ".venv" / "installed").write_text("")
    assert installed(install()[0]) == ["requirements.lock"]


def test_the_environment_may_be_elsewhere(install, tmp_path):
    calls, _ = install(VENV="else where")
    assert any(f"-m venv {tmp_path}/else where" in call for call in calls)
    assert not (install.root / ".venv").exists()
    assert install(VENV="else where")[0] == []
    assert installed(install()[0]) == ["requirements.lock"]


def test_a_folder_of_somebody_else_is_not_emptied(install, tmp_path):
    theirs = tmp_path / "theirs" / "file"
    theirs.parent.mkdir()
    theirs.write_text("precious")
    calls, said = install(VENV=str(theirs.parent), code=2)
    assert calls == [] and "was not made by install.sh" in said
    assert theirs.read_text() == "precious"


def test_a_wheelhouse_needs_no_network(install, tmp_path):
    assert "is not a folder" in install(WHEELHOUSE="wheels", code=2)[1]
    (tmp_path / "wheels").mkdir()
    (call,) = [call for call in install(WHEELHOUSE="wheels")[0] if "--requirement" in call]
    assert "--no-index --find-links wheels" in call


def test_an_unknown_option_is_refused(install):
    assert "usage:" in install("--develop", code=2)[1]
