"""Ridge plots: densities against numpy and the histograms' own moments, and the accuracy beside them."""

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of, share_interval
from matplotlib.colors import to_hex
from scipy import stats

from bn_study.analysis.figure import _style
from bn_study.analysis.figure import ridges as figure
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import EVERY, HASH
from bn_study.plan import parts

SITES = ["layer1/pre", "layer2/pre"]
OPTIONS = {"grid": "cnn", "metric": "train/accuracy", "sites": SITES}
NORMS = ("none", "batch", "noisy_batch")
STEPS = [0, 100, 200, 300]


def a_run(norm, seed, grids="cnn", diverged_at=None, **settings):
    return {
        "run": f"{norm}-cnn-digits-s{seed}-{1000 * NORMS.index(norm) + seed:010x}", "grids": grids, "seed": seed,
        "status": "complete" if diverged_at is None else "diverged", "diverged_at": diverged_at, "classes": 10,
        "dataset": "digits", "model": "cnn", "norm": norm, "optimizer.learning_rate": 0.1, "batch_size": 64,
        "steps": 300,
    } | settings  # fmt: skip


def values(run, site, step):
    """Of a unit whose mean moves with the steps."""
    random = np.random.default_rng([run["seed"], step, SITES.index(site)])
    return random.normal(step / 100 * (1 + SITES.index(site)), 1, 500)


def tables_of(runs, shown=lambda run: run["seed"] == 0):
    rows = []
    for run in runs:
        for step in STEPS:
            if step > (run["diverged_at"] or run["steps"]):
                continue
            accuracy = 0.1 + step / 1000 + 0.01 * run["seed"]
            rows.append((run["run"][-HASH:], step, "train/accuracy", "", None, accuracy))
            for site in SITES if shown(run) else ():
                counts, edges = np.histogram(values(run, site, step), 40)
                for name, vector in (("unit/histogram", counts), ("unit/edges", edges)):
                    rows += [(run["run"][-HASH:], step, name, site, at, one) for at, one in enumerate(vector)]
    columns = ["run", "step", "name", "site", "unit", "value"]
    return Tables(pd.DataFrame(runs), pd.DataFrame(rows, columns=columns))


def all_of(seeds=2):
    return [a_run(norm, seed) for norm in NORMS for seed in range(seeds)]


def drawn(tables):
    picture = drawn_of(figure, tables, **OPTIONS)
    left, *panels = picture.axes
    return picture, left, np.reshape(panels, (len(SITES), len(NORMS)))


def test_it_is_a_part_of_an_experiment_and_asks_for_the_histograms_of_one_seed_an_arm():
    assert parts.checked("figure", "ridges", OPTIONS).args == OPTIONS
    wanted = curves_of(figure, pd.DataFrame([*all_of(3), a_run("none", 9, grids="mlp")]), **OPTIONS)
    assert set(wanted) == {run["run"] for run in all_of(3)}
    for run in all_of(3):
        vectors = {(one.name, one.site) for one in wanted[run["run"]] if one.unit == EVERY}
        whole = {(name, site) for name in ("unit/histogram", "unit/edges") for site in SITES}
        assert vectors == (whole if run["seed"] == 0 else set())
        assert [one.name for one in wanted[run["run"]] if one.unit is None] == ["train/accuracy"]


def test_a_histogram_of_normal_values_becomes_a_normal_density():
    axis = np.linspace(-4, 8, 300)
    counts, edges = np.histogram(np.random.default_rng(0).normal(2, 1.5, 200_000), 60)
    np.testing.assert_allclose(figure.density(counts, edges, axis), stats.norm.pdf(axis, 2, 1.5), atol=0.01)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 1.0, 1e6])
def test_a_density_has_area_1_and_the_mean_of_the_values_however_narrow(spread):
    given = 3 + spread * np.random.default_rng(0).gamma(2.0, 1.0, 1000)
    counts, edges = np.histogram(given, 40)
    reach = 8 * (edges[-1] - edges[0])
    axis = np.linspace(edges[0] - reach, edges[-1] + reach, 20_001)
    found = figure.density(counts, edges, axis)
    assert np.trapezoid(found, axis) == pytest.approx(1, abs=1e-3)
    assert np.trapezoid(found * axis, axis) == pytest.approx(given.mean(), abs=edges[1] - edges[0])


def test_densities_are_of_the_smallest_seed_on_an_axis_that_a_layer_shares():
    tables = tables_of(all_of(), shown=lambda run: True)
    data = data_of(figure, tables, **OPTIONS)
    densities = data[data["series"] == "density"]
    assert len(densities) == len(SITES) * len(NORMS) * len(STEPS) * figure.POINTS
    for site in SITES:
        own = densities[densities["site"] == site]
        axis = own.groupby(["norm", "step"])["x"].apply(tuple)
        assert axis.nunique() == 1
        pooled = np.concatenate([values(a_run(norm, 0), site, step) for norm in NORMS for step in STEPS])
        low, high = np.quantile(pooled, [0.01, 0.99])
        assert own["x"].min() < low and own["x"].max() > high and own["x"].max() - own["x"].min() < 1.5 * (high - low)
        for (norm, step), line in own.groupby(["norm", "step"]):
            assert set(line["run"]) == {a_run(norm, 0)["run"]}
            peak = line["x"].iloc[int(line["value"].to_numpy().argmax())]
            assert peak == pytest.approx(values(a_run(norm, 0), site, step).mean(), abs=0.7)


def test_the_accuracy_is_a_mean_with_its_interval():
    tables = tables_of(all_of(3))
    data = data_of(figure, tables, **OPTIONS)
    at = data[(data["series"] == "mean") & (data["norm"] == "batch") & (data["step"] == 200)].iloc[0]
    given = [0.3, 0.31, 0.32]
    assert at["value"] == pytest.approx(0.31) and at["n"] == 3
    np.testing.assert_allclose([at["low"], at["high"]], share_interval(given))
    _, left, _ = drawn(tables)
    looks = [(to_hex(line.get_color()), line.get_linestyle()) for line in left.lines]
    assert looks == [(figure.COLORS[norm].lower(), "--" if norm == "none" else "-") for norm in NORMS]
    for line, norm in zip(left.lines, NORMS, strict=True):
        means = data[(data["series"] == "mean") & (data["norm"] == norm)]
        np.testing.assert_array_equal(line.get_ydata(), means["value"])


def test_a_ridge_for_each_measuring_point_later_ones_higher_and_behind():
    tables = tables_of(all_of())
    data = data_of(figure, tables, **OPTIONS)
    _, _, panels = drawn(tables)
    for row, site in zip(panels, SITES, strict=True):
        assert len({axes.get_xlim() for axes in row}) == 1
        for axes, norm in zip(row, NORMS, strict=True):
            ridges = list(axes.collections)
            assert len(ridges) == len(STEPS)
            depths = [ridge.get_zorder() for ridge in ridges]
            assert depths == sorted(depths, reverse=True)
            own = data[(data["series"] == "density") & (data["norm"] == norm) & (data["site"] == site)]
            for place, (ridge, (_, line)) in enumerate(zip(ridges, own.groupby("step"), strict=True)):
                heights = ridge.get_paths()[0].vertices[:, 1]
                assert heights.min() == pytest.approx(place)
                shape = line["value"].to_numpy() / line["value"].max()
                assert heights.max() - place == pytest.approx(figure.HEIGHT)
                assert set(np.round(heights - place, 6)) == {0.0, *np.round(figure.HEIGHT * shape, 6)}
        assert [text.get_text() for text in row[0].get_yticklabels()] == ["0", "300"]


def test_a_diverged_run_is_marked_and_its_ridges_end():
    runs = all_of()
    runs[0] = a_run("none", 0, diverged_at=120)
    tables = tables_of(runs)
    _, left, panels = drawn(tables)
    (cross,) = [line for line in left.lines if line.get_marker() == "x"]
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (120, pytest.approx(0.2))
    assert [len(axes.collections) for axes in panels[0]] == [2, 4, 4]
    assert "✕" in caption_of(figure, tables, **OPTIONS)


def test_the_caption_names_the_run_shown():
    runs = [a_run(norm, seed) for norm in NORMS for seed in (3, 5)]
    text = caption_of(figure, tables_of(runs, shown=lambda run: run["seed"] == 3), **OPTIONS)
    assert "Standard seed 3, Standard + BatchNorm seed 3" in text and "98%" in text and "2 seeds" in text


def test_two_runs_and_none_at_all(tmp_path):
    _, _, panels = drawn(tables_of(all_of(1)[:2]))
    assert [axes.texts[0].get_text() for axes in panels[:, 2]] == ["no values"] * 2
    tables = tables_of(all_of(1))
    for runs in (tables.runs, tables.runs.iloc[:0], pd.DataFrame(columns=["run", "grids"])):
        nothing = Tables(runs, tables.curves.iloc[:0])
        picture, left, panels = drawn(nothing)
        _style.save(picture, tmp_path, "nothing")
        assert left.texts[0].get_text() == "no run recorded train/accuracy"
        assert {axes.texts[0].get_text() for axes in panels.flat} == {"no values"}
        assert data_of(figure, nothing, **OPTIONS).empty and caption_of(figure, nothing, **OPTIONS)


def test_the_same_tables_give_the_same_bytes(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _style.save(drawn(tables_of(all_of()))[0], tmp_path / name, "ridges")
        found.append([(tmp_path / name / f"ridges.{kind}").read_bytes() for kind in ("svg", "png")])
    assert found[0] == found[1]


def test_an_interval_does_not_take_the_axis_beyond_what_an_accuracy_can_be():
    tables = tables_of(all_of())
    apart = tables.curves["name"].eq("train/accuracy") & tables.curves["run"].str.endswith("1")
    wide = Tables(tables.runs, tables.curves.assign(value=tables.curves["value"].mask(apart, 0.9)))
    _, left, _ = drawn(wide)
    assert data_of(figure, wide, **OPTIONS)["high"].max() > 0.99 and left.get_ylim() == (0, 1)
