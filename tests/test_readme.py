"""What README and docs/ say: their examples are tried, their commands exist, and they are built into a site."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from bn_study.cli.main import _parser
from bn_study.study import Study
from bn_study.sweep.request import Request


@pytest.fixture(scope="module")
def text(home):
    return (home / "README.md").read_text()


@pytest.fixture(scope="module")
def docs(home):
    """The pages of docs/ by name."""
    return {path.name: path.read_text() for path in home.glob("docs/*.md")}


def test_it_is_read_in_minutes(text):
    assert len(text.splitlines()) <= 200


@pytest.mark.slow
def test_its_experiment_gives_a_verdict(home, text, tmp_path):
    """The question of one's own, in a copy of the study: its three commands, as they stand there."""
    for folder in ("conf", "experiments"):
        shutil.copytree(home / folder, tmp_path / folder)
    blocks = dict(re.findall(r"```yaml\n# (experiments/\S+)\n(.*?)```", text, flags=re.DOTALL))
    assert list(blocks) == ["experiments/narrow.yaml"]
    (tmp_path / "experiments/narrow.yaml").write_text(blocks["experiments/narrow.yaml"])
    lines = re.findall(r"(?m)^bn-study ((?:plan|run|report) narrow)\b", text)
    assert lines == ["plan narrow", "run narrow", "report narrow"]
    environment = os.environ | {"BN_STUDY_HOME": str(tmp_path), "BN_STUDY_RESULTS": str(tmp_path / "results")}
    for line in lines:
        command = [sys.executable, "-m", "bn_study", *line.split()]
        answer = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"(?m)^better\b", answer.stdout), answer.stdout
    assert (tmp_path / "results/narrow/curves.png").is_file()


@pytest.mark.slow
def test_a_part_is_two_files(home, tmp_path):
    """The layer normalization of docs/, in a copy of the harness: trained, and covered by the conformance tests."""
    text = (home / "docs" / "adding-a-part.md").read_text()
    for folder in ("bn_study", "conf", "experiments", "tests"):
        shutil.copytree(home / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", text, flags=re.DOTALL))
    for path in ("bn_study/training/norm/plain_layer.py", "conf/norm/plain_layer.yaml"):
        (tmp_path / path).write_text(blocks[path])
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "BN_STUDY_HOME": str(tmp_path),
        "BN_STUDY_RESULTS": str(tmp_path / "results"),
    }

    def call(*words):
        answer = subprocess.run(
            [sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    done = call("bn_study", "run", "norm=none,batch,plain_layer", "seed=0", "steps=20", "workers=1")
    assert "3 trained, 3 of 3 done" in done
    passed = call("pytest", "-q", "-p", "no:cacheprovider", "tests/test_conformance.py", "-k", "norm and plain_layer")
    assert re.search(r"\b[4-9] passed", passed), passed


def test_every_verb_is_explained(text):
    verbs = next(one.choices for one in _parser()._actions if one.choices)
    for verb in verbs:
        assert re.search(rf"\b{verb}\b", text), verb


def test_nothing_is_left_to_be_filled_in(text, docs):
    for page in (text, *docs.values()):
        assert not re.search(r"@[A-Z0-9]+@|TODO|TBD", page)


@pytest.mark.parametrize("name", ["README.md", "docs/comparing-runs.md", "docs/running-sweeps.md", "docs/verdicts.md"])
def test_every_command_is_one(home, tmp_path, name):
    """Options and verbs exist, and what follows them can be planned; tests/test_slurm.py tries the cluster's."""
    page = (home / name).read_text()
    lines = re.findall(r"(?m)^(?:\$ )?bn-study ([^#\n]+)", page)
    assert len(lines) >= {"docs/running-sweeps.md": 8}.get(name, 1)
    for line in lines:
        options = _parser().parse_args(shlex.split(line))
        if getattr(options, "request", None) and line.split()[1:2] != ["narrow"]:  # README's own example is tried above
            Request.parse(options.request, Study(home, tmp_path))
    launchers = "".join(path.read_text() for path in (home / "conf" / "launcher").glob("*.yaml"))
    for name in re.findall(r"launcher\.([a-z_]+)", page):
        assert re.search(rf"(?m)^{name}: .*#", launchers), name


def test_pages_become_a_site_without_a_warning(home, tmp_path):
    pytest.importorskip("sphinx", reason="Sphinx is not installed: the extra dev has it")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", home / "docs", tmp_path]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    for page in home.glob("docs/*.md"):
        assert (tmp_path / f"{page.stem}.html").is_file(), page


def test_figures_of_speed_are_those_that_were_measured(home):
    command = [sys.executable, home / "scripts" / "bench" / "targets.py", "--check"]
    assert subprocess.run(command, check=False).returncode == 0, "run scripts/bench/targets.py"
