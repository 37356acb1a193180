"""The rule of a replication: how often it raises a false alarm, and what it finds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bn_study import replicate, sweep
from bn_study.analysis import numbers, replication, tables
from bn_study.evidence import report
from bn_study.plan.compose import compose
from bn_study.plan.reading import experiment_names
from bn_study.sample import Sample
from bn_study.training import batches
from bn_study.training.train import Programs, train

ARMS, SEEDS, MEASURES, ROWS = 12, 8, 4, 2
FALSE_ALARMS = 0.01


def normal(rng, shape):
    return rng.normal(size=shape)


def heavy_tailed(rng, shape):
    return rng.standard_t(3, size=shape)


def log_normal(rng, shape):
    return rng.lognormal(size=shape)


def steps_on_a_grid(rng, shape):
    """Steps to a level, of points a tenth apart."""
    return np.round(1.1 ** np.round(np.log(400 * rng.lognormal(0, 0.2, shape)) / math.log(1.1)))


def shares(rng, shape):
    """Accuracies on 40 examples, near 1 in some arms."""
    return rng.binomial(40, 0.97, shape) / 40


def censored(rng, shape):
    """A run's length where the level was not reached, in half of the runs."""
    return np.minimum(rng.lognormal(6, 0.3, shape), math.exp(6))


def one_dead_in_eight(rng, shape):
    return np.where(rng.random(shape[:-1])[..., None] < 1 / 8, 0.1, 0.95 + 0.01 * rng.normal(size=shape))


KINDS = (normal, heavy_tailed, log_normal, steps_on_a_grid, shares, censored, one_dead_in_eight)


def judged(committed, again, rows, arm):
    measures = committed.shape[1]
    found = numbers.Numbers(
        [f"m{place}" for place in range(measures)], committed, np.ones_like(committed, bool), arm, again, rows,
        np.full(measures, math.nan),
    )  # fmt: skip
    return replication.judged(found, [f"run{row}" for row in rows], [False] * len(rows), np.zeros(len(rows)))


def simulated(kind, rng):
    """An experiment and rows of it trained again, when all are draws from their arms."""
    drawn = kind(rng, (ARMS, SEEDS + ROWS, MEASURES))
    committed, again = drawn[:, :SEEDS].reshape(-1, MEASURES), drawn[:, SEEDS:].reshape(-1, MEASURES)
    rows = (np.arange(ARMS)[:, None] * SEEDS + np.arange(ROWS)).ravel()
    return judged(committed, again, rows, np.repeat(np.arange(ARMS), SEEDS))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_at_most_one_experiment_in_a_hundred_raises_a_false_alarm(kind):
    rng, count = np.random.default_rng(1), 400
    alarms = sum(simulated(kind, rng).differs for _ in range(count))
    print(f"{kind.__name__}: {alarms} of {count}")
    assert alarms <= stats.binom.ppf(0.999, count, FALSE_ALARMS)


@pytest.mark.slow
def test_committed_runs_in_place_of_new_ones_raise_as_few(home):
    """With the distributions that there are: of each arm one run is taken away and plays another one's repetition."""
    rng, alarms, count = np.random.default_rng(2), 0, 0
    for name in experiment_names(home):
        path = home / "results" / name / "runs.csv"
        if not path.is_file():
            continue
        table = tables.read_csv(path)
        whole = numbers.arrays(compose(home, name, [])[0], table, table)
        for _ in range(12):
            new, old = [], []
            for arm in np.unique(whole.arm):
                first, *rows = rng.permutation(np.flatnonzero(whole.arm == arm))
                alike = [row for row in rows if (whole.asked[row] == whole.asked[first]).all()]
                if len(alike) > 1:  # of the same grids, as a run and its repetition are
                    new.append(first)
                    old.append(alike[0])
            kept = np.setdiff1d(np.arange(len(table)), new)
            place = {row: index for index, row in enumerate(kept)}
            found = replace(
                whole, committed=whole.committed[kept], asked=whole.asked[kept], arm=whole.arm[kept],
                again=whole.committed[new], rows=np.array([place[row] for row in old]),
            )  # fmt: skip
            alarms += replication.judged(found, list(map(str, old)), [False] * len(old), np.zeros(len(old))).differs
            count += 1
    print(f"{alarms} of {count}")
    assert count >= 200 and alarms <= stats.binom.ppf(0.999, count, FALSE_ALARMS)


def test_a_shift_of_half_a_standard_deviation_in_every_row_is_found():
    rng = np.random.default_rng(3)
    committed = rng.normal(size=(ARMS * SEEDS, MEASURES))
    rows = np.arange(0, ARMS * SEEDS, 2)
    again = committed[rows] + rng.normal(0, 0.3, (len(rows), MEASURES))
    again[:, 2] += 0.5
    found = judged(committed, again, rows, np.repeat(np.arange(ARMS), SEEDS)).shifts[0]
    assert found.label == "m2" and 0.3 < found.mean < 0.8


# --- planted changes, with real training ------------------------------------------------------------------------------

QUESTION = """
question: Does it learn?
base:
  dataset: digits
  model.widths: [24, 24]
  optimizer: sgd
  steps: 90
  batch_size: 30
  measure.points: 2
  measure.reestimate: 300
  probes.curves.sources: [reestimated, moving]
  probes.curves.full: [reestimated, moving]
grids:
  main: {norm: batch, model.activation: [sigmoid, tanh, relu], optimizer.learning_rate: [0.1, 0.3, 1.0], seed: range(8)}
claims:
  moving:
    statements: []
    measure: {final: {metric: test/accuracy_moving}}
    contrast: {norm=batch: 1, constant: -0.5}
    contexts: [model.activation, optimizer.learning_rate]
    test: superiority
    margin: 0.01
"""


@pytest.fixture(scope="module")
def committed(make_study, tmp_path_factory):
    """A study with evidence of 72 short runs."""
    place = make_study(tmp_path_factory.mktemp("planted"), small=QUESTION)
    experiment, operation = compose(place.home, "small", ["launcher=inline"])
    place.store.prepare()
    assert sweep.run(place, experiment, ["small", "launcher=inline"], operation).code == 0
    report(place, experiment)
    return place


def with_norm(**options):
    def changed(spec, monkeypatch):
        return replace(spec, norm=replace(spec.norm, args=dict(spec.norm.args) | options))

    return changed


def rows_changed(change):
    """Batches of other rows: a function of (steps, batch size) indices."""

    def changed(spec, monkeypatch):
        of_run = batches.of_run

        class Order:
            def __init__(self, *arguments):
                self.order = of_run(*arguments)

            def rows(self, start, count):
                return change(self.order.rows(start, count))

        monkeypatch.setattr(batches, "of_run", Order)
        return spec

    return changed


PLANTED = {
    "epsilon 0.1": with_norm(epsilon=0.1),
    "momentum 0.99": with_norm(momentum=0.99),
    "after instead of before": with_norm(placement="after"),
    "a shuffle that sees a third of the examples": rows_changed(lambda rows: rows % 400),
}


def trained_again(place, change, monkeypatch, tmp_path):
    """What `replicate --rows 2` says if training is changed behind the ids."""
    experiment, operation = compose(place.home, "small", [])
    sample = Sample(2, replicate.table_of(place, "small"))
    elsewhere = replace(place, results=tmp_path / "results")
    store, programs = replicate.place_of(elsewhere, operation).store, Programs()
    store.prepare()
    facts = {"classes": 10, "status": "complete", "diverged_at": None}
    for cell in sample.of(experiment).grids["main"].cells:
        with monkeypatch.context() as patch:
            trained = train(change(cell.spec, patch), programs, lambda step, state: None, None)
        assert trained.diverged_at is None
        store.publish(cell.spec, trained.records, trained.vectors, facts)
    return replicate.compare(elsewhere, experiment, sample, operation).rows


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_is_found(committed, name, monkeypatch, tmp_path):
    found = trained_again(committed, PLANTED[name], monkeypatch, tmp_path)
    print(name, found.count("differs"), found.shifts)
    assert found.differs


@pytest.mark.slow
def test_other_rounding_alone_is_not(committed, monkeypatch, tmp_path):
    """The examples of each batch in another order: the same mathematics, sums that are rounded otherwise."""
    found = trained_again(committed, rows_changed(lambda rows: rows[:, ::-1].copy()), monkeypatch, tmp_path)
    assert not found.differs and found.count("identical") < len(found.rows)
