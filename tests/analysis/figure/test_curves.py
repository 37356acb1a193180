"""The figure `curves`: what it draws of a sweep, by its artists and its numbers."""

import math

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of, share_interval
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from bn_study.analysis.arms import by_settings
from bn_study.analysis.figure import _style
from bn_study.analysis.figure import curves as figure
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import HASH
from bn_study.plan import parts

STEPS = [0, 10, 14, 19, 25, 34, 47, 64, 87, 119, 162, 220, 300]
OPTIONS = {"grid": "sweep", "metric": "test/accuracy"}
LOSS = OPTIONS | {"metric": "test/loss"}


def a_run(number, norm="none", rate=0.1, seed=0, diverged_at=None, **settings):
    placed = {"norm.placement": "before", "norm.momentum": 0.9} if norm != "none" else {}
    return {
        "run": f"{norm}-mlp-digits-s{seed}-{number:010x}", "grids": "sweep", "seed": seed,
        "status": "complete" if diverged_at is None else "diverged", "diverged_at": diverged_at, "classes": 10,
        "dataset": "digits", "dataset.binarize": None, "model": "mlp", "model.widths": "[8,6]", "norm": norm,
        "optimizer": "sgd", "optimizer.learning_rate": rate, "batch_size": 60, "steps": 300,
        "final(metric=test/accuracy)": number / 7,
    } | placed | settings  # fmt: skip


def sweep(norms=("none", "batch"), rates=(0.1,), seeds=2, diverge=lambda norm, rate, seed: None, **settings):
    cells = [(norm, rate, seed) for norm in norms for rate in rates for seed in range(seeds)]
    return [a_run(at, *cell, diverged_at=diverge(*cell), **settings) for at, cell in enumerate(cells)]


def tables_of(runs, steps=STEPS, accuracy=True):
    rows = []
    for at, run in enumerate(runs):
        for step in steps:
            if step <= (run["diverged_at"] or run["steps"]):
                level = 0.9 - 0.8 * math.exp(-step * run["optimizer.learning_rate"] / 10) + 0.003 * at
                pair = [("test/accuracy", level)] * accuracy + [("test/loss", 3 * (1 - level) ** 2)]
                rows += [(run["run"][-HASH:], step, name, "", None, value) for name, value in pair]
    return Tables(pd.DataFrame(runs), pd.DataFrame(rows, columns=["run", "step", "name", "site", "unit", "value"]))


def drawn(tables, tmp_path, **options):
    picture = drawn_of(figure, tables, **(OPTIONS | options))
    _style.save(picture, tmp_path, "accuracy")
    (axes,) = picture.axes
    return picture, axes


def lines(axes):
    return [line for line in axes.lines if line.get_marker() != "x" or len(line.get_xdata()) > 1]


def crosses(axes):
    return [line for line in axes.lines if line.get_linestyle() == "None"]


def legend(picture):
    return [text.get_text() for box in picture.legends for text in box.get_texts()]


def looks(axes):
    return [(to_hex(line.get_color()), line.get_linestyle(), line.get_marker()) for line in lines(axes)]


def test_it_is_a_part_of_an_experiment():
    assert parts.checked("figure", "curves", OPTIONS).args == OPTIONS
    british = parts.checked("figure", "curves", OPTIONS | {"colour": "norm"})
    assert british.args == OPTIONS | {"color": "norm"}
    runs = sweep()
    wanted = curves_of(figure, pd.DataFrame([*runs, a_run(99, grids="other")]), **OPTIONS)
    assert set(wanted) == {run["run"] for run in runs}
    assert {(one.name, one.site, one.unit) for (one,) in wanted.values()} == {("test/accuracy", "", None)}


def test_several_grids_are_one_sweep(tmp_path):
    parts.checked("figure", "curves", OPTIONS | {"grid": ["plain", "norms"]})
    plain, batch, other = sweep(norms=("none", "batch", "layer"), seeds=1)
    runs = [plain | {"grids": "plain norms"}, batch | {"grids": "norms"}, other | {"grids": "other"}]
    tables = tables_of(runs)
    data = data_of(figure, tables, **OPTIONS | {"grid": ["plain", "norms"]})
    assert data["arm"].unique().tolist() == ["norm=none", "norm=batch"] and (data["n"] == 1).all()
    assert set(curves_of(figure, tables.runs, **OPTIONS | {"grid": ["plain", "norms"]})) == {plain["run"], batch["run"]}
    picture, _ = drawn(tables, tmp_path, grid=["plain", "norms"])
    assert legend(picture) == ["norm=none", "norm=batch"]


def test_the_numbers_are_means_with_the_intervals_of_shares(tmp_path):
    tables = tables_of(sweep(seeds=3))
    data = data_of(figure, tables, **OPTIONS)
    assert set(data["series"]) == {"mean"} and data["arm"].unique().tolist() == ["norm=none", "norm=batch"]
    for norm in ("none", "batch"):
        hashes = {run[-HASH:] for run in tables.runs.loc[tables.runs["norm"] == norm, "run"]}
        own = tables.curves[tables.curves["run"].isin(hashes) & (tables.curves["name"] == "test/accuracy")]
        values = own.pivot(index="step", columns="run", values="value")
        found = data[data["arm"] == f"norm={norm}"]
        np.testing.assert_allclose(found["value"], values.mean(axis=1))
        np.testing.assert_allclose(found[["low", "high"]], [share_interval(one) for one in values.to_numpy()])
        assert (found["n"] == 3).all() and found["step"].tolist() == STEPS
    _, axes = drawn(tables, tmp_path)
    for line, norm in zip(lines(axes), ("none", "batch"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), data.loc[data["arm"] == f"norm={norm}", "value"])
    assert len(axes.collections) == 2 and axes.get_ylabel() == "test accuracy"


def test_normalizers_have_their_own_colors_where_nothing_else_varies(tmp_path):
    picture, axes = drawn(tables_of(sweep()), tmp_path)
    assert looks(axes) == [("#000000", "--", "o"), ("#0072b2", "-", "o")]
    assert legend(picture) == ["norm=none", "norm=batch"]


def test_the_color_stands_for_the_other_settings(tmp_path):
    picture, axes = drawn(tables_of(sweep(rates=(0.03, 0.3))), tmp_path)
    assert looks(axes) == [(color, dashes, "o") for dashes in ("--", "-") for color in ("#0072b2", "#d55e00")]
    arms = [f"norm={norm} optimizer.learning_rate={rate}" for norm in ("none", "batch") for rate in ("0.03", "0.3")]
    assert legend(picture) == arms


def test_several_normalizers_never_look_the_same(tmp_path):
    _, axes = drawn(tables_of(sweep(norms=("none", "batch", "layer"), rates=(0.03, 0.3, 1))), tmp_path)
    assert len(set(looks(axes))) == 9
    _, axes = drawn(tables_of(sweep(norms=("none", "batch", "layer", "dyt"))), tmp_path)
    assert len({color for color, *_ in looks(axes)}) == 4
    _, axes = drawn(tables_of(sweep(rates=np.geomspace(0.01, 1, 15))), tmp_path)
    assert len(set(looks(axes))) == 30


def test_arms_are_named_by_what_varies_and_nothing_else():
    def labels(*runs):
        return [arm.label for arm in by_settings(pd.DataFrame(runs))]

    placed = {"norm.placement": "after"}
    assert labels(a_run(0), a_run(1, "batch"), a_run(2, "batch", **placed)) == [
        "norm=none", "norm=batch norm.placement=after", "norm=batch norm.placement=before",
    ]  # fmt: skip
    assert labels(a_run(0), a_run(1, **{"dataset.binarize": 0.5})) == ["dataset.binarize=null", "dataset.binarize=0.5"]
    assert labels(a_run(0), a_run(1, rate=0.001, optimizer="adam")) == ["optimizer=adam", "optimizer=sgd"]
    assert labels(a_run(0), a_run(1, seed=5)) == [""]
    assert labels(a_run(0), a_run(1, **{"model.widths": "[8]"})) == ["model.widths=[8,6]", "model.widths=[8]"]
    assert labels(a_run(0, rate=1e6), a_run(1, rate=0.3)) == [
        "optimizer.learning_rate=0.3", "optimizer.learning_rate=1000000",
    ]  # fmt: skip


@pytest.mark.parametrize("rates", [2, 6, 12])
def test_the_legend_is_below_the_axes_and_inside_the_picture(tmp_path, rates):
    runs = sweep(rates=np.geomspace(0.01, 1, rates).round(4), diverge=lambda *cell: 50, **{"model.dropout": 0.5})
    picture, axes = drawn(tables_of(runs), tmp_path)
    with _style.style():
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        renderer = canvas.get_renderer()
        (box,) = (one.get_window_extent(renderer) for one in picture.legends)
        assert not box.overlaps(axes.get_tightbbox(renderer))
        assert picture.bbox.x0 <= box.x0 and box.x1 <= picture.bbox.x1 and picture.bbox.y0 <= box.y0
        assert axes.get_window_extent(renderer).height / picture.dpi > 1.9  # the legend does not squeeze it
        texts = [text.get_window_extent(renderer) for text in picture.legends[0].get_texts()]
        assert not any(one.overlaps(other) for at, one in enumerate(texts) for other in texts[:at])
    assert len(legend(picture)) == 2 * rates


def test_log_spaced_points_have_a_log_axis_with_room_for_step_0(tmp_path):
    tables = tables_of(sweep())
    _, axes = drawn(tables, tmp_path)
    assert axes.get_xscale() == "symlog" and axes.get_xlim() == (0, 300)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "10", "100", "300"]
    first, second, last = axes.transData.transform([(0, 0.5), (10, 0.5), (300, 0.5)])[:, 0]
    assert 0.1 < (second - first) / (last - first) < 0.35
    assert "logarithmic from step 10" in caption_of(figure, tables, **OPTIONS)
    even = tables_of(sweep(), steps=range(0, 301, 20))
    _, axes = drawn(even, tmp_path)
    assert axes.get_xscale() == "linear" and "logarithmic" not in caption_of(figure, even, **OPTIONS)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["60", "120", "180", "240", "300"]


def test_diverged_runs_are_marked_and_counted(tmp_path):
    tables = tables_of(sweep(diverge=lambda norm, rate, seed: 40 if (norm, seed) == ("none", 1) else None))
    data = data_of(figure, tables, **OPTIONS)
    (lost,) = data[data["series"] == "diverged"].to_dict("records")
    own = tables.curves[(tables.curves["run"] == lost["run"][-HASH:]) & (tables.curves["name"] == "test/accuracy")]
    assert lost["step"] == 40 and lost["value"] == pytest.approx(own["value"].iloc[-1], rel=1e-8)
    means = data[(data["arm"] == "norm=none") & (data["series"] == "mean")].set_index("step")
    assert means.loc[34, "n"] == 2 and means.loc[47, "n"] == 1 and math.isnan(means.loc[47, "low"])
    picture, axes = drawn(tables, tmp_path)
    (cross,) = crosses(axes)
    assert (cross.get_xdata()[0], cross.get_ydata()[0]) == (40, lost["value"])
    assert to_hex(cross.get_color()) == "#000000"
    assert legend(picture) == ["norm=none (✕ 1 of 2)", "norm=batch"]
    assert "1 of 4 runs diverged" in caption_of(figure, tables, **OPTIONS)


def test_what_a_diverged_run_recorded_does_not_set_the_scale_of_a_loss(tmp_path):
    runs = sweep(diverge=lambda norm, rate, seed: 40 if (norm, seed) == ("none", 1) else None)
    tables = tables_of(runs)
    lost = (tables.curves["run"] == runs[1]["run"][-HASH:]) & (tables.curves["name"] == "test/loss")
    tables.curves.loc[lost & (tables.curves["step"] == 25), "value"] = 1e30
    tables.curves.loc[lost & (tables.curves["step"] == 34), "value"] = math.inf
    _, axes = drawn(tables, tmp_path, **LOSS)
    assert axes.get_ylim()[1] < 5 and crosses(axes)[0].get_ydata()[0] == axes.get_ylim()[1]
    data = data_of(figure, tables, **LOSS)
    assert np.isfinite(data["value"]).all()


def test_a_loss_over_decades_has_a_log_axis(tmp_path):
    _, axes = drawn(tables_of(sweep(rates=(0.5,)), steps=STEPS), tmp_path, **LOSS)
    assert axes.get_yscale() == "log" and axes.get_ylabel() == "test loss"
    low, high = axes.get_ylim()
    for band in axes.collections:
        heights = band.get_paths()[0].vertices[:, 1]
        assert low <= heights.min() and heights.max() <= high
    _, axes = drawn(tables_of(sweep(rates=(0.001,)), steps=STEPS), tmp_path, **LOSS)
    assert axes.get_yscale() == "linear"


def test_one_run_is_a_line_without_band_and_legend(tmp_path):
    tables = tables_of([a_run(0)])
    picture, axes = drawn(tables, tmp_path)
    assert looks(axes) == [("#000000", "--", "o")] and legend(picture) == []
    assert data_of(figure, tables, **OPTIONS)["low"].isna().all() and "1 seed;" in caption_of(figure, tables, **OPTIONS)


def test_a_run_of_no_steps_is_a_point(tmp_path):
    _, axes = drawn(tables_of([a_run(0, steps=0)]), tmp_path)
    assert lines(axes)[0].get_xdata().tolist() == [0] and lines(axes)[0].get_marker() == "o"


def test_all_runs_diverged(tmp_path):
    tables = tables_of(sweep(diverge=lambda *cell: 3))
    picture, axes = drawn(tables, tmp_path)
    assert len(crosses(axes)) == 4 and legend(picture) == ["norm=none (✕ 2 of 2)", "norm=batch (✕ 2 of 2)"]
    assert [line.get_xdata().tolist() for line in lines(axes)] == [[0], [0]]
    nothing = Tables(tables.runs, tables.curves.iloc[:0])
    picture, axes = drawn(nothing, tmp_path)
    assert {line.get_ydata()[0] for line in crosses(axes)} == {0} and len(axes.get_yticks()) == 0
    assert len(crosses(axes)) == 4 and len(legend(picture)) == 2
    assert axes.texts[0].get_text() == "no run recorded test/accuracy"
    assert "4 of 4 runs diverged" in caption_of(figure, nothing, **OPTIONS)


def test_a_metric_that_was_never_recorded_and_no_runs_at_all(tmp_path):
    tables = tables_of(sweep(), accuracy=False)
    picture, axes = drawn(tables, tmp_path)
    assert [text.get_text() for text in axes.texts] == ["no run recorded test/accuracy"] and legend(picture) == []
    assert data_of(figure, tables, **OPTIONS).empty
    assert caption_of(figure, tables, **OPTIONS).startswith("No run recorded test/accuracy.")
    for runs in (tables.runs.iloc[:0], pd.DataFrame(columns=["run", "grids"]), tables.runs.assign(grids="other")):
        nothing = Tables(runs, tables.curves.iloc[:0])
        _, axes = drawn(nothing, tmp_path)
        assert axes.texts[0].get_text() == "no run is there yet" and curves_of(figure, runs, **OPTIONS) == {}
        assert "No run is there" in caption_of(figure, nothing, **OPTIONS)


def test_an_arm_that_did_not_record_the_metric_is_not_in_the_legend(tmp_path):
    tables = tables_of([*sweep(), a_run(90, dataset="toy_regression")])
    other = (tables.curves["run"] == f"{90:010x}") & (tables.curves["name"] == "test/accuracy")
    picture, _ = drawn(Tables(tables.runs, tables.curves[~other]), tmp_path)
    assert legend(picture) == ["norm=none dataset=digits", "norm=batch dataset=digits"]


def test_the_same_tables_give_the_same_bytes(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        drawn(tables_of(sweep(rates=(0.03, 0.3), seeds=3)), tmp_path / name)
        found.append([(tmp_path / name / f"accuracy.{kind}").read_bytes() for kind in ("svg", "png")])
    assert found[0] == found[1]


def test_the_last_step_is_not_drawn_where_it_is_of_the_whole_split():
    """Drawn as one curve with what fixed examples gave before, it would look as if training had changed something."""
    full = {"probe.curves.full": '["reestimated"]'}
    few, all_of_it = ({"dataset.test": 360, "probe.curves.images": images} | full for images in (250, 360))
    for metric, settings, last in (
        ("test/accuracy", {}, 300), ("test/accuracy", full, 220), ("test/loss", full, 220),
        ("test/accuracy_batch", full, 300), ("train/accuracy", full, 300),
        ("test/accuracy", few, 220), ("test/accuracy", all_of_it, 300),
    ):  # fmt: skip
        tables = tables_of(sweep(norms=("batch",), **settings))
        tables.curves["name"] = tables.curves["name"].replace({"test/accuracy": metric})
        options = OPTIONS | {"metric": metric}
        found = data_of(figure, tables, **options)
        assert found["step"].max() == last, (metric, settings)
        assert ("whole split" in caption_of(figure, tables, **options)) == (last < 300)
    short = tables_of(sweep(norms=("batch",), **full), steps=[0, 300])
    assert data_of(figure, short, **OPTIONS)["step"].max() == 300  # a line needs two points
