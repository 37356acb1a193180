"""A package that only some parts need may be missing: who asks for such a part is told what pip installs."""

import sys
import tomllib

import pytest

from bn_study.cli.main import main
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.call_settings import chosen_mirror

SWEEP = ["dataset=digits", "model=mlp", "norm=none", "steps=2"]
NEEDY = [
    (kind, name, package, requirement)
    for kind in ("launcher", "mirror")
    for name in parts.names(kind)
    if parts.defines(kind, name, "NEEDS")
    for package, requirement in parts.declared(kind, name, "NEEDS").items()
]


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("BN_STUDY_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.mark.parametrize(("kind", "name", "package", "requirement"), NEEDY)
def test_a_missing_package_is_one_line_before_anything_starts(
    results, monkeypatch, capsys, kind, name, package, requirement
):
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["run", *SWEEP, f"{kind}={name}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"{kind}={name} needs {package}, which is not installed: pip install '{requirement}'")
    assert not results.exists()


def test_a_mirror_that_is_missing_is_refused_by_export_too(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match="not installed"):
        chosen_mirror(home, {"mirror": "wandb"})


def test_other_parts_do_not_miss_it(results, monkeypatch, capsys):
    for package in {package for _, _, package, _ in NEEDY}:
        monkeypatch.setitem(sys.modules, package, None)
    assert main(["status", *SWEEP]) == 0  # asks all launchers for their jobs
    assert main(["plan", *SWEEP]) == 0


def test_an_extra_is_named_for_its_part_and_brings_its_package(home):
    extras = tomllib.loads((home / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"wandb", "tensorboard", "slurm"} <= {name for _, name, _, _ in NEEDY}
    for _, name, package, requirement in NEEDY:
        assert requirement == f"bn-study[{name}]"
        assert any(one.startswith(package) for one in extras[name])
