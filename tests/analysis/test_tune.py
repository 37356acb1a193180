import math

import pandas as pd
import pytest

from bn_study.analysis.tune import choose
from bn_study.plan.experiment import Cell, Experiment, Grid, Tune

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


# --- several grids, options that a part lacks -------------------------------------------------------------------------


def several(grids, **changes):
    """grids: name -> cells."""
    one = experiment(())
    found = {name: Grid(name, {}, tuple(cells)) for name, cells in grids.items()}
    entry = one.tune["rate"].model_copy(update={"grid": list(grids)} | changes)
    return Experiment("x", "", "", found, {"rate": entry}, {}, {}, "", ())


def with_dataset(one, name):
    return Cell(one.config | {"dataset": {"name": name}}, {})


def test_a_tuning_over_several_grids_chooses_for_each_arm_among_its_own_values():
    """Rates of another grid are no candidates of an arm, and do not make an edge of it less of one."""
    small, large = (0.01, 0.1, 1.0), (1.0, 10.0, 100.0)
    grids = {
        "digits": [cell("none", rate) for rate in small],
        "mnist": [with_dataset(cell("none", rate), "mnist") for rate in large],
    }
    label = LABEL.replace("0.9", "0.95")
    rows = [run(abs(rate - 0.1) + 1, rate=rate) | {"grids": "digits"} for rate in small]
    rows += [run(200 - rate, rate=rate, label=label) | {"grids": "mnist", "dataset": "mnist"} for rate in large]
    options = {"per": ["dataset", "norm"], "level": {"digits": 0.9, "mnist": 0.95}}
    found = choose(several(grids, **options), pd.DataFrame(rows))["rate"]
    assert found.chosen == {
        ("digits", "none"): {"optimizer.learning_rate": 0.1},
        ("mnist", "none"): {"optimizer.learning_rate": 100.0},
    }
    assert found.at_edge == {("mnist", "none")}
    assert choose(several(grids, **options, ends="natural"), pd.DataFrame(rows))["rate"].at_edge == frozenset()


def test_values_of_one_arm_may_come_from_several_grids():
    grids = {"coarse": [cell(rate=rate) for rate in (0.1, 1.0, 10.0)], "fine": [cell(rate=rate) for rate in (1.0, 3.0)]}
    asked = {0.1: "coarse", 1.0: "coarse fine", 3.0: "fine", 10.0: "coarse"}
    rows = [run(abs(rate - 3) + 1, rate=rate) | {"grids": names} for rate, names in asked.items()]
    found = choose(several(grids), pd.DataFrame(rows))["rate"]
    assert found.chosen == {("none",): {"optimizer.learning_rate": 3.0}} and found.at_edge == frozenset()
    assert choose(several(grids), pd.DataFrame(rows[:3]))["rate"].chosen == {}  # one of the arm's runs is not there


def test_an_arm_whose_part_lacks_an_option_is_one_arm():
    """Without normalization there is no placement; it has a rate of its own all the same."""

    def placed(norm, placement, rate):
        one = cell(norm, rate)
        options = {"placement": placement} if placement else {}
        return Cell(one.config | {"norm": {"name": norm} | options}, {})

    best = {None: 0.1, "before": 1.0, "after": 3.0}
    arms = {None: "none", "before": "batch", "after": "batch"}
    cells = tuple(placed(norm, placement, rate) for placement, norm in arms.items() for rate in RATES)
    rows = [
        run(abs(math.log10(rate / best[placement])) + 1, norm, rate) | {"norm.placement": placement}
        for placement, norm in arms.items()
        for rate in RATES
    ]
    one = experiment(cells, per=["norm", "norm.placement"])
    for missing in (None, math.nan, "", pd.NA):
        found = choose(one, pd.DataFrame(rows, dtype=object).assign(
            **{"norm.placement": [row["norm.placement"] or missing for row in rows]}
        ))["rate"]  # fmt: skip
        assert {arm: choice["optimizer.learning_rate"] for arm, choice in found.chosen.items()} == {
            ("none", None): 0.1, ("batch", "before"): 1.0, ("batch", "after"): 3.0
        }  # fmt: skip
        assert found.at_edge == {("none", None)}
