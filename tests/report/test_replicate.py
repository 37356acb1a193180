"""`bn-study replicate`: which rows are drawn, that they are trained again, and what is said of them."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from bn_study.analysis import csv_files
from bn_study.cli.main import main
from bn_study.errors import UsageError
from bn_study.plan.compose import compose
from bn_study.report import evidence, replicate, seen
from bn_study.store.store import Failure
from bn_study.study import Study
from bn_study.sweep import run as sweep
from bn_study.sweep.request import Request
from bn_study.sweep.sample import Sample, split_sample
from bn_study.sweep.status import PlanStatus, plan_status

QUESTION = """
question: Does it learn?
base: {dataset: digits, model.widths: [12], steps: 30, schedule.points: 2, schedule.reestimate: 100, optimizer: sgd}
grids:
  main: {norm: [none, batch], optimizer.learning_rate: [0.1, 1.0], seed: range(8)}
  one: {norm: [none, batch], optimizer.learning_rate: 0.1, seed: range(8)}
claims:
  learns:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    contexts: [optimizer.learning_rate]
    test: superiority
    margin: 0.01
  gains:
    like: learns
    grid: one
    contexts: []
    gates: [learns]
"""


WORDS = ["small", "launcher=inline"]
ALL = ["replicate", "--all", "--rows", "1", "launcher=inline"]


def store_of_replicas(study):
    request = Request.parse(WORDS, study)
    return replicate.replica_of(request, Sample(1, replicate.table_of(study, "small"))).study.store


@pytest.fixture(scope="module")
def trained(make_study, tmp_path_factory):
    """A study with evidence of 32 short runs; nobody changes it."""
    place = make_study(tmp_path_factory.mktemp("trained"), small=QUESTION)
    request = Request.parse(WORDS, place)
    place.store.prepare()
    assert sweep.run(request).code == 0
    evidence.report(place, request.experiment)
    return place


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A copy of it without the run cache, as a clone has it, which the command line finds."""
    shutil.copytree(trained.home, tmp_path / "study", symlinks=True, ignore=shutil.ignore_patterns("runs"))
    monkeypatch.setenv("BN_STUDY_HOME", str(tmp_path / "study"))
    monkeypatch.delenv("BN_STUDY_RESULTS", raising=False)
    return Study(tmp_path / "study", tmp_path / "study" / "results")


def drawn(place, rows):
    experiment, _ = compose(place.home, "small", [])
    found = Sample(rows, replicate.table_of(place, "small")).of(experiment)
    return plan_status(found, place.store).runs


@pytest.mark.slow
def test_a_sample_takes_so_many_seeds_of_every_arm_and_not_always_the_lowest(trained):
    for rows in (1, 2, 3):
        chosen = drawn(trained, rows)
        seeds = {}
        for run in chosen:
            seeds.setdefault(replace(run.spec, seed=0).id, set()).add(run.spec.seed)
        assert len(seeds) == 4 and {len(one) for one in seeds.values()} == {rows}
        assert len(set(map(frozenset, seeds.values()))) > 1
        assert [run.spec.id for run in drawn(trained, rows)] == [run.spec.id for run in chosen]
    assert len(drawn(trained, 100)) == len(drawn(trained, None)) == 32


def test_a_worker_is_told_the_sample_in_words(tmp_path):
    for sample in (Sample(2, tmp_path / "runs.csv"), Sample(None, tmp_path / "a b.csv")):
        assert split_sample([*sample.words, "small", "steps=3"]) == (sample, ["small", "steps=3"])
    assert split_sample(["small", "norm=none"]) == (None, ["small", "norm=none"])


@pytest.mark.slow
def test_rows_trained_again_by_workers_are_identical_and_a_second_call_trains_nothing(here, capfd):
    assert main(["replicate", "small", "--rows", "1", "workers=1"]) == 0
    said = capfd.readouterr().out
    assert "small: 4 of 32 committed rows" in said
    store = store_of_replicas(here)
    before = {run: (store.root / run / "provenance.json").stat().st_mtime_ns for run in store.ids()}
    assert len(before) == 4 and not here.store.root.exists()
    (path,) = (here.results / "replications").glob("*.csv")
    (row,) = csv_files.read_csv(path).to_dict("records")
    assert (row["rows"], row["identical"], row["differs"], row["untold"]) == (4, 4, 0, 0)
    assert row["numerics"] == "portable" and row["verdicts"] == 0 and str(path) in said
    assert main(["replicate", "small", "--rows", "1"]) == 0
    assert {run: (store.root / run / "provenance.json").stat().st_mtime_ns for run in store.ids()} == before
    assert len(csv_files.read_csv(path)) == 1


def test_rows_that_cannot_be_of_their_arms_differ_and_the_exit_code_says_so(here, capfd):
    table = here.results / "small" / "runs.csv"
    rows = csv_files.read_csv(table)
    label = "final(metric=test/accuracy)"
    (victim, *_) = [run.spec.id for run in drawn(here, 1)]
    rows[label] = [0.01 + 1e-4 * (one % 8) for one in range(len(rows))]  # as somebody else saw them
    csv_files.write_csv(rows, table)
    assert main(["replicate", "small", "--rows", "1", "launcher=inline"]) == 1
    said = capfd.readouterr().out
    assert f"{victim} differs: {label}" in " ".join(said.split())
    assert "4 rows are too few to detect a shift" in said


@pytest.mark.slow
def test_every_run_of_a_claim_gives_its_verdict_again(here, capfd):
    assert main(["replicate", "small", "--verdicts", "launcher=inline"]) == 0
    assert "2 of 2" in capfd.readouterr().out
    (path,) = (here.results / "replications").glob("*.csv")
    (row,) = csv_files.read_csv(path).to_dict("records")
    assert (row["rows"], row["identical"], row["verdicts"], row["verdicts_same"]) == (32, 32, 2, 2)


@pytest.mark.slow
def test_a_verdict_is_compared_only_if_the_runs_of_its_gates_are_there_too(here):
    request, sample = Request.parse(WORDS, here), Sample(None, replicate.table_of(here, "small"))
    replicate.train(request, sample)
    store = store_of_replicas(here)
    assert set(replicate.compare(request, sample).verdicts) == {"learns", "gains"}
    run = next(one for one in drawn(here, None) if one.grids == ("main",))
    store.set_aside(run.spec.id)
    found = replicate.compare(request, sample)
    assert found.verdicts == {} and found.missing == 1


def test_what_other_code_libraries_or_processors_trained_is_not_taken_for_ours(here, monkeypatch):
    def folder():
        replicate._trainer.cache_clear()
        return store_of_replicas(here).root

    own = folder()
    assert folder() == own
    for name in ("versions", "instruction_set"):
        with monkeypatch.context() as patch:
            patch.setattr(replicate, name, lambda: "another")
            assert folder() != own
    monkeypatch.setattr(replicate.provenance, "CODE", ("bn_study/training",))
    assert folder() != own
    monkeypatch.undo()
    assert folder() == own


def test_what_it_would_take_is_said_without_training(here, capfd):
    assert main(["replicate", "--all", "--rows", "1", "--dry-run"]) == 0
    said = capfd.readouterr().out
    assert "small: 4 of 32 committed rows" in said and "unknown: nothing comparable" in said
    assert main(["replicate", "small", "--rows", "1", "--dry-run", "--calibrate"]) == 0
    assert "or trained just now" in capfd.readouterr().out
    assert not list((here.results).rglob("records.parquet")) and not (here.results / "replications").exists()


@pytest.mark.parametrize(
    "words, said",
    [
        (["small", "steps=9"], "leave out steps=9"),
        (["small", "launcher=slurm"], "launcher=inline or local"),
        (["small", "mirror=tensorboard"], "leave it out"),
        (["norm=none"], "an experiment with evidence"),
        (["--all", "small"], "leave out --all or small"),
        (["small", "--calibrate"], "needs --dry-run"),
    ],
)
def test_what_it_cannot_do_is_refused_in_a_line(here, words, said, capsys):
    assert main(["replicate", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_an_experiment_without_evidence_has_nothing_to_train_again(here, capsys):
    shutil.rmtree(here.results / "small")
    assert main(["replicate", "small"]) == 2
    assert "only committed rows" in capsys.readouterr().err


def test_a_summary_keeps_other_experiments_and_numerics(here):
    request, sample = Request.parse(WORDS, here), Sample(1, replicate.table_of(here, "small"))
    replicate.train(request, sample)
    one = replicate.compare(request, sample)
    shutil.copytree(here.results / "small", here.results / "other")
    replicate.write(here, [one, replace(one, experiment="other"), replace(one, numerics="native")])
    path = replicate.write(here, [replace(one, missing=3)])
    found = csv_files.read_csv(path)
    assert list(zip(found["numerics"], found["experiment"], strict=True)) == [
        ("native", "small"), ("portable", "other"), ("portable", "small"),
    ]  # fmt: skip
    assert isinstance(found, pd.DataFrame) and str(here.home) not in json.dumps(found.to_dict("records"))
    native, portable = seen.read(here.results)
    assert (native.numerics, native.experiments, native.shifted) == ("native", {"small"}, ())
    assert native.counts["identical"] == 4
    assert (portable.numerics, portable.experiments, portable.counts["rows"]) == ("portable", {"small", "other"}, 8)
    assert "Rows of 2 experiments were trained again on 1 kind of processor" in seen.sentence([native, portable])


def test_rows_of_evidence_that_was_replaced_do_not_count(here):
    request, sample = Request.parse(WORDS, here), Sample(1, replicate.table_of(here, "small"))
    replicate.train(request, sample)
    one = replicate.compare(request, sample)
    replicate.write(here, [one, replace(one, committed=one.committed.assign(commit="0" * 40), numerics="native")])
    native, portable = seen.read(here.results)
    assert (native.experiments, native.counts["rows"], native.replaced) == (set(), 0, {"small"})
    assert (portable.experiments, portable.counts["rows"], portable.replaced) == ({"small"}, 4, set())
    assert seen.sentence([native]).startswith("No row of the present evidence")
    assert "1 experiment does not count" in seen.sentence([native])
    assert "1 kind" in seen.sentence([native, portable])
    assert "not count" not in seen.sentence([native, portable])  # the portable rows of the same experiment do
    shutil.rmtree(here.results / "small")
    assert not seen.kinds(seen.read(here.results))


def test_all_leaves_out_what_has_no_data_here(here, monkeypatch, capsys):
    def missing(runs):
        raise UsageError("there is no such file")

    monkeypatch.setattr(sweep, "check_data", missing)
    assert main(ALL) == 2
    assert "warning: small is left out: there is no such file" in capsys.readouterr().err


def test_an_experiment_none_of_whose_runs_could_be_trained_is_no_bad_input(here, monkeypatch, capsys):
    def failing(request, sample):
        failure = Failure("failed", "out of memory", False, here.results / "log.txt")
        return sweep.Outcome(PlanStatus([], [], frozenset()), failed={"batch-1": failure})

    monkeypatch.setattr(replicate, "train", failing)
    assert main(ALL) == 1
    said = capsys.readouterr()
    assert "failed: batch-1: out of memory" in said.out and said.err == ""
