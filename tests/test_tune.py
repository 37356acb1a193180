import math

import pandas as pd
import pytest

from bn_study.plan.experiment import Cell, Experiment, Grid, Tune
from bn_study.tune import choose

RATES = (0.1, 1.0, 3.0, 10.0)
LABEL = "steps_to(level=0.9,metric=validation/accuracy)"


def experiment(cells, **changes):
    entry = {
        "grid": "select",
        "factors": ["optimizer.learning_rate"],
        "per": ["norm"],
        "level": {"digits": 0.9},
        "score": {"steps_to": {"metric": "validation/accuracy"}, "scale": "log2"},
        "best": "min",
    }
    grids = {"select": Grid("select", {}, cells)}
    return Experiment("x", "", "", grids, {"rate": Tune(**entry | changes)}, {}, {}, "", ())


def cell(norm="none", rate=0.1, seed=100, scale=0.1):
    model = {"name": "mlp", "initializer_scale": scale}
    parts = {"dataset": {"name": "digits"}, "norm": {"name": norm}, "model": model}
    return Cell(parts | {"optimizer": {"name": "sgd", "learning_rate": rate}, "seed": seed}, {})


def run(value, norm="none", rate=0.1, seed=100, scale=0.1, label=LABEL):
    settings = {"dataset": "digits", "norm": norm, "optimizer.learning_rate": rate, "model.initializer_scale": scale}
    return {"grids": "select other", "seed": seed, "status": "complete", "steps": 1000, **settings, label: value}


def choices(values, norm="none", **changes):
    """values: {rate: [a score a seed]} of one arm."""
    seeds = range(100, 100 + len(next(iter(values.values()))))
    cells = tuple(cell(norm, rate, seed) for rate in values for seed in seeds)
    rows = [run(one, norm, rate, seed) for rate, ones in values.items() for seed, one in zip(seeds, ones, strict=True)]
    found = choose(experiment(cells, **changes), pd.DataFrame(rows))["rate"]
    return found.chosen[norm,]["optimizer.learning_rate"], found.at_edge


def test_the_best_mean_on_the_scores_scale_wins():
    # the mean of the logarithms prefers 1.0 (geometric mean 200), the plain mean 3.0
    values = {0.1: [900, 900], 1.0: [50, 800], 3.0: [400, 400], 10.0: [900, 800]}
    assert choices(values) == (1.0, frozenset())
    assert choices(values, score={"steps_to": {"metric": "validation/accuracy"}}) == (3.0, frozenset())


def test_ties_go_to_the_smaller_value_whatever_the_order():
    assert choices({10.0: [7], 3.0: [5], 1.0: [5], 0.1: [9]}) == (1.0, frozenset())
    assert choices({0.1: [9, 9], 3.0: [300, 700], 1.0: [700, 300], 10.0: [9e3, 9e3]})[0] == 0.1
    assert choices({3.0: [300, 700], 1.0: [700, 300]})[0] == 1.0


@pytest.mark.parametrize(("best", "edge"), [(0.1, True), (1.0, False), (3.0, False), (10.0, True)])
def test_a_choice_at_the_edge_is_marked(best, edge):
    chosen, at_edge = choices({rate: [1 if rate == best else 2] for rate in RATES})
    assert chosen == best and at_edge == (frozenset({("none",)}) if edge else frozenset())


def test_a_single_value_has_no_edge():
    assert choices({0.1: [5]}) == (0.1, frozenset())


def test_a_level_not_reached_counts_with_the_length():
    assert choices({0.1: [999], 1.0: [math.nan], 3.0: [999.5]})[0] == 0.1
    assert choices({0.1: [1001], 1.0: [math.nan], 3.0: [1001]})[0] == 1.0


@pytest.mark.parametrize("best", ["min", "max"])
def test_a_diverged_run_is_the_worst(best):
    cells = tuple(cell(rate=rate, seed=seed) for rate in RATES for seed in (100, 101))
    rows = [run(500, rate=rate, seed=seed) for rate in RATES for seed in (100, 101)]
    for row in rows:
        if row["optimizer.learning_rate"] in (0.1, 1.0) and row["seed"] == 101:
            row |= {"status": "diverged", LABEL: 1.0 if best == "min" else 9000.0}
    found = choose(experiment(cells, best=best), pd.DataFrame(rows))["rate"]
    assert found.chosen["none",] == {"optimizer.learning_rate": 3.0}


def test_an_arm_waits_for_all_its_runs_and_another_does_not():
    cells = tuple(cell(norm, rate, seed) for norm in ("none", "batch") for rate in RATES for seed in (100, 101))
    rows = [run(rate, norm, rate, seed) for norm in ("none", "batch") for rate in RATES for seed in (100, 101)]
    found = choose(experiment(cells), pd.DataFrame(rows[:-1]))["rate"]
    assert found.chosen == {("none",): {"optimizer.learning_rate": 0.1}} and found.per == ("norm",)
    rows[-1]["grids"] = "speed"
    assert ("batch",) not in choose(experiment(cells), pd.DataFrame(rows))["rate"].chosen
    assert choose(experiment(cells), pd.DataFrame(columns=["grids", "seed"]))["rate"].chosen == {}


def test_several_factors_and_no_arms():
    cells = tuple(cell(rate=rate, scale=scale) for rate in RATES for scale in (0.01, 0.1, 1.0))
    rows = [
        run(abs(rate - 1) + abs(scale - 1) + 1, rate=rate, scale=scale) for rate in RATES for scale in (0.01, 0.1, 1.0)
    ]
    factors = ["optimizer.learning_rate", "model.initializer_scale"]
    found = choose(experiment(cells, factors=factors, per=[]), pd.DataFrame(rows))["rate"]
    assert found.chosen == {(): {"optimizer.learning_rate": 1.0, "model.initializer_scale": 1.0}}
    assert found.at_edge == {()}


def test_the_largest_accuracy_wins_where_it_is_asked_for():
    label = "final(metric=validation/accuracy)"
    cells = tuple(cell(rate=rate) for rate in RATES)
    rows = [run(value, rate=rate, label=label) for rate, value in zip(RATES, (0.5, 0.7, 0.9, 0.2), strict=True)]
    one = experiment(cells, score={"final": {"metric": "validation/accuracy"}}, level={}, best="max")
    assert choose(one, pd.DataFrame(rows))["rate"].chosen["none",] == {"optimizer.learning_rate": 3.0}


def test_only_the_scores_column_is_looked_at():
    cells = tuple(cell(rate=rate) for rate in RATES)
    rows = [run(value, rate=rate) for rate, value in zip(RATES, (9, 5, 7, 8), strict=True)]
    runs = pd.DataFrame(rows)
    for values in ([1, 2, 3, 4], [4, 3, 2, 1]):
        other = runs.assign(**{LABEL.replace("validation", "test"): values, "final(metric=test/accuracy)": values})
        assert choose(experiment(cells), other) == choose(experiment(cells), runs)
