"""Known truths: every verdict of a study waits for them."""

import shutil

import pandas as pd
import pytest

from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.report import evidence, sanity_checks
from bn_study.study import Study

GRID = """
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves]}
grids:
  all: {norm: [none, batch], seed: range(6)}
"""
TRUTH = """
sanity_check: true
claims:
  learns:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=none: 1, constant: -0.5}
    test: superiority
    margin: 0.1
  exact:
    measure: {final: {metric: test/loss}}
    contrast: {norm=none: 1}
    test: exact
    margin: 1.0e-6
"""
QUESTION = """
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    test: superiority
    margin: 0.01
"""
FACTS = {"status": "complete", "diverged_at": None, "classes": 10, "commit": "a" * 40, "dirty": False}


@pytest.fixture
def study(tmp_path, make_study):
    """A study of two experiments on the same kind of runs: `truth`, which is an oracle, and `question`."""
    truth = GRID.replace("steps: 100", "steps: 50") + TRUTH
    return make_study(tmp_path / "study", truth=truth, question=GRID + QUESTION)


def train(study, name, loss=0.0, skip=()):
    """Runs as they should be: nets learn, normalized ones a little better; the loss is `loss` in one seed."""
    experiment, _ = compose(study.home, name, [])
    study.store.prepare()
    for run in expand(experiment, {})[0]:
        spec = run.spec
        accuracy = 0.9 + 0.001 * spec.seed + 0.03 * (spec.norm.name == "batch") + 0.0001 * spec.seed**2
        values = {"test/accuracy": accuracy, "test/loss": loss if spec.seed == 3 else 0.0}
        records = pd.DataFrame(
            [(spec.steps, name, "", value) for name, value in values.items()],
            columns=["step", "name", "site", "value"],
        )
        if spec.seed not in skip:
            study.store.publish(spec, records, records.iloc[:0], FACTS | {"stated": experiment.stated()})


def judged(study, name="question"):
    return evidence.judge(study, compose(study.home, name, [])[0]).verdicts


def test_a_verdict_is_given_where_the_truths_came_out(study):
    train(study, "truth")
    train(study, "question")
    assert sanity_checks.sanity(study) == ""
    assert judged(study)["better"].outcome == "supported"


def test_a_truth_that_did_not_come_out_closes_every_verdict(study):
    train(study, "truth", loss=0.1)
    train(study, "question")
    reason = "every verdict needs truth: exact, which is reversed"
    assert sanity_checks.sanity(study) == reason
    found = judged(study)["better"]
    assert found.outcome == "blocked" and reason in found.reason and found.estimate > 0.02
    report = evidence.report(study, compose(study.home, "question", [])[0])
    assert reason in (report.folder / "report.md").read_text()
    assert pd.read_csv(report.folder / "verdicts.csv")["outcome"].tolist() == ["blocked"]


def test_the_truths_themselves_have_verdicts_whatever_they_are(study):
    train(study, "truth", loss=0.1)
    found = judged(study, "truth")
    assert {name: one.outcome for name, one in found.items()} == {"learns": "supported", "exact": "reversed"}


def test_truths_that_were_not_looked_at_are_named_with_the_command(study):
    train(study, "question")
    assert "`bn-study run truth` trains it" in sanity_checks.sanity(study)
    found = judged(study)["better"]
    assert found.outcome == "blocked" and "`bn-study run truth` trains it" in found.reason


def test_a_truth_of_which_runs_are_missing_is_not_in_order(study):
    train(study, "truth", skip=[5])
    train(study, "question")
    assert "which lacks 2 of its 12 runs; `bn-study run truth` trains it" in sanity_checks.sanity(study)
    assert judged(study)["better"].outcome == "blocked"


def test_a_study_without_truths_waits_for_nothing(study):
    (study.home / "experiments" / "truth.yaml").unlink()
    train(study, "question")
    assert sanity_checks.sanity(study) == "" and judged(study)["better"].outcome == "supported"


def test_a_report_says_whether_a_truth_gates_its_verdicts(study):
    """In so many words where none does."""
    train(study, "truth")
    train(study, "question")
    gated = evidence.report(study, compose(study.home, "question", [])[0])
    assert gated.remarks == [] and "ot gated" not in (gated.folder / "report.md").read_text()
    (study.home / "experiments" / "truth.yaml").unlink()
    found = evidence.report(study, compose(study.home, "question", [])[0])
    assert "> Not gated: no sanity check gates these verdicts" in (found.folder / "report.md").read_text()
    assert found.remarks == [sanity_checks.NOT_GATED]


def test_a_report_says_how_a_claim_was_shortened(study):
    path = study.home / "experiments" / "question.yaml"
    average = "average: {name: test/loss, site: '', start: 20, end: 100, log: false}"
    path.write_text(GRID + QUESTION.replace("final: {metric: test/accuracy}", average))
    short, _ = compose(study.home, "question", ["steps=50"])
    study.store.prepare()
    for run in expand(short, {})[0]:
        records = pd.DataFrame(
            [(step, name, "", 0.5) for name in ("test/accuracy", "test/loss") for step in (10, 25, 50)],
            columns=["step", "name", "site", "value"],
        )
        study.store.publish(run.spec, records, records.iloc[:0], FACTS | {"stated": short.stated()})
    text = (evidence.report(study, short).folder / "report.md").read_text()
    assert "start 20 → 10, end 100 → 50, because the runs have 50 steps and not 100" in text
    assert "average(end=50,log=false,name=test/loss,site=,start=10)" in text and "end=100," not in text


def test_an_experiment_without_claims_does_not_ask(study, monkeypatch):
    path = study.home / "experiments" / "question.yaml"
    path.write_text(GRID)
    train(study, "question")
    monkeypatch.setattr(sanity_checks, "sanity", lambda place: pytest.fail("asked"))
    assert judged(study) == {}


def test_the_evidence_that_came_with_the_study_serves_other_results(study, tmp_path):
    """Who lets results go elsewhere has not trained the truths again; the study's own table of them is enough."""
    train(study, "truth")
    evidence.report(study, compose(study.home, "truth", [])[0])
    shutil.rmtree(study.results / "runs")
    elsewhere = Study(study.home, tmp_path / "elsewhere")
    train(elsewhere, "question")
    assert sanity_checks.sanity(elsewhere) == "" and judged(elsewhere)["better"].outcome == "supported"
    shutil.rmtree(study.results / "truth")
    assert judged(elsewhere)["better"].outcome == "blocked"


def test_runs_that_are_there_come_before_those_of_a_table(study, tmp_path):
    train(study, "truth")
    evidence.report(study, compose(study.home, "truth", [])[0])
    elsewhere = Study(study.home, tmp_path / "elsewhere")
    train(elsewhere, "truth", loss=0.1)
    assert "exact, which is reversed" in sanity_checks.sanity(elsewhere)


def test_overrides_of_a_question_do_not_change_the_truths(study):
    train(study, "truth")
    train(study, "question")
    experiment, _ = compose(study.home, "question", ["seed=0,1,2,3"])
    found = evidence.judge(study, experiment).verdicts["better"]
    assert found.n == 4 and "waits" not in found.reason
