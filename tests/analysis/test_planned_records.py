"""What no run will have recorded is refused before anything is trained: one line, the nearest name, exit code 2."""

import shutil
from pathlib import Path

import pytest
import yaml

from bn_study.cli.main import main

HOME = Path(__file__).resolve().parents[2]

WRONG = {
    "record": ("{value: {name: activation/sdt, site: layer1/pre, step: null}}", "did you mean activation/std"),
    "site": ("{value: {name: activation/std, site: layer9/pre, step: null}}", "did you mean layer"),
    "step": ("{value: {name: activation/std, site: layer1/pre, step: 999999}}", "nearest measuring point is 50000"),
    "quantile": (
        "{path_length: {site: layer3/pre, quantiles: [25.0], start: 0, end: 100, relative: true}}",
        "did you mean activation/unit_q",
    ),
    "metric": ("{final: {metric: test/acuracy}}", "did you mean test/accuracy"),
    "probe": ("{value: {name: landscape/smoothness, site: '', step: null}}", "add the probe landscape"),
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    for folder in ("conf", "experiments"):
        shutil.copytree(HOME / folder, tmp_path / folder)
    shutil.copy(HOME / "statements.yaml", tmp_path)
    monkeypatch.setenv("BN_STUDY_HOME", str(tmp_path))
    monkeypatch.setenv("BN_STUDY_RESULTS", str(tmp_path / "results"))
    return tmp_path


@pytest.mark.parametrize("wrong", WRONG)
def test_a_claim_that_reads_what_no_run_records(study, wrong, capsys):
    measure, hint = WRONG[wrong]
    path = study / "experiments/faster_convergence.yaml"
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    name = next(one for one, claim in text["claims"].items() if claim.get("grid") == "figure1")
    text["claims"][name]["level"] = {}
    text["claims"][name]["measure"] = yaml.safe_load(measure)
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    assert main(["plan", "faster_convergence"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"experiments/faster_convergence.yaml: claims.{name}: " in said
    assert hint in said
    assert not (study / "results").exists()


def test_compare_of_a_metric_that_no_run_records(study, capsys):
    assert main(["compare", "faster_convergence", "--by", "norm", "--metric", "test/acuracy"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "did you mean test/accuracy" in said
