"""The figure `over_depth`: what it draws of runs, by its numbers and artists."""

import pandas as pd
import pytest
from figures import data_of, drawn_of

from bn_study.analysis.figure import over_depth as figure
from bn_study.analysis.shown import Tables

OPTIONS = {"grids": ["shallow", "deep"], "metrics": ["test/accuracy"]}


def runs():
    cells = [
        (grid, layers, activation, norm, seed)
        for grid, layers in (("shallow", 2), ("deep", 12))
        for activation in ("tanh", "relu")
        for norm in ("none", "batch")
        for seed in range(3)
    ]
    return [
        {
            "run": f"{norm}-mlp-digits-s{seed}-{number:010x}", "grids": grid, "seed": seed, "status": "complete",
            "diverged_at": None, "classes": 10, "dataset": "digits", "model": "mlp", "model.activation": activation,
            "model.widths": str([8] * layers).replace(" ", ""), "norm": norm, "optimizer": "sgd", "batch_size": 60,
            "optimizer.learning_rate": 0.1 * layers, "steps": 30,
            "final(metric=test/accuracy)": 0.9 - 0.01 * layers * (norm == "none"),
        }
        for number, (grid, layers, activation, norm, seed) in enumerate(cells)
    ]  # fmt: skip


def tables_of(rows):
    return Tables(pd.DataFrame(rows), pd.DataFrame(columns=["run", "step", "name", "site", "unit", "value"]))


def test_depths_of_all_grids_share_a_line_for_each_normalizer_and_a_panel_for_each_activation():
    data = data_of(figure, tables_of(runs()), **OPTIONS)
    means = data[data["series"] == "mean"]
    assert set(means["grid"]) == {"model.activation=tanh", "model.activation=relu"}
    assert len(means) == 8 and set(means["n"]) == {3}
    plain = means[(means["arm"] == "norm=none") & (means["grid"] == "model.activation=tanh")]
    assert plain["place"].tolist() == [2, 12]
    assert plain["value"].tolist() == pytest.approx([0.88, 0.78])


def test_the_axis_counts_hidden_layers():
    picture = drawn_of(figure, tables_of(runs()), **OPTIONS)
    assert len(picture.axes) == 2
    assert [axes.get_xlabel() for axes in picture.axes] == ["hidden layers"] * 2
    assert [text.get_text() for text in picture.axes[0].get_xticklabels()] == ["2", "12"]


def test_other_models_have_hidden_layers_too():
    rows = [
        run | {"model": "cnn", "model.blocks": str([[4]] * (1 + (run["grids"] == "deep"))), "model.dense": "[6]"}
        for run in runs()
    ]
    for row in rows:
        del row["model.widths"]
    assert set(data_of(figure, tables_of(rows), **OPTIONS)["place"].dropna()) == {2, 3}


def test_without_runs_it_draws_nothing():
    empty = Tables(pd.DataFrame(runs()).iloc[:0], tables_of(runs()).curves)
    assert data_of(figure, empty, **OPTIONS).empty
