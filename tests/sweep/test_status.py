"""Tunings that wait for others: which runs there are to be, as the selection runs before them come in."""

import numpy as np
import pandas as pd
import pytest

from bn_study import report
from bn_study.analysis import csv_files, tables, tune
from bn_study.analysis.asked import asked
from bn_study.analysis.check import check
from bn_study.analysis.claims import verdicts
from bn_study.errors import UsageError
from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.store.store import Store
from bn_study.sweep.cost import to_train
from bn_study.sweep.run import check_data
from bn_study.sweep.status import plan_status, planned

EXPERIMENT = """
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves]}
grids:
  plain: {norm: [none, batch], model.dropout: 0, optimizer.learning_rate: rate, seed: [0, 1]}
  best: {like: plain, model.dropout: drop}
  select_rate: {like: plain, optimizer.learning_rate: [0.1, 0.3, 1], seed: [100]}
  select: {like: plain, model.dropout: [0, 0.2, 0.5], seed: [100, 101]}
tune:
  rate: &rate
    grid: select_rate
    factors: [optimizer.learning_rate]
    per: [norm]
    score: {final: {metric: validation/accuracy}}
    best: max
  drop: {<<: *rate, grid: select, factors: [model.dropout], ends: natural}
claims:
  it:
    measure: {final: {metric: test/accuracy}}
    contrast: {grid=best norm=none: 1, grid=plain norm=batch: -1}
    at: {optimizer.learning_rate: rate}
    grid: [plain, best]
    test: superiority
    margin: 0.1
"""
RATE = {"none": 0.1, "batch": 1.0}
DROPOUT = {"none": 0.5, "batch": 0.0}


@pytest.mark.parametrize(
    ("changes", "circle"),
    [
        (("[0.1, 0.3, 1], seed", "rate, seed"), "rate -> rate"),
        (("[0.1, 0.3, 1], seed", "[0.1, 0.3, 1], model.dropout: drop, seed"), "rate -> drop -> rate"),
    ],
)
def test_tunings_that_wait_for_each_other_are_refused(tmp_path, make_study, changes, circle):
    make_study(tmp_path, chain=EXPERIMENT.replace(*changes))
    with pytest.raises(UsageError, match=rf"chain.yaml: tune.rate: .* in a circle: {circle}(\n|$)"):
        check(compose(tmp_path, "chain", [])[0])


@pytest.mark.parametrize(
    ("per", "grid", "main", "asks"),
    [
        ("norm, model.activation", "model.activation: relu", "model.activation: [relu, tanh]", "model.activation=tanh"),
        ("norm, model.widths", "model.widths: [[8, 8.0]]", "model.widths: [[8, 8]]", r"model.widths=\[8,8\]"),
    ],
)
def test_what_would_wait_forever_is_refused(tmp_path, make_study, per, grid, main, asks):
    text = EXPERIMENT.replace("per: [norm]", f"per: [{per}]").replace(
        "{norm: [none, batch], model", f"{{{main}, norm: [none, batch], model"
    )
    text = text.replace(
        "{like: plain, optimizer.learning_rate: [", f"{{like: plain, {grid}, optimizer.learning_rate: ["
    )
    make_study(tmp_path, chain=text)
    with pytest.raises(UsageError, match=rf"chain.yaml: tune.rate: the grid plain waits for norm=none {asks}, which "):
        check(compose(tmp_path, "chain", [])[0])


def test_data_are_checked_for_runs_that_wait_for_tuning(tmp_path, make_study):
    text = EXPERIMENT.replace("plain: {norm", "plain: {batch_size: 5000, norm").replace(
        "plain, optim", "plain, batch_size: 60, optim"
    )
    make_study(tmp_path, chain=text)
    experiment = compose(tmp_path, "chain", [])[0]
    plan = plan_status(experiment, Store(tmp_path / "runs"))
    assert {run.spec.batch_size for run in plan.missing} == {60}
    with pytest.raises(UsageError, match="batch_size=5000: dataset=digits has"):
        check_data(to_train(experiment, plan))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, make_study):
    place = make_study(tmp_path_factory.mktemp("study"), chain=EXPERIMENT)
    return compose(place.home, "chain", [])[0]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


def train(run, store):
    """The validation accuracy is best at a rate and a dropout that depend on the normalizer."""
    spec = run.spec
    norm, rate = spec.norm.name, spec.optimizer.args["learning_rate"]
    away = abs(np.log10(rate / RATE[norm])) + abs(spec.model.args["dropout"] - DROPOUT[norm])
    rows = [(100, f"{split}/accuracy", "", 0.9 - 0.1 * away - 0.001 * spec.seed) for split in ("validation", "test")]
    records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
    facts = {"status": "complete", "classes": 10, "commit": "a", "dirty": False, "stated": {}}
    store.publish(spec, records, records.iloc[:0], facts)


def counts(plan):
    return len(plan.runs), len(plan.missing), len(plan.waiting)


def test_each_tuning_that_is_done_brings_new_runs_until_there_are_none(experiment, store):
    plan = plan_status(experiment, store)
    assert counts(plan) == (6, 6, 4 + 4 + 12)  # the rates; plain, best and select wait
    assert plan.left == 6 + 20  # workers are started for all of them
    for run in plan.missing:
        train(run, store)
    plan = plan_status(experiment, store)
    # plain is known now, and 12 selection runs, of which the two at no dropout with seed 100 are there already
    assert counts(plan) == (6 + 4 + 10, 14, 4)
    chosen = {(run.spec.norm.name, run.spec.optimizer.args["learning_rate"]) for run in plan.missing}
    assert chosen == set(RATE.items())
    for run in plan.missing:
        train(run, store)
    plan = plan_status(experiment, store)
    assert counts(plan) == (20 + 2, 2, 0)  # with normalization the best dropout is none: those runs are there
    assert {(run.spec.norm.name, run.spec.model.args["dropout"]) for run in plan.missing} == {("none", 0.5)}
    shared = [run for run in plan.runs if set(run.grids) == {"plain", "best"}]
    assert [(run.spec.norm.name, run.spec.seed) for run in shared] == [("batch", 0), ("batch", 1)]
    for run in plan.missing:
        train(run, store)
    assert counts(plan_status(experiment, store)) == (22, 0, 0)


def trained(experiment, store):
    while missing := plan_status(experiment, store).missing:
        for run in missing:
            train(run, store)
    return planned(experiment, store)[0]


def test_no_dropout_at_all_is_not_the_edge_of_a_grid(experiment, store):
    runs = tables.runs_table(trained(experiment, store), store, asked(experiment))
    chosen = tune.choose(experiment, runs)
    assert chosen["rate"].chosen == {(norm,): {"optimizer.learning_rate": one} for norm, one in RATE.items()}
    assert chosen["rate"].at_edge == {("none",), ("batch",)}
    assert chosen["drop"].chosen == {(norm,): {"model.dropout": one} for norm, one in DROPOUT.items()}
    assert chosen["drop"].at_edge == frozenset()


def test_the_committed_table_serves_each_of_the_tunings(experiment, store, tmp_path):
    runs = trained(experiment, store)
    csv_files.write_csv(tables.runs_table(runs, store, asked(experiment)), tmp_path / "runs.csv")
    kept, nothing = csv_files.read_csv(tmp_path / "runs.csv"), Store(tmp_path / "nothing")
    again, waiting = planned(experiment, nothing, kept)
    assert waiting == [] and [run.spec.id for run in again] == [run.spec.id for run in runs]
    part = kept[kept["grids"].str.contains("select_rate")]
    again, waiting = planned(experiment, nothing, part)
    assert len(again) == 20 and len(waiting) == 4


def test_the_price_is_of_all_runs_whatever_they_wait_for(experiment, store):
    plan = plan_status(experiment, store)
    supposed = to_train(experiment, plan)
    # the first value that each tuning offers stands for the one it will choose, and equal runs count once
    assert len(supposed) == 6 + 4 + 10 and len({spec.id for spec in supposed}) == len(supposed)
    assert len(expand(experiment, tune.supposed(experiment))[0]) == len(supposed)


def test_a_trace_names_every_tuning_that_a_claim_rests_on(experiment, store):
    """Those that its runs waited for as well as those that it names, each arm with its choice."""
    runs = tables.runs_table(trained(experiment, store), store, asked(experiment))
    tuned = tune.choose(experiment, runs)
    (trace,) = report.traces(experiment, "it", verdicts(experiment, runs, tuned), tuned)
    assert [line for line in trace.lines if line.startswith("tuned")] == [
        "tuned rate: norm=none: optimizer.learning_rate=0.1, at the edge of its grid",
        "tuned rate: norm=batch: optimizer.learning_rate=1, at the edge of its grid",
        "tuned drop: norm=none: model.dropout=0.5",
        "tuned drop: norm=batch: model.dropout=0",
    ]
