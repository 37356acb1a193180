"""The rule of a replication: how often it raises a false alarm, and what it finds."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bn_study.analysis import csv_files, numbers, replication
from bn_study.analysis.stats import sign_flip, sign_flips
from bn_study.plan.compose import compose
from bn_study.plan.reading import experiment_names
from bn_study.report import replicate
from bn_study.report.evidence import report
from bn_study.sweep import run as sweep
from bn_study.sweep.request import Request
from bn_study.sweep.sample import Sample
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
        table = csv_files.read_csv(path)
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


def test_of_joint_sign_flips_each_measure_has_the_p_of_its_own_test_and_no_more():
    """Of one measure it is scipy's; of copies of it the same, since they are no news; of two at most twice as much."""
    rng = np.random.default_rng(4)
    one, other = rng.normal(0.4, 1, (10, 1)), rng.normal(size=(10, 1))
    alone, beside = (float(sign_flips(values)[0]) for values in (one, other))
    assert math.isclose(alone, sign_flip(one[:, 0])) and math.isclose(beside, sign_flip(other[:, 0]))
    assert np.allclose(sign_flips(np.hstack([one, 3 * one, -one])), alone)
    both = sign_flips(np.hstack([one, other]))
    assert alone <= both[0] <= 2 * alone and both[1] >= beside


def test_one_run_that_lies_outside_tells_nothing_and_an_arm_that_does_is_different():
    """A dead run where the committed table has none happens by chance; eight of eight do not."""
    rng, arm = np.random.default_rng(5), np.repeat(np.arange(ARMS), SEEDS)
    committed = rng.normal(0.95, 0.01, (ARMS * SEEDS, 1))
    rows = np.arange(ARMS * SEEDS)
    again = rng.normal(0.95, 0.01, committed.shape)
    again[5] = 0.1
    found = judged(committed, again, rows, arm)
    assert found.rows[5].outcome == "untold" and found.outside == 1 and not found.count("differs")
    (outside,) = found.rows[5].outside
    assert outside.value == 0.1 < outside.low < 0.92 < 0.98 < outside.high
    again[:SEEDS] = 0.1 + 0.001 * rng.random((SEEDS, 1))
    found = judged(committed, again, rows, arm)
    assert [row.outcome == "differs" for row in found.rows] == [row < SEEDS for row in rows]


def test_dead_runs_agree_where_committed_ones_die_too():
    """As often as not, in arms of which some had none."""
    rng = np.random.default_rng(6)
    found = [simulated(one_dead_in_eight, rng) for _ in range(20)]
    assert sum(one.outside > 0 for one in found) > 2 and not any(one.count("differs") for one in found)


def test_three_seeds_are_too_few_to_tell():
    committed = np.array([[0.9], [0.91], [0.92]])
    arm, rows = np.zeros(3, int), np.array([1])
    assert judged(committed, np.array([[0.905]]), rows, arm).rows[0].outcome == "agrees"
    found = judged(committed, np.array([[0.1]]), rows, arm)
    assert found.rows[0].outcome == "untold" and not found.rows[0].outside[0].enough and found.outside == 0


def test_the_prediction_interval_is_the_one_of_a_textbook():
    values = np.random.default_rng(7).normal(size=8)
    held = numbers.interval(values, 0.0, 0.0005)
    low, high = stats.t.interval(0.999, 7, values.mean(), values.std(ddof=1) * math.sqrt(1 + 1 / 8))
    assert math.isclose(held.low, low) and math.isclose(held.high, high)
    assert not held.holds(math.nan) and numbers.interval(np.append(values, math.nan), 0.0, 0.0005).holds(math.nan)


# --- planted changes, with real training ------------------------------------------------------------------------------

QUESTION = """
question: Does it learn?
base:
  dataset: digits
  model.widths: [24, 24]
  optimizer: sgd
  steps: 90
  batch_size: 30
  schedule.points: 2
  schedule.reestimate: 300
  probe.curves.sources: [reestimated, moving]
  probe.curves.full: [reestimated, moving]
grids:
  main: {norm: batch, model.activation: [sigmoid, tanh, relu], optimizer.learning_rate: [0.1, 0.3, 1.0], seed: range(8)}
claims:
  moving:
    measure: {final: {metric: test/accuracy_moving}}
    contrast: {norm=batch: 1, constant: -0.5}
    contexts: [model.activation, optimizer.learning_rate]
    test: superiority
    margin: 0.01
"""


CHAOS = """
question: What becomes of rounding?
base:
  dataset: digits
  model.widths: [24, 24, 24]
  model.initializer: he
  model.initializer_scale: 1.0
  optimizer: sgd
  steps: 600
  batch_size: 30
  schedule.points: 2
  schedule.reestimate: 300
grids:
  main: {norm: batch, model.activation: [tanh, relu], optimizer.learning_rate: [1.5, 2.0, 3.0], seed: range(8)}
"""


@pytest.fixture(scope="module")
def committed(make_study, tmp_path_factory):
    """A study with evidence of 72 short runs, and of 48 at rates at which the last bit decides where a run ends."""
    place = make_study(tmp_path_factory.mktemp("planted"), small=QUESTION, chaos=CHAOS)
    place.store.prepare()
    for name in ("small", "chaos"):
        request = Request.parse([name, "launcher=inline"], place)
        assert sweep.run(request).code == 0
        report(place, request.experiment)
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


def trained_again(place, name, rows, change, monkeypatch, tmp_path):
    """What `replicate --rows` says if training is changed behind the ids."""
    sample = Sample(rows, replicate.table_of(place, name))
    request = Request.parse([name], replace(place, results=tmp_path / "results"))
    store, programs = replicate.replica_of(request, sample).study.store, Programs()
    store.prepare()
    facts = {"classes": 10, "status": "complete", "diverged_at": None}
    for cell in sample.of(request.experiment).grids["main"].cells:
        with monkeypatch.context() as patch:
            trained = train(change(cell.spec, patch), programs, lambda step, state: None, None)
        assert trained.diverged_at is None
        store.publish(cell.spec, trained.records, trained.vectors, facts)
    return replicate.compare(request, sample).rows, store


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_change_is_found(committed, name, monkeypatch, tmp_path):
    found, _ = trained_again(committed, "small", 2, PLANTED[name], monkeypatch, tmp_path)
    print(name, found.count("differs"), found.shifts)
    assert found.differs


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rows", "chaotic"), [("small", 2, 0), ("chaos", 4, 12)])
def test_other_rounding_alone_is_not(committed, name, rows, chaotic, monkeypatch, tmp_path):
    """The examples of each batch in another order: the same mathematics, sums that are rounded otherwise.

    chaotic: in so many runs at least it changes the test loss by more than a hundredth.
    """
    change = rows_changed(lambda batch: batch[:, ::-1].copy())
    found, store = trained_again(committed, name, rows, change, monkeypatch, tmp_path)
    ends = [
        [float(where.read(row.run).scalars["test/loss", ""][1][-1]) for where in (committed.store, store)]
        for row in found.rows
    ]
    moved = sum(abs(new / old - 1) > 0.01 for old, new in ends)
    print(name, found.count("identical"), moved, len(ends), found.outside)
    assert not found.differs and found.count("identical") < len(found.rows)
    assert moved >= chaotic
