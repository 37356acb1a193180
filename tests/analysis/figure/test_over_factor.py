"""The figure `over_factor`: what it draws of runs, by its artists and its numbers."""

import math

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of, share_interval
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from bn_study.analysis.figure import _style
from bn_study.analysis.figure import over_factor as figure
from bn_study.analysis.shown import Tables
from bn_study.plan import parts

RATES = (0.01, 0.1, 1)
OPTIONS = {
    "grids": ["sweep"],
    "beside": None,
    "factor": "optimizer.learning_rate",
    "metrics": ["test/accuracy"],
    "descending": False,
    "usable": None,
}
TWO = OPTIONS | {"metrics": ["test/accuracy", "test/accuracy_moving"]}


def a_run(number, norm="none", rate=0.1, seed=0, lost=False, grid="sweep", **settings):
    placed = {"norm.placement": "before", "norm.momentum": 0.9} if norm != "none" else {}
    accuracy = math.nan if lost else 0.5 + 0.1 * (norm != "none") - 0.05 * math.log10(rate) ** 2 + 0.01 * seed**2
    return {
        "run": f"{norm}-mlp-digits-s{seed}-{number:010x}", "grids": grid, "seed": seed,
        "status": "diverged" if lost else "complete", "diverged_at": 7 if lost else None, "classes": 10,
        "dataset": "digits", "dataset.binarize": None, "model": "mlp", "model.widths": "[8,6]", "norm": norm,
        "optimizer": "sgd", "optimizer.learning_rate": rate, "batch_size": 60, "steps": 300,
        "final(metric=test/accuracy)": accuracy, "final(metric=test/accuracy_moving)": accuracy - 0.1,
    } | placed | settings  # fmt: skip


def sweep(norms=("none", "batch"), rates=RATES, seeds=3, lose=lambda norm, rate, seed: False, **settings):
    cells = [(norm, rate, seed) for norm in norms for rate in rates for seed in range(seeds)]
    return [a_run(at, *cell, lost=lose(*cell), **settings) for at, cell in enumerate(cells)]


def tables_of(runs):
    return Tables(pd.DataFrame(runs), pd.DataFrame(columns=["run", "step", "name", "site", "unit", "value"]))


def drawn(runs, tmp_path, **options):
    picture = drawn_of(figure, tables_of(runs), **(OPTIONS | options))
    _style.save(picture, tmp_path, "accuracies")
    return picture


def lines(axes):
    """Lines that join means, without whiskers, levels, chance and crosses."""
    return [line for line in axes.lines if line.get_marker() in _style.MARKERS[:4] and line.get_linestyle() != "None"]


def crosses(axes):
    return [line for line in axes.lines if line.get_marker() == "x"]


def legend(picture):
    return [text.get_text() for box in picture.legends for text in box.get_texts()]


def ticks(axes):
    return [text.get_text() for text in axes.get_xticklabels()]


def test_it_is_a_part_of_an_experiment():
    assert parts.checked("figure", "over_factor", OPTIONS).args == OPTIONS
    runs = [*sweep(), a_run(99, grid="other"), a_run(98, grid="third")]
    wanted = curves_of(figure, pd.DataFrame(runs), **(OPTIONS | {"beside": ["other"]}))
    assert set(wanted) == {run["run"] for run in runs[:-1]} and not any(wanted.values())


def test_the_numbers_are_means_with_the_intervals_of_shares(tmp_path):
    runs = sweep()
    data = data_of(figure, tables_of(runs), **OPTIONS)
    means = data[data["series"] == "mean"]
    assert len(means) == 6 and (means["n"] == 3).all() and (means["lost"] == 0).all()
    for row in means.to_dict("records"):
        values = [
            run["final(metric=test/accuracy)"]
            for run in runs
            if (f"norm={run['norm']}", run["optimizer.learning_rate"]) == (row["arm"], row["place"])
        ]
        assert row["value"] == pytest.approx(np.mean(values))
        np.testing.assert_allclose([row["low"], row["high"]], share_interval(values))
    picture = drawn(runs, tmp_path)
    for line, arm in zip(lines(picture.axes[0]), ("norm=none", "norm=batch"), strict=True):
        np.testing.assert_allclose(line.get_ydata(), means.loc[means["arm"] == arm, "value"])
    whiskers = [path.vertices[:, 1] for bars in picture.axes[0].collections for path in bars.get_paths()]
    np.testing.assert_allclose(whiskers, means[["low", "high"]])


def test_runs_of_a_seed_count_once():
    runs = [run | {"batch_size": size} for size in (30, 60) for run in sweep()]
    data = data_of(figure, tables_of(runs), **OPTIONS, by=["norm"])
    assert set(data.loc[data["series"] == "mean", "n"]) == {3}


@pytest.mark.parametrize("arms", [3, 12, 30])
def test_many_arms_that_lost_runs_leave_half_of_the_panel_to_the_lines(arms, tmp_path):
    runs = [
        run | {"run": f"{run['run']}{arm}", "steps": 100 + arm} for arm in range(arms)
        for run in sweep(("batch",), lose=lambda norm, rate, seed: rate == 1 and seed == 0)
    ]  # fmt: skip
    (axes,) = drawn(runs, tmp_path, by=["steps"]).axes
    low, high = axes.get_ylim()
    drawn_values = np.concatenate([line.get_ydata() for line in lines(axes)])
    assert low < high and low + (high - low) / 3 < drawn_values.min() and drawn_values.max() < high
    lost = [line for line in crosses(axes) if line.get_linestyle() == "None"]
    assert len(lost) == arms and all(low < line.get_ydata()[0] < high for line in lost)


def test_normalizers_have_their_own_colors(tmp_path):
    picture = drawn(sweep(), tmp_path)
    looks = [(to_hex(line.get_color()), line.get_linestyle()) for line in lines(picture.axes[0])]
    assert looks == [("#000000", "--"), ("#0072b2", "-")] and legend(picture) == ["norm=none", "norm=batch"]


def test_what_else_varies_makes_arms_but_not_what_goes_with_a_normalizer(tmp_path):
    widths = [*sweep(("none",)), *(run | {"run": f"{run['run']}x", "model.widths": "[8]"} for run in sweep(("none",)))]
    assert legend(drawn(widths, tmp_path)) == ["model.widths=[8,6]", "model.widths=[8]"]
    tuned = [run | {"optimizer.momentum": 0.5 if run["norm"] == "none" else 0.9} for run in sweep()]
    assert legend(drawn(tuned, tmp_path)) == ["norm=none", "norm=batch"]
    text = caption_of(figure, tables_of(tuned), **OPTIONS)
    assert "sweep: norm=none optimizer.momentum=0.5, norm=batch optimizer.momentum=0.9" in text


def test_several_metrics_of_one_arm_are_told_apart_by_color(tmp_path):
    picture = drawn(sweep(("batch",)), tmp_path, **TWO)
    (axes,) = picture.axes
    assert len({to_hex(line.get_color()) for line in lines(axes)}) == 2
    assert legend(picture) == ["test/accuracy", "test/accuracy_moving"] and axes.get_ylabel() == "test accuracy"
    text = caption_of(figure, tables_of(sweep(("batch",))), **TWO)
    assert "test/accuracy: statistics re-estimated on training data; test/accuracy_moving: moving averages" in text


def test_several_metrics_of_several_arms_never_look_the_same(tmp_path):
    picture = drawn(sweep(), tmp_path, **TWO)
    looks = {(to_hex(line.get_color()), line.get_linestyle()) for line in lines(picture.axes[0])}
    assert len(looks) == 4 and len(legend(picture)) == 4
    heights = [line.get_xdata()[0] for line in lines(picture.axes[0])]
    assert len(set(heights)) == 4  # so that no whisker hides another


def test_a_factor_over_decades_is_on_a_log_axis(tmp_path):
    (axes,) = drawn(sweep(rates=(0.001, 0.01, 1)), tmp_path).axes
    assert ticks(axes) == ["0.001", "0.01", "1"]
    first, second, third = axes.get_xticks()
    assert third - second == pytest.approx(2 * (second - first))
    (axes,) = drawn(sweep(rates=(0.1, 0.2, 0.5)), tmp_path).axes
    first, second, third = axes.get_xticks()
    assert third - second == pytest.approx(3 * (second - first))
    (axes,) = drawn(sweep(rates=np.geomspace(1e-3, 10, 9).round(5).tolist()), tmp_path).axes
    assert ticks(axes) == ["0.001", "0.01", "0.1", "1", "10"] and len(axes.get_xticks(minor=True)) == 4


def test_group_sizes_descend_and_names_are_listed(tmp_path):
    runs = [run | {"norm.group_size": size} for size in (2, 8, 32) for run in sweep(("ghost_batch",), (0.1,))]
    runs = [run | {"run": f"x-{at:010x}"} for at, run in enumerate(runs)]
    options = {"factor": "norm.group_size", "descending": True}
    (axes,) = drawn(runs, tmp_path, **options).axes
    assert axes.xaxis_inverted() and ticks(axes) == ["2", "8", "32"] and axes.get_xlabel() == "norm.group_size"
    (axes,) = drawn(sweep(), tmp_path, factor="norm").axes
    assert ticks(axes) == ["batch", "none"]


def test_arms_without_the_factor_are_levels(tmp_path):
    runs = [run | {"norm.group_size": size} for size in (2, 8) for run in sweep(("ghost_batch",), (0.1,))]
    runs += sweep(("batch",), (0.1,), grid="whole")
    runs = [run | {"run": f"x-{at:010x}"} for at, run in enumerate(runs)]
    options = OPTIONS | {"factor": "norm.group_size", "beside": ["whole"]}
    data = data_of(figure, tables_of(runs), **options)
    level = data[(data["arm"] == "norm=batch") & (data["series"] == "mean")]
    assert level["place"].isna().all() and level["n"].tolist() == [3]
    picture = drawn(runs, tmp_path, **options)
    (line,) = [one for one in picture.axes[0].lines if list(one.get_xdata()) == [0, 1] and one.get_color() == "#0072B2"]
    assert line.get_ydata()[0] == level["value"].iloc[0] and legend(picture) == ["norm=batch", "norm=ghost_batch"]
    assert "arms without norm.group_size" in caption_of(figure, tables_of(runs), **options)


def test_diverged_runs_are_counted_below_and_do_not_count_in_means(tmp_path):
    runs = sweep(lose=lambda norm, rate, seed: norm == "none" and (rate == 1 or (rate == 0.1 and seed == 0)))
    data = data_of(figure, tables_of(runs), **OPTIONS)
    means = data[(data["arm"] == "norm=none") & (data["series"] == "mean")].set_index("place")
    assert (
        means["n"].tolist() == [3, 2, 0] and means["lost"].tolist() == [0, 1, 3] and math.isnan(means.loc[1, "value"])
    )
    picture = drawn(runs, tmp_path)
    (axes,) = picture.axes
    assert [text.get_text() for text in axes.texts] == ["1", "3"]
    assert {to_hex(cross.get_color()) for cross in crosses(axes)} == {"#000000"}
    lowest = min(np.nanmin(line.get_ydata()) for line in lines(axes))
    assert all(axes.get_ylim()[0] < cross.get_ydata()[0] < lowest for cross in crosses(axes))
    assert "✕: runs that diverged" in caption_of(figure, tables_of(runs), **OPTIONS)


def test_chance_is_a_thin_line_where_the_axis_reaches_it(tmp_path):
    def chance(runs):
        (axes,) = drawn(runs, tmp_path).axes
        return [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ":"]

    assert chance(sweep(rates=(0.001, 1, 1000))) == [0.1] and chance(sweep()) == []


def test_a_panel_for_each_grid(tmp_path):
    runs = [
        *sweep(),
        *(run | {"run": f"{run['run'][:-1]}f", "seed": run["seed"] + 9, "grids": "two"} for run in sweep()),
    ]
    names = ["sweep", "two", "absent", "sweep"]
    picture = drawn(runs, tmp_path, grids=names)
    shown = [axes for axes in picture.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == [
        "sweep (digits, 3 seeds)", "two (digits, 3 seeds)", "absent", "sweep (digits, 3 seeds)",
    ]  # fmt: skip
    assert "no run" in shown[2].texts[0].get_text() and len(shown) == 4


@pytest.mark.parametrize(
    "runs",
    [
        sweep(("none",), (0.1,), 1),
        sweep(("none", "batch"), (0.1,), 1),
        sweep(lose=lambda *cell: True),
        [a_run(0, lost=True), a_run(1, "batch")],
    ],
)
def test_few_runs_and_none_that_finished(tmp_path, runs):
    picture = drawn(runs, tmp_path)
    assert len(picture.axes) == 1 and caption_of(figure, tables_of(runs), **OPTIONS)
    assert len(crosses(picture.axes[0])) == len(
        {(run["norm"], run["optimizer.learning_rate"]) for run in runs if run["status"] == "diverged"}
    )


def test_no_runs_and_a_metric_that_no_run_was_asked_for(tmp_path):
    for runs in (pd.DataFrame(sweep()).iloc[:0], pd.DataFrame(columns=["run", "grids"])):
        tables = Tables(runs, pd.DataFrame())
        _style.save(drawn_of(figure, tables, **OPTIONS), tmp_path, "accuracies")
        assert data_of(figure, tables, **OPTIONS).empty and "No run is there" in caption_of(figure, tables, **OPTIONS)
    other = OPTIONS | {"metrics": ["test/accuracy", "test/accuracy_batch"]}
    data = data_of(figure, tables_of(sweep()), **other)
    assert set(data.loc[data["series"] == "mean", "metric"]) == {"test/accuracy"}
    drawn(sweep(), tmp_path, **other)


def test_the_legend_is_below_the_axes_and_inside_the_picture(tmp_path):
    runs = sweep(("none", "batch", "layer"), rates=np.geomspace(1e-3, 31.6, 10).round(4).tolist())
    metrics = ["test/accuracy", "test/accuracy_moving"]
    picture = drawn(runs, tmp_path, grids=["sweep"] * 3, metrics=metrics)
    with _style.style():
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        renderer = canvas.get_renderer()
        (box,) = (one.get_window_extent(renderer) for one in picture.legends)
        assert picture.bbox.x0 <= box.x0 and box.x1 <= picture.bbox.x1 and picture.bbox.y0 <= box.y0
        for axes in picture.axes:
            assert not box.overlaps(axes.get_tightbbox(renderer))
            assert axes.get_window_extent(renderer).height / picture.dpi > 1.0
            labels = [one.get_window_extent(renderer) for one in axes.get_xticklabels()]
            assert not any(one.overlaps(other) for at, one in enumerate(labels) for other in labels[:at])


def test_the_same_tables_give_the_same_bytes(tmp_path):
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        drawn(sweep(), tmp_path / name)
        found.append([(tmp_path / name / f"accuracies.{kind}").read_bytes() for kind in ("svg", "png")])
    assert found[0] == found[1]


def test_the_largest_usable_value_is_dashed(tmp_path):
    """By hand: with accuracies 0.5 - 0.05 log10(rate)^2 + ..., 1 is best and 0.01 is 0.2 below it."""
    data = data_of(figure, tables_of(sweep()), **(OPTIONS | {"usable": 0.9}))
    usable = data[data["series"] == "usable"].set_index("arm")
    means = data[data["series"] == "mean"].set_index(["arm", "place"])["value"]
    for arm in ("norm=none", "norm=batch"):
        best = max(means[arm, rate] for rate in RATES)
        assert usable.loc[arm, "place"] == max(rate for rate in RATES if means[arm, rate] >= 0.9 * best)
    reversed_runs = [run | {"optimizer.learning_rate": 0.01 / run["optimizer.learning_rate"]} for run in sweep()]
    far = data_of(figure, tables_of(reversed_runs), **(OPTIONS | {"usable": 0.9}))
    assert (far.loc[far["series"] == "usable", "place"] < 1).all()
    axes = drawn(sweep(), tmp_path, usable=0.9).axes[0]
    vertical = [line for line in axes.lines if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 1]
    assert len(vertical) == 2 and {line.get_linestyle() for line in vertical} == {"--"}
