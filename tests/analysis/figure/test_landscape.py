"""The landscape over training: medians by numpy, what is drawn, and what is said of it."""

import math

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of
from matplotlib.colors import to_hex

from bn_study.analysis.figure import _style
from bn_study.analysis.figure import landscape as figure
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import HASH
from bn_study.plan import parts

OPTIONS = {"grid": "cnn", "window": 3}
NAMES = [name for names in figure.PANELS.values() for name in names]
STEPS = list(range(0, 301, 50))


def a_run(norm, seed, grids="cnn", diverged_at=None, **settings):
    return {
        "run": f"{norm}-cnn-digits-s{seed}-{1000 * ('none', 'batch', 'noisy_batch').index(norm) + seed:010x}",
        "grids": grids, "seed": seed, "status": "complete" if diverged_at is None else "diverged",
        "diverged_at": diverged_at, "classes": 10, "dataset": "digits", "model": "cnn", "norm": norm,
        "optimizer.learning_rate": 0.1, "batch_size": 64, "steps": 300,
        "probe.landscape.step_sizes": "[0.05,0.1,0.4]", "probe.landscape.displacements": "[0.001,0.05]",
    } | settings  # fmt: skip


def tables_of(runs):
    """Noisy positive numbers; the upper end of a band is above the lower one."""
    random, rows = np.random.default_rng(1), []
    for run in runs:
        for step in STEPS:
            if step <= (run["diverged_at"] or run["steps"]):
                for name in NAMES:
                    value = random.uniform(1, 2) + (10 if name.endswith("_high") else 0)
                    rows.append((run["run"][-HASH:], step, name, "", None, value))
    columns = ["run", "step", "name", "site", "unit", "value"]
    return Tables(pd.DataFrame(runs), pd.DataFrame(rows, columns=columns))


def both(seeds=4, **settings):
    return [a_run(norm, seed, **settings) for norm in ("none", "batch") for seed in range(seeds)]


def expected(tables, norm, name, window):
    """Running median of the median over seeds, its window cut at the ends."""
    hashes = {run[-HASH:] for run in tables.runs.loc[tables.runs["norm"] == norm, "run"]}
    own = tables.curves[tables.curves["run"].isin(hashes) & (tables.curves["name"] == name)]
    medians = np.median(own.pivot(index="run", columns="step", values="value").to_numpy(), axis=0)
    reach = window // 2
    return [np.median(medians[max(0, at - reach) : at + reach + 1]) for at in range(len(medians))]


def drawn(tables):
    picture = drawn_of(figure, tables, **OPTIONS)
    return picture, dict(zip(figure.PANELS, picture.axes, strict=True))


def crosses(axes):
    return [line for line in axes.lines if line.get_marker() == "x"]


def test_it_is_a_part_of_an_experiment_and_asks_for_what_it_draws():
    assert parts.checked("figure", "landscape", OPTIONS).args == OPTIONS
    runs = both(2)
    others = [a_run("noisy_batch", 0), a_run("none", 7, grids="mlp")]
    wanted = curves_of(figure, pd.DataFrame([*runs, *others]), **OPTIONS)
    assert set(wanted) == {run["run"] for run in runs}
    assert {one.name for curves in wanted.values() for one in curves} == set(NAMES)


@pytest.mark.parametrize("window", [1, 3, 5])
def test_the_numbers_are_running_medians_of_medians_over_seeds(window):
    tables = tables_of([*both(), a_run("noisy_batch", 0)])
    data = data_of(figure, tables, grid="cnn", window=window)
    assert set(data["norm"]) == {"none", "batch"} and (data["n"] == 4).all()
    for panel, names in figure.PANELS.items():
        for norm in ("none", "batch"):
            found = data[(data["panel"] == panel) & (data["norm"] == norm)]
            assert found["step"].tolist() == STEPS
            for column, name in zip(("low", "high") if len(names) == 2 else ("value",), names, strict=True):
                np.testing.assert_allclose(found[column], expected(tables, norm, name, window))


def test_what_is_drawn_is_what_is_written():
    tables = tables_of(both())
    data = data_of(figure, tables, **OPTIONS)
    picture, panels = drawn(tables)
    for panel, axes in panels.items():
        assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "100", "200", "300"]
        assert f"({panel}) {figure.TITLES[panel]}" in axes.get_xlabel()
        lines = iter(axes.lines)
        for norm, dashes in (("none", "--"), ("batch", "-")):
            rows = data[(data["panel"] == panel) & (data["norm"] == norm)]
            for column in ("low", "high") if panel not in "cf" else ("value",):
                line = next(lines)
                np.testing.assert_array_equal(line.get_ydata(), rows[column])
                assert (line.get_linestyle(), to_hex(line.get_color())) == (dashes, figure.COLORS[norm].lower())
        assert axes.get_yscale() == ("log" if panel in "ad" else "linear")
        assert len(axes.collections) == (0 if panel in "cf" else 2)
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Standard", "Standard + BatchNorm"]


def test_the_caption_says_the_step_sizes_of_the_runs_and_how_many_there_are():
    text = caption_of(figure, tables_of(both()), **OPTIONS)
    for words in ("0.05 to 0.4 (3 values)", "0.001 to 0.05 (2 values)", "over 3 measuring points", "4 seeds"):
        assert words in text
    assert "✕" not in text


def test_an_infinite_loss_of_few_seeds_leaves_the_median_and_of_most_leaves_a_gap():
    tables = tables_of(both(5))
    mine = (tables.curves["name"] == "landscape/loss_high") & (tables.curves["step"] == 100)
    plain = [run["run"][-HASH:] for run in both(5)[:5]]
    bad = tables.curves["value"].mask(mine & tables.curves["run"].isin(plain[:2]), math.nan)
    options = {"grid": "cnn", "window": 1}

    def shown(value):
        data = data_of(figure, Tables(tables.runs, tables.curves.assign(value=value)), **options)
        return data[(data["panel"] == "a") & (data["norm"] == "none")].set_index("step")

    left = tables.curves[mine & tables.curves["run"].isin(plain)]["value"].to_numpy().copy()
    left[:2] = math.inf
    assert shown(bad).loc[100, "high"] == pytest.approx(np.median(left), rel=1e-8) and shown(bad).loc[100, "n"] == 5
    worse = tables.curves["value"].mask(mine & tables.curves["run"].isin(plain[:4]), math.inf)
    assert shown(worse).index.tolist() == [step for step in STEPS if step != 100]


def test_a_diverged_run_is_marked_where_it_ended_and_medians_go_on():
    runs = both(3)
    runs[1] = a_run("none", 1, diverged_at=120)
    tables = tables_of(runs)
    data = data_of(figure, tables, **OPTIONS)
    (end,) = data[(data["panel"] == "a") & (data["series"] == "diverged")].to_dict("records")
    own = (tables.curves["run"] == runs[1]["run"][-HASH:]) & (tables.curves["name"] == "landscape/loss_high")
    assert (end["step"], end["value"]) == (120, pytest.approx(tables.curves.loc[own, "value"].iloc[-1], rel=1e-8))
    band = data[(data["panel"] == "a") & (data["norm"] == "none") & (data["series"] == "band")].set_index("step")
    assert (band.loc[100, "n"], band.loc[150, "n"]) == (3, 2)
    _, panels = drawn(tables)
    assert all(len(crosses(axes)) == 1 for axes in panels.values())
    assert "✕" in caption_of(figure, tables, **OPTIONS) and "1 of 6 runs diverged" in caption_of(
        figure, tables, **OPTIONS
    )


def test_two_runs_one_arm_and_none_at_all(tmp_path):
    _, panels = drawn(tables_of(both(1)))
    assert len(panels["c"].lines) == 2
    _, panels = drawn(tables_of(both(1)[:1]))
    assert len(panels["c"].lines) == 1
    tables = tables_of(both(1))
    for runs in (tables.runs, tables.runs.iloc[:0], pd.DataFrame(columns=["run", "grids"])):
        nothing = Tables(runs, tables.curves.iloc[:0])
        picture, panels = drawn(nothing)
        _style.save(picture, tmp_path, "nothing")
        assert [axes.texts[0].get_text() for axes in panels.values()] == ["no landscape"] * 6 and not picture.legends
        assert data_of(figure, nothing, **OPTIONS).empty and caption_of(figure, nothing, **OPTIONS)


def test_the_same_tables_give_the_same_bytes(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _style.save(drawn(tables_of(both()))[0], tmp_path / name, "landscape")
        found.append([(tmp_path / name / f"landscape.{kind}").read_bytes() for kind in ("svg", "png")])
    assert found[0] == found[1]
