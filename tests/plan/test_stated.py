"""What a claim's stated hash depends on: all that its verdict does, and nothing else."""

import pytest

from bn_study.plan.experiment import Cell, Claim, Experiment, Grid, Tune


def cell(seed, config=(), waits=()):
    return Cell({"dataset": {"name": "digits"}, "seed": seed, "model": {"name": "mlp"}} | dict(config), dict(waits))


def experiment(claim=(), tune=(), grids=()):
    """A claim on runs that wait for `drop`, whose selection runs wait for `rate`; `other` bears on nothing."""
    cells = {
        "best": [cell(0, waits={"model.dropout": "drop"})],
        "select": [cell(100, waits={"optimizer.learning_rate": "rate"})],
        "select_rate": [cell(101)],
        "select_other": [cell(102)],
    } | dict(grids)
    entries = {
        name: entry(grid) for name, grid in (("drop", "select"), ("rate", "select_rate"), ("other", "select_other"))
    }
    stated = {"measure": {"final": {"metric": "test/accuracy"}}, "contrast": {"dataset=digits": 1}, "grid": "best"}
    stated |= {"test": "superiority", "margin": 0.5} | dict(claim)
    return Experiment(
        "x", "", "", {name: Grid(name, {}, tuple(one)) for name, one in cells.items()},
        {name: Tune(**one) for name, one in (entries | dict(tune)).items()}, {"it": Claim(**stated)}, {}, "", (),
    )  # fmt: skip


def entry(grid, **changes):
    score = {"final": {"metric": "validation/accuracy"}}
    return {"grid": grid, "factors": ["x"], "per": [], "score": score, "best": "max"} | changes


def stated(**changes):
    return experiment(**changes).stated()["it"]


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": {"margin": 0.4}},
        {"claim": {"says": "always"}},
        {"grids": {"best": [cell(1, waits={"model.dropout": "drop"})]}},
        {"tune": {"drop": entry("select", best="min")}},
        {"tune": {"drop": entry("select", ends="natural")}},
        {"tune": {"drop": entry(["select", "select_other"])}},
        {"grids": {"select": [cell(103, waits={"optimizer.learning_rate": "rate"})]}},
        {"tune": {"rate": entry("select_rate", best="min")}},  # for which the runs of `drop` wait
        {"grids": {"select_rate": [cell(104)]}},
    ],
    ids=str,
)
def test_whatever_bears_on_a_verdict_changes_what_was_stated(changes):
    assert stated(**changes) != stated()


@pytest.mark.parametrize(
    "changes",
    [
        {"claim": {"expect": "nothing"}},
        {"tune": {"other": entry("select_other", best="min")}},
        {"grids": {"select_other": [cell(105)]}},
        {"grids": {"select": [cell(100.0, waits={"optimizer.learning_rate": "rate"})]}},
    ],
    ids=str,
)
def test_what_does_not_bear_on_it_leaves_it_alone(changes):
    assert stated(**changes) == stated()


def test_options_that_came_later_count_once_they_say_something():
    def best(**config):
        return {"grids": {"best": [cell(0, config, {"model.dropout": "drop"})]}}

    assert stated(**best(something=None)) == stated()
    assert stated(**best(model={"name": "mlp", "something": None})) == stated()
    assert stated(**best(something=5)) != stated()
    assert stated(**best(model={"name": "mlp", "something": True})) != stated()


def test_a_value_that_is_a_list_is_no_tuning():
    assert stated(claim={"at": {"model.widths": [8, 6]}}) != stated()
    found = experiment(claim={"at": {"model.widths": [8, 6], "optimizer.learning_rate": "rate"}})
    assert set(found.tuning(found.claims["it"])) == {"drop", "rate"}
