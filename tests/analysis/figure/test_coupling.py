"""The coupling of layers over steps: means by numpy, what is drawn, and what is said of it."""

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of
from matplotlib.colors import to_hex
from scipy import stats

from bn_study.analysis.figure import coupling as figure
from bn_study.analysis.figure._style import LOOKS
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import HASH
from bn_study.plan import parts

GRIDS = {"mlp": "layer5/linear", "linear": "output/linear"}
OPTIONS = {
    "grids": list(GRIDS),
    "columns": ["perceptron", "linear net"],
    "sites": list(GRIDS.values()),
    "relative": False,
}
STEPS = list(range(0, 301, 100))


def a_run(norm, seed, grid, diverged_at=None):
    number = 1000 * list(GRIDS).index(grid) + 100 * list(LOOKS).index(norm) + seed
    return {
        "run": f"{norm}-{grid}-s{seed}-{number:010x}", "grids": grid, "seed": seed,
        "status": "complete" if diverged_at is None else "diverged", "diverged_at": diverged_at, "dataset": "digits",
        "model": "mlp", "norm": norm, "optimizer.learning_rate": 0.1, "batch_size": 60, "steps": 300,
    }  # fmt: skip


def tables_of(runs):
    random, rows = np.random.default_rng(1), []
    for run in runs:
        for step in STEPS:
            if step <= (run["diverged_at"] or run["steps"]):
                for kind in ("", "relative_"):
                    for site in ("layer3/linear", GRIDS[run["grids"]]):
                        rows.append((run["run"][-HASH:], step, f"coupling/{kind}cosine", site, None, random.uniform()))
                    value = 10 ** random.uniform(-2, 0)
                    rows.append((run["run"][-HASH:], step, f"coupling/{kind}interaction", "", None, value))
    columns = ["run", "step", "name", "site", "unit", "value"]
    return Tables(pd.DataFrame(runs), pd.DataFrame(rows, columns=columns))


def all_runs(seeds=3):
    return [a_run(norm, seed, grid) for grid in GRIDS for norm in LOOKS for seed in range(seeds)]


def values(tables, grid, norm, name, site):
    """(steps, seeds)"""
    runs = tables.runs[(tables.runs["grids"] == grid) & (tables.runs["norm"] == norm)]["run"]
    table = tables.curves[tables.curves["run"].isin([run[-HASH:] for run in runs])]
    table = table[(table["name"] == name) & (table["site"] == site)]
    return table.pivot(index="step", columns="run", values="value").to_numpy()


def test_it_is_a_part_of_an_experiment_and_asks_for_the_site_of_each_network():
    assert parts.checked("figure", "coupling", OPTIONS).args == OPTIONS
    wanted = curves_of(figure, tables_of(all_runs()).runs, **OPTIONS)
    assert set(wanted) == {run["run"] for run in all_runs()}
    for run, curves in wanted.items():
        site = GRIDS[run.split("-")[1]]
        assert {(one.name, one.site) for one in curves} == {("coupling/cosine", site), ("coupling/interaction", "")}


@pytest.mark.parametrize("relative", [False, True])
def test_the_numbers_are_means_and_geometric_means_with_their_intervals(relative):
    tables, kind = tables_of(all_runs()), "relative_" if relative else ""
    data = data_of(figure, tables, **OPTIONS | {"relative": relative})
    assert (data["n"] == 3).all() and len(data) == 2 * 2 * 2 * len(STEPS)
    for column, (grid, site) in zip(OPTIONS["columns"], GRIDS.items(), strict=True):
        for norm in LOOKS:
            own = data[(data["column"] == column) & (data["norm"] == norm)]
            for panel, place in (("cosine", site), ("interaction", "")):
                found, seen = own[own["panel"] == panel], values(tables, grid, norm, f"coupling/{kind}{panel}", place)
                seen = np.log10(seen) if panel == "interaction" else seen
                half = stats.t.ppf(0.975, 2) * stats.sem(seen, axis=1)
                for ending, expected in (("value", 0), ("low", -half), ("high", half)):
                    middle = seen.mean(axis=1) + expected
                    middle = 10**middle if panel == "interaction" else middle
                    np.testing.assert_allclose(found[ending], middle, rtol=1e-6)


def test_what_is_drawn_is_what_is_written():
    tables = tables_of(all_runs())
    data, picture = data_of(figure, tables, **OPTIONS), drawn_of(figure, tables, **OPTIONS)
    places = [(panel, column) for panel in ("cosine", "interaction") for column in OPTIONS["columns"]]
    for (panel, column), axes in zip(places, picture.axes, strict=True):
        assert axes.get_yscale() == ("log" if panel == "interaction" else "linear") and len(axes.collections) == 2
        for line, (norm, look) in zip(axes.lines, LOOKS.items(), strict=True):
            rows = data[(data["panel"] == panel) & (data["column"] == column) & (data["norm"] == norm)]
            np.testing.assert_array_equal(line.get_ydata(), rows["value"])
            assert (line.get_linestyle(), to_hex(line.get_color())) == (look.dashes, look.color.lower())
    assert [axes.get_title() for axes in picture.axes[:2]] == OPTIONS["columns"]
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Without BN", "With BN"]


def test_a_diverged_run_is_marked_and_a_network_without_runs_is_said_to_be_empty():
    runs = [run for run in all_runs() if run["grids"] == "mlp"]
    runs[1] = a_run("none", 1, "mlp", diverged_at=150)
    tables = tables_of(runs)
    ends = data_of(figure, tables, **OPTIONS)
    ends = ends[ends["series"] == "diverged"]
    assert ends["panel"].tolist() == ["cosine", "interaction"] and set(ends["step"]) == {150}
    text = caption_of(figure, tables, **OPTIONS)
    assert "✕" in text and "layer5/linear (perceptron)" in text and "3 seeds" in text
    picture = drawn_of(figure, tables, **OPTIONS)
    assert [one.get_text() for one in picture.axes[1].texts] == ["no coupling recorded"]
    assert sum(line.get_marker() == "x" for line in picture.axes[0].lines) == 1


def test_nothing_is_drawn_of_no_runs():
    tables = Tables(tables_of(all_runs()).runs.iloc[:0], tables_of(all_runs()).curves.iloc[:0])
    assert not drawn_of(figure, tables, **OPTIONS).legends and "No run is there yet." in caption_of(
        figure, tables, **OPTIONS
    )
