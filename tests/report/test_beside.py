"""Three sentences set a verdict beside that of the evidence: from hand-made verdicts, and by the command line."""

from dataclasses import replace

import pandas as pd
import pytest

from bn_study.analysis.contrast import Values
from bn_study.analysis.verdict import Pairs, Row, Verdict
from bn_study.cli.main import main
from bn_study.plan.compose import compose
from bn_study.plan.experiment import Claim, Tuned
from bn_study.report.beside import Judgment, sentences
from bn_study.sweep.status import plan_status

STEPS = {
    "measure": {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"},
    "level": {"digits": 0.9, "mnist": 0.95},
    "contrast": {"norm=none": 1, "norm=batch": -1},
    "at": {"optimizer.learning_rate": "rate"},
    "grid": "main",
    "test": "superiority",
    "margin": 0.5,
}


class Tuning:
    """All that the sentences ask of an experiment."""

    @staticmethod
    def tuning(claim):
        return ["rate"]


def judgment(outcome, low, mean, high, dataset, steps, rate, none, batch, contexts=("",)):
    """A claim whose arms took 2**none and 2**batch steps."""
    pairs = Pairs(
        (
            Values("norm=none", 1.0, pd.Series([none - 1, none + 1]), frozenset(), ()),
            Values("norm=batch", -1.0, pd.Series([batch, batch]), frozenset(), ()),
        ),
        0.0,
        pd.Series([mean]),
    )
    rows = tuple(Row(one, outcome, "so", mean, low, high, n=2, pairs=pairs) for one in contexts)
    numbers = (mean, low, high, 0.01, 2, 0) if len(rows) == 1 else (float("nan"),) * 4 + (2, 0)
    verdict = Verdict("faster", (), "generally", "superiority", 0.5, "m", outcome, "so", *numbers, rows, "")
    runs = pd.DataFrame(
        [
            {"run": f"{norm}{seed}", "grids": "main", "seed": seed, "norm": norm, "dataset": dataset,
             f"dataset.of_{dataset}": 1, "steps": steps, "optimizer.learning_rate": 0.1}
            for norm in ("none", "batch") for seed in (0, 1)
        ]
    )  # fmt: skip
    chosen = {("none",): {"optimizer.learning_rate": 3.0}, ("batch",): {"optimizer.learning_rate": rate}}
    return Judgment(Claim(**STEPS), verdict, runs, {"rate": Tuned(("norm",), chosen, frozenset())})


def test_two_outcomes_and_what_the_runs_do_not_share():
    here = judgment("supported", 3, 4, 5, "digits", 3000, 0.3, none=10, batch=6)
    there = judgment("small", -0.25, 0.125, 0.25, "mnist", 15000, 3.0, none=11, batch=10.875)
    assert sentences(Tuning, here, there) == [
        "Here faster is supported: norm=batch needs 16 [8, 32] times fewer steps than norm=none; "
        "norm=none 1,024, norm=batch 64; 2 seeds.",
        "In the committed evidence it is small: norm=batch needs 1.09 times fewer steps than norm=none "
        "(1.19 times as many to 1.19 times fewer); norm=none 2,048, norm=batch 1,878; 2 seeds.",
        "They differ because other runs were judged, with dataset=digits instead of mnist, steps=3000 instead of "
        "15000, a level of 0.9 instead of 0.95 and a tuned optimizer.learning_rate of 0.3 instead of 3 (norm=batch); "
        "a verdict holds for the settings of its runs.",
    ]


def test_the_same_outcome_and_the_same_runs_are_called_so():
    here = judgment("supported", 3, 4, 5, "digits", 3000, 0.3, none=10, batch=6)
    other = judgment("supported", 3, 4, 5, "digits", 500, 0.3, none=10, batch=6)
    assert sentences(Tuning, here, other)[2].startswith(
        "The outcome is the same, although other runs were judged, with steps=3000 instead of 500; "
    )
    assert sentences(Tuning, here, here)[2] == "Both were judged on the same settings and seeds."


def test_a_claim_with_several_contexts_gives_its_reason():
    here = judgment("supported", 3, 4, 5, "digits", 3000, 0.3, 10, 6, contexts=("a=1", "a=2"))
    there = judgment("varies", 3, 4, 5, "digits", 500, 0.3, 10, 6, contexts=("a=1", "a=2"))
    first, second, _ = sentences(Tuning, here, there)
    assert first == "Here faster is supported: so." and second == "In the committed evidence it varies: so."


FILE = """
question: Is it better?
sanity_check: true
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves]}
grids: {all: {norm: [none, batch], seed: range(3)}}
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    test: superiority
    margin: 0.01
"""


def publish(place, gain, *overrides):
    """Runs as nobody trained them: with normalization the accuracy is better by `gain`."""
    experiment, _ = compose(place.home, "first", overrides)
    place.store.prepare()
    for run in plan_status(experiment, place.store).missing:
        value = 0.5 + gain * (run.spec.norm.name == "batch") * (1 + run.spec.seed / 100)
        records = pd.DataFrame(
            [(run.spec.steps, "test/accuracy", "", value)], columns=["step", "name", "site", "value"]
        )
        facts = {"status": "complete", "diverged_at": None, "classes": 10, "commit": "a" * 40, "dirty": False}
        place.store.publish(run.spec, records, records.iloc[:0], facts | {"stated": experiment.stated()})


@pytest.fixture
def call(study_here, capsys):
    place = study_here(first=FILE)
    publish(place, 0.2)
    publish(place, 0.0, "steps=50")

    def call(*words, code=0):
        assert main([*words]) == code
        return capsys.readouterr()

    return place, call


def test_compare_sets_a_changed_experiment_beside_its_evidence(call, tmp_path, monkeypatch):
    place, said = call
    words = ("compare", "first", "steps=50", "--claim", "better", "--evidence")
    assert "there is no evidence" in said(*words, code=2).err
    said("report", "first")
    lines = said(*words).out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == [
        "Here better is small",
        "In the committed evidence it is supported",
    ]
    assert (
        "20.2 [19.7, 20.7] points above norm=none" in lines[1]
        and "steps=50 instead of 100" in lines[2]
        and len(lines) == 3
    )
    assert "needs --claim" in said("compare", "first", "steps=50", "--evidence", code=2).err
    assert "has no overrides" in said("compare", "first", "--claim", "better", "--evidence", code=2).err
    monkeypatch.setenv("BN_STUDY_RESULTS", str(tmp_path / "scratch"))  # where the evidence is not
    publish(type(place)(place.home, tmp_path / "scratch"), 0.0, "steps=50")
    assert said(*words).out.splitlines() == lines


def test_report_redraws_elsewhere_and_leaves_results_alone(call, tmp_path):
    place, said = call
    said("report", "first")
    before = {path: path.read_bytes() for path in (place.results / "first").iterdir()}
    (place.results / "first" / "report.md").unlink()
    listed = said("report", "first", "--to", str(tmp_path / "there")).out
    there = tmp_path / "there"
    assert str(there / "report.md") in listed and not (there / "index.html").exists()
    assert {path.name: path.read_bytes() for path in there.iterdir()} == {
        path.name: content for path, content in before.items() if path.name != "index.html"
    }
    assert not (place.results / "first" / "report.md").exists()
    assert "--to writes" in said("report", "--all", "--to", "x", code=2).err


def test_a_setting_that_is_null_in_all_evidence_has_no_column_and_is_told_all_the_same():
    there = judgment("supported", 3, 4, 5, "digits", 3000, 0.3, none=10, batch=6)
    here = replace(there, runs=there.runs.assign(**{"optimizer.weight_decay": 0.1}))
    assert "optimizer.weight_decay=0.1 instead of null" in sentences(Tuning, here, there)[2]
