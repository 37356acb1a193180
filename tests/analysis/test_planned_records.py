"""What no run will have recorded is refused before anything is trained: one line, the nearest name, exit code 2."""

import shutil
from pathlib import Path

import pytest
import yaml

from bn_study.cli.main import main

HOME = Path(__file__).resolve().parents[2]

MEASURES = {
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
"""What a claim measures, and what is said of it."""


@pytest.fixture
def changed(tmp_path, monkeypatch, capsys):
    """`changed(change, *words)` -> what refuses a changed faster_convergence: a line (lines=None: any), exit code 2."""
    for folder in ("conf", "experiments"):
        shutil.copytree(HOME / folder, tmp_path / folder)
    shutil.copy(HOME / "statements.yaml", tmp_path)
    monkeypatch.setenv("BN_STUDY_HOME", str(tmp_path))
    monkeypatch.setenv("BN_STUDY_RESULTS", str(tmp_path / "results"))
    path = tmp_path / "experiments" / "faster_convergence.yaml"

    def said(change=lambda content: None, *words, lines=1):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        assert main([*(words or ("plan",)), "faster_convergence"]) == 2
        output = capsys.readouterr()
        assert lines is None or output.err.count("\n") == lines
        assert not output.out and not (tmp_path / "results").exists()
        return output.err

    return said


@pytest.mark.parametrize("wrong", MEASURES)
def test_a_claim_that_reads_what_no_run_records(changed, wrong):
    measure, hint = MEASURES[wrong]

    def change(content):
        claim = next(claim for claim in content["claims"].values() if claim.get("grid") == "figure1")
        claim |= {"level": {}, "measure": yaml.safe_load(measure)}

    said = changed(change, lines=None)  # claims that take the measure over from it have errors of their own
    assert "experiments/faster_convergence.yaml: claims." in said and hint in said


def test_a_level_for_no_data_set_of_the_grid(changed):
    assert "steps_to has no level for mnist" in changed(
        lambda content: content["claims"]["faster_tuned"].update(level={"minst": 0.95})
    )


def test_a_figure_of_what_no_run_records(changed):
    figure = {"kind": "curves", "grid": "figure1", "metric": "test/acuracy"}
    said = changed(lambda content: content["figures"].update(drawn=figure))
    assert "experiments/faster_convergence.yaml: figures.drawn: " in said and "did you mean test/accuracy" in said


def test_a_tuning_by_what_no_run_records(changed):
    score = {"steps_to": {"metric": "validation/acuracy"}}
    said = changed(lambda content: content["tune"]["rate"].update(score=score))
    assert "experiments/faster_convergence.yaml: tune.rate: " in said and "did you mean validation/accuracy" in said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("compare", "--by", "norm", "--metric", "test/acuracy"), "did you mean test/accuracy"),
        (("compare", "--by", "norm", "--metric", "activation/std@layer3/per"), "did you mean layer3/pre"),
        (("figure", "curves", "--metric", "test/acuracy"), "did you mean test/accuracy"),
        (("figure", "activations", "--metric", "activation@pst"), "did you mean layer*/p"),
        (("figure", "gradients"), "add the probe gradients"),
    ],
)
def test_a_metric_or_site_on_the_command_line_that_no_run_records(changed, words, hint):
    assert hint in changed(lambda content: None, *words)
