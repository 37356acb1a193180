"""What the README says: its example of a new part is tried, its commands and files exist."""

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


@pytest.mark.slow
def test_a_part_is_two_files(home, text, tmp_path):
    """The README's layer normalization, in a copy of the harness: trained, and covered by the conformance tests."""
    for folder in ("bn_study", "conf", "experiments", "tests"):
        shutil.copytree(home / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    blocks = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", text, flags=re.DOTALL)
    assert [path for path, _ in blocks] == ["bn_study/training/norm/layer.py", "conf/norm/layer.yaml"]
    for path, content in blocks:
        (tmp_path / path).write_text(content)
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

    done = call("bn_study", "run", "norm=none,batch,layer", "seed=0", "steps=20", "workers=1")
    assert "3 trained, 3 of 3 done" in done
    passed = call("pytest", "-q", "-p", "no:cacheprovider", "tests/test_conformance.py", "-k", "norm and layer")
    assert re.search(r"\b[4-9] passed", passed), passed


def test_every_verb_is_explained(text):
    verbs = next(one.choices for one in _parser()._actions if one.choices)
    for verb in verbs:
        assert re.search(rf"\b{verb}\b", text), verb


def test_nothing_is_left_to_be_filled_in(text):
    assert not re.search(r"@[A-Z0-9]+@|TODO|TBD", text)


def test_every_link_leads_somewhere(home, text):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (home / target).exists(), target


@pytest.mark.parametrize("page", ["docs/verdicts.md", "results/README.md"])
def test_every_link_of_other_pages_too(home, page):
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", (home / page).read_text())
    assert targets
    for target in targets:
        assert ((home / page).parent / target).resolve().exists(), target


def test_every_command_about_sweeps_is_one(home, tmp_path):
    """Options and verbs exist, and what follows them can be planned; tests/test_slurm.py tries the cluster's."""
    page = (home / "docs" / "running-sweeps.md").read_text()
    lines = re.findall(r"(?m)^(?:\$ )?bn-study ([^#\n]+)", page)
    assert len(lines) >= 8
    for line in lines:
        options = _parser().parse_args(shlex.split(line))
        Request.parse(options.request, Study(home, tmp_path))
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page):
        assert (home / "docs" / target).resolve().exists(), target
    launcher = (home / "conf" / "launcher" / "slurm.yaml").read_text()
    for name in re.findall(r"launcher\.([a-z]+)", page):
        assert re.search(rf"(?m)^{name}: .*#", launcher), name


def test_figures_of_speed_are_those_that_were_measured(home):
    command = [sys.executable, home / "scripts" / "bench" / "targets.py", "--check"]
    assert subprocess.run(command, check=False).returncode == 0, "run scripts/bench/targets.py"
