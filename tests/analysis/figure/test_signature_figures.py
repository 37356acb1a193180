"""Figures after a paper's: their numbers against pandas on the tables that they come from, and what is on the axes."""

import math

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of, share_interval
from scipy import stats

from bn_study.analysis.figure import (
    _style,
    activations,
    batch_size,
    bjorck_1,
    curves,
    fitted_curve,
    ioffe_szegedy_2,
    layer_histograms,
    over_layers,
    placement,
)
from bn_study.analysis.shown import Tables, select

CURVES = ["run", "step", "name", "site", "unit", "value"]
LAYERS = {
    "grids": ["deep"], "panels": None, "records": ["gradient/delta"], "site": "linear", "step": 0, "power": 2.0,
    "growth": 1.5, "growth_of": "norm=batch",
}  # fmt: skip
HISTOGRAMS = {"grid": "deep", "step": None}
SIZES = {"grids": ["ghost", "renorm", "group"], "metrics": ["test/accuracy"]}
CASES = [
    (activations, {"grid": "deep", "site": "pre", "panels": "norm"}),
    (over_layers, LAYERS),
    (bjorck_1, {"grids": ["deep"]}),
    (ioffe_szegedy_2, {"grids": ["deep"]}),
    (layer_histograms, HISTOGRAMS),
    (fitted_curve, {"grids": ["deep"]}),
    (batch_size, SIZES),
    (placement, {"grids": ["deep"], "metrics": ["test/accuracy"]}),
]
NAMES = [module.__name__.rpartition(".")[2] for module, _ in CASES]


def a_run(number, norm="none", seed=0, grid="deep", rate=0.1, lost=False, **settings):
    accuracy = math.nan if lost else 0.5 + 0.01 * seed + 0.1 * (norm != "none")
    return {
        "run": f"{norm}-mlp-x-s{seed}-{number:010x}", "grids": grid, "seed": seed,
        "status": "diverged" if lost else "complete", "diverged_at": 7 if lost else None, "classes": 10,
        "dataset": "digits", "dataset.binarize": None, "model": "mlp", "model.widths": "[8,6]",
        "model.activation": "tanh", "norm": norm, "norm.placement": None if norm == "none" else "before",
        "norm.group_size": None, "optimizer.learning_rate": rate, "optimizer.decay_at": "[]", "batch_size": 60,
        "steps": 100, "probe.curves.full": '["reestimated"]', "probe.histograms.input_range": "[-2,2]",
        "probe.histograms.linear_range": "[-4,4]", "probe.histograms.post_range": "[-1,1]",
        "final(metric=test/accuracy)": accuracy,
    } | settings  # fmt: skip


def recorded(run, seed_shift=0.0):
    """A little of whatever these figures draw."""
    digits, shift = run["run"][-10:], seed_shift + run["seed"]
    rows = []
    for layer in (1, 2):
        rows += [(0, "gradient/delta", f"layer{layer}/linear", None, 10.0**-layer * (1 + shift))]
        rows += [(100, "saturation/share", f"layer{layer}/post", None, 0.1 * layer)]
        rows += [(0, f"activation/q{one}", f"layer{layer}/pre", None, one / 50 - 1) for one in activations.QUANTILES]
    rows += [(100, "histograms/counts", site, unit, unit + 1.0) for site in SITES for unit in range(4)]
    rows += [(100, "histograms/outside", site, None, 0.25) for site in SITES]
    for place, one in enumerate(("input", "target", "output")):
        rows += [(100, f"predictions/{one}", "", unit, unit + 0.1 * place) for unit in range(5)]
    if run["status"] == "complete":
        steps = (0, 50, 90, 100)
    else:
        steps = (0,)
    for step in steps:
        accuracy = 0.1 + step / 200 * (1 if run["norm"] == "none" else 1.5) + 0.01 * run["seed"]
        rows += [(step, f"{split}/accuracy", "", None, accuracy) for split in ("train", "test")]
        rows += [(step, "test/loss", "", None, 100.0 - step / 2 + shift)]
    return [(digits, *row) for row in rows]


SITES = ["input", *(f"layer{layer}/{kind}" for layer in (1, 2) for kind in ("linear", "post"))]


def tables_of(runs):
    rows = [row for run in runs for row in recorded(run)]
    curves = pd.DataFrame(rows, columns=CURVES).astype({"value": float})
    return Tables(pd.DataFrame(runs) if runs else pd.DataFrame(columns=list(a_run(0))), curves)


def sweep(seeds=3, **lost):
    cells = [(norm, seed) for norm in ("none", "batch") for seed in range(seeds)]
    return [a_run(at, norm, seed, lost=lost.get(norm) == seed) for at, (norm, seed) in enumerate(cells)]


def t_interval(values):
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return np.mean(values) - half, np.mean(values) + half


@pytest.mark.parametrize(("figure", "options"), CASES, ids=NAMES)
@pytest.mark.parametrize("runs", [[], [a_run(1)], sweep(1), sweep(3, none=1)], ids=["no run", "one", "two", "diverged"])
def test_it_can_be_drawn_of_little(figure, options, runs, tmp_path):
    content = tables_of(runs)
    assert set(curves_of(figure, content.runs, **options)) <= {run["run"] for run in runs}
    numbers = data_of(figure, content, **options)
    paths = _style.save(drawn_of(figure, content, **options), tmp_path, "figure")
    assert all(path.stat().st_size > 1000 for path in paths)
    assert caption_of(figure, content, **options)
    assert tuple(numbers.columns) == figure.COLUMNS and (runs or numbers.empty)
    if any(run["status"] == "diverged" for run in runs) and "run" in numbers and figure is not layer_histograms:
        assert (numbers["series"] == "diverged").any()


def test_layers_have_the_mean_of_logarithms(tmp_path):
    runs = sweep()
    data = data_of(over_layers, tables_of(runs), **LAYERS)
    for norm in ("none", "batch"):
        for layer in (1, 2):
            values = [2 * math.log10(10.0**-layer * (1 + run["seed"])) for run in runs if run["norm"] == norm]
            row = data[(data["norm"] == norm) & (data["layer"] == layer) & (data["series"] == "mean")].iloc[0]
            assert (row["value"], row["low"], row["high"]) == pytest.approx((np.mean(values), *t_interval(values)))
    theory = data[data["series"] == "theory"].set_index("layer")["value"]
    assert theory[1] - theory[2] == pytest.approx(math.log10(1.5))
    axes = drawn_of(over_layers, tables_of(runs), **LAYERS).axes[0]
    assert {line.get_linestyle() for line in axes.lines} == {"-", "--"}
    quantity = "squared norm of the loss gradient by Wx+b"
    assert axes.get_ylabel().replace("\n", " ") == f"log₁₀ of the {quantity}"
    assert caption_of(over_layers, tables_of(runs), **LAYERS).startswith(quantity.replace("s", "S", 1))


def test_each_net_has_a_row_of_panels_and_a_layer_one_axis():
    """Bands of two nets in one panel would hide each other."""
    tables = tables_of(sweep())
    options = {"grid": "deep", "site": "pre"}
    data = data_of(activations, tables, **options)
    figure = drawn_of(activations, tables, **options)
    titles = [part.get_suptitle() for part in figure.subfigs]
    assert titles == list(dict.fromkeys(data["arm"])) == ["norm=none", "norm=batch"]
    for part, norm in zip(figure.subfigs, ("none", "batch"), strict=True):
        assert [axes.get_title() for axes in part.axes] == ["layer1/pre", "layer2/pre"]
        for layer, axes in enumerate(part.axes, 1):
            own = data[(data["norm"] == norm) & (data["layer"] == layer)].set_index("series")
            (median,) = axes.lines
            assert list(median.get_ydata()) == [own.loc["q50", "value"]] and len(axes.collections) == 2
    above, below = ([axes.get_ylim() for axes in part.axes] for part in figure.subfigs)
    assert above == below


def test_a_net_that_diverged_does_not_set_the_axis_of_others():
    tables = tables_of(sweep(3, none=1))
    curves = tables.curves
    lost = curves["run"].isin(run["run"][-10:] for run in sweep() if run["norm"] == "none")
    curves.loc[lost & curves["name"].str.startswith("activation"), "value"] *= 1e6
    figure = drawn_of(activations, Tables(tables.runs, curves), grid="deep", site="pre")
    assert all(axes.get_ylim()[1] < 2 for axes in figure.axes)


def test_what_is_zero_or_not_finite_has_no_logarithm():
    content = tables_of(sweep())
    content.curves.loc[content.curves["name"] == "gradient/delta", "value"] = [0.0, math.nan] + [1.0] * 10
    data = data_of(over_layers, content, **LAYERS)
    assert sorted(data.loc[data["series"] == "mean", "n"]) == [2, 2, 3, 3]


def test_learning_rates_against_the_share_of_training():
    runs = sweep()
    data = data_of(bjorck_1, tables_of(runs), grids=["deep"])
    own = data[(data["panel"] == "test/accuracy") & (data["norm"] == "batch")]
    assert own["share"].tolist() == [0, 50, 90]  # the last point is of other images
    values = [100 * (0.1 + 0.5 / 2 * 1.5 + 0.01 * seed) for seed in range(3)]
    row = own[own["share"] == 50].iloc[0]
    assert (row["value"], row["deviation"], row["n"]) == pytest.approx((np.mean(values), np.std(values, ddof=1), 3))


def test_steps_to_match_the_plain_net():
    runs = [*sweep(), *(a_run(20 + seed, "batch", seed, rate=0.5) for seed in range(3))]
    data = data_of(ioffe_szegedy_2, tables_of(runs), grids=["deep"])
    assert list(dict.fromkeys(data["arm"])) == ["Plain", "BN ×1", "BN ×5"]
    best = 0.1 + 90 / 200 + 0.01  # of the plain net's means on the way
    matches = data[data["series"] == "match"].set_index("arm")
    assert matches["value"].to_numpy() == pytest.approx(best)
    assert matches["step"].to_dict() == {"Plain": 90, "BN ×1": 90, "BN ×5": 90}
    content = tables_of(runs)
    plain = content.curves["run"].isin([run["run"][-10:] for run in runs if run["norm"] == "none"])
    content.curves.loc[plain & (content.curves["name"] == "test/accuracy"), "value"] += 0.5
    far = data_of(ioffe_szegedy_2, content, grids=["deep"])
    assert far[(far["series"] == "match") & (far["arm"] == "BN ×1")]["step"].isna().all()
    assert "BN ×1: does not match it" in caption_of(ioffe_szegedy_2, content, grids=["deep"])


def test_many_arms_take_looks_in_turn():
    rates = [0.1 * 1.5**number for number in range(9)]
    runs = [
        a_run(30 * (norm == "batch") + at, norm, 0, rate=rate)
        for norm in ("none", "batch")
        for at, rate in enumerate(rates)
    ]
    assert len(drawn_of(ioffe_szegedy_2, tables_of(runs), grids=["deep"]).axes[0].lines) >= 18


def test_histograms_are_of_the_first_seed_and_shares_of_all():
    runs = sweep()
    content = tables_of(runs)
    data = data_of(layer_histograms, content, **HISTOGRAMS)
    counts = data[(data["norm"] == "none") & (data["kind"] == "post") & (data["layer"] == 2)]
    bars = counts[counts["series"] == "count"]
    assert bars["value"].tolist() == [1, 2, 3, 4] and bars["low"].tolist() == [-1, -0.5, 0, 0.5]
    shares = counts.set_index("series")[["value", "n"]]
    assert shares.loc["saturated"].tolist() == pytest.approx([0.2, 3])
    assert shares.loc["outside"].tolist() == pytest.approx([0.25, 1])
    wanted = curves_of(layer_histograms, content.runs, **HISTOGRAMS)
    drawn = {run for run, curves in wanted.items() if any(curve.name == "histograms/counts" for curve in curves)}
    assert drawn == {run["run"] for run in runs if run["seed"] == 0} and len(wanted) == 6
    assert len(drawn_of(layer_histograms, content, **HISTOGRAMS).axes) == 4 * 3


def test_a_fit_is_drawn_over_the_data():
    data = data_of(fitted_curve, tables_of(sweep()), grids=["deep"])
    own = data[data["norm"] == "batch"]
    outputs = own[own["series"] == "output"]
    assert outputs["input"].tolist() == [0, 1, 2, 3, 4] and outputs["value"].tolist() == pytest.approx(
        [0.2, 1.2, 2.2, 3.2, 4.2]
    )
    error = own[(own["series"] == "error") & (own["step"] == 50)].iloc[0]
    assert (error["value"], error["low"], error["high"]) == pytest.approx((76, *t_interval([75, 76, 77])))


def sizes():
    accuracies = {"test/accuracy_batch": -0.1, "test/accuracy_moving": -0.05, "train/accuracy_batch": 0.2}
    runs = []
    for grid, norm in (("ghost", "ghost_batch"), ("renorm", "batch_renorm")):
        for size in (2, 8):
            for seed in range(3):
                base = 0.4 + 0.02 * size + 0.01 * seed
                finals = {f"final(metric={name})": base + shift for name, shift in accuracies.items()}
                own = {"norm.group_size": size, "final(metric=test/accuracy)": base}
                runs.append(a_run(len(runs), norm, seed, grid, **own, **finals))
    return [*runs, *(a_run(50 + seed, "group", seed, "group") for seed in range(3))]


def test_errors_over_the_batch_size():
    data = data_of(batch_size, tables_of(sizes()), **SIZES)
    row = data[(data["line"] == "test, mini-batch statistics") & (data["size"] == 2)].iloc[0]
    values = [1 - (0.4 + 0.04 + 0.01 * seed - 0.1) for seed in range(3)]
    wanted = 100 * np.array([np.mean(values), *share_interval(values)])
    assert (row["value"], row["low"], row["high"], row["n"]) == pytest.approx((*wanted, 3))
    brackets = data.set_index("series")
    gap = brackets.loc["train/test inconsistency"]
    assert gap["high"] - gap["low"] == pytest.approx(10) and gap["size"] == 2
    assert brackets.loc["training noise", "high"] - brackets.loc["training noise", "low"] == pytest.approx(12)
    level = data[data["line"] == "Group norm"]
    assert level["size"].isna().all() and level["value"].tolist() == pytest.approx([100 * (1 - 0.61)])
    reference = data[data["series"] == "reference"].iloc[0]
    assert reference["size"] == 8 and reference["value"] == pytest.approx(100 * (1 - 0.4 - 0.16 - 0.01 + 0.05))
    left, right = drawn_of(batch_size, tables_of(sizes()), **SIZES).axes
    assert left.get_xlim()[0] > left.get_xlim()[1] and right.get_xlim()[0] > right.get_xlim()[1]


def test_placements_are_paired_by_seed():
    places = [("batch", "before", 0.02), ("batch", "after", 0.0), ("none", None, -0.4)]
    runs = [
        a_run(
            10 * at + seed, norm, seed, lost=norm == "batch" and place == "after" and seed == 2,
            **{"norm.placement": place, "final(metric=test/accuracy)": 0.9 + gain * (1 + seed) + 0.05 * seed},
        )
        for at, (norm, place, gain) in enumerate(places)
        for seed in range(3)
    ]  # fmt: skip
    lost = [run for run in runs if run["status"] == "diverged"]
    lost[0]["final(metric=test/accuracy)"] = math.nan
    options = {"grids": ["deep"], "metrics": ["test/accuracy"]}
    data = data_of(placement, tables_of(runs), **options)
    assert data["place"].dropna().tolist() == ["none", "before", "after"]
    difference = data[data["series"] == "difference"].iloc[0]
    assert (difference["value"], difference["n"]) == pytest.approx((np.mean([0.02, 0.04]), 2))
    assert data.loc[data["place"] == "after", "lost"].tolist() == [1]
    left = drawn_of(placement, tables_of(runs), **options).axes[0]
    assert any(text.get_text().startswith("←") for text in left.texts)  # the plain arm would dwarf the others
    assert "(1)" in " ".join(label.get_text() for label in left.get_yticklabels())
    assert "chance" not in caption_of(placement, tables_of(runs), **options)


def test_seeds_are_the_only_replicates():
    """Two learning rates that no line tells apart: runs of a seed are averaged first."""
    runs = [a_run(at, norm, seed, rate=rate) for at, (norm, seed, rate) in enumerate(
        (norm, seed, rate) for norm in ("none", "batch") for seed in range(3) for rate in (0.1, 1)
    )]  # fmt: skip
    tables, means = tables_of(runs), []
    means.append(data_of(over_layers, tables, **LAYERS, by=["norm"]))
    means.append(data_of(activations, tables, grid="deep", site="pre", by=["norm"]))
    means.append(data_of(curves, tables, grid="deep", metric="test/accuracy", by=["norm"]))
    means.append(data_of(placement, tables, grids=["deep"], metrics=["test/accuracy"]))
    for data in means:
        counts = data["n"].dropna()
        assert len(counts) and set(counts) == {3}


def test_a_band_has_a_gap_where_its_values_overflowed():
    tables = tables_of([a_run(1)])
    own = tables.curves
    later = own[own["name"].str.startswith("activation/")].assign(step=50)
    later.loc[later["name"].isin(["activation/q85", "activation/q95"]), "value"] = math.inf
    tables = Tables(tables.runs, pd.concat([own, later]))
    figure = drawn_of(activations, tables, grid="deep", site="pre")
    assert [list(axes.lines[0].get_xdata()) for axes in figure.axes] == [[0, 50]] * 2


def test_plain_runs_alone_have_no_place():
    """At first in a sweep; a table has no column for a setting that no run has."""
    runs = [a_run(seed, "none", seed, **{"final(metric=test/accuracy)": 0.9}) for seed in range(2)]
    for run in runs:
        run.pop("norm.placement")
    data = data_of(placement, tables_of(runs), grids=["deep"], metrics=["test/accuracy"])
    assert data["place"].tolist() == ["none"]


def test_an_arm_at_chance_is_said():
    """A sigmoid net that learns at no rate has one all the same: the first of equals on the grid."""
    runs = [
        a_run(10 * at + seed, norm, seed, rate=rate, **{"final(metric=test/accuracy)": accuracy + 0.01 * seed})
        for at, (norm, rate, accuracy) in enumerate([("none", 30.0, 0.09), ("batch", 1.0, 0.9)])
        for seed in range(3)
    ]
    caption = caption_of(placement, tables_of(runs), grids=["deep"], metrics=["test/accuracy"])
    assert "At chance" in caption and "tanh, without BN, lr=30 (0.1, with 10 classes). " in caption


def test_placements_can_be_drawn_where_every_normalized_run_diverged():
    runs = pd.DataFrame([a_run(0), a_run(1, "batch", lost=True), a_run(2, "batch", seed=1, lost=True)])
    drawn_of(placement, Tables(runs, pd.DataFrame(columns=CURVES)), grids=["deep"], metrics=["test/accuracy"])


def test_the_last_step_of_a_run_that_diverged_is_not_that_of_others():
    runs = pd.DataFrame([a_run(0), a_run(1, seed=1, lost=True)])
    rows = [(run[-10:], step, "gradient/delta", "layer1/linear", -1, value)
            for run, step, value in ((runs["run"][0], 100, 10.0), (runs["run"][1], 6, 1e5))]  # fmt: skip
    tables = Tables(runs, pd.DataFrame(rows, columns=CURVES))
    options = LAYERS | {"step": None, "power": 1.0, "growth": None, "growth_of": None}
    data = data_of(over_layers, tables, **options)
    assert list(data["value"]) == [pytest.approx(1.0)] and list(data["n"]) == [1]
    assert "Runs that diverged are left out." in caption_of(over_layers, tables, **options)


def test_no_arm_is_lost_where_a_setting_has_other_values_in_each():
    """As a rate that is tuned for each momentum, of which only the normalized arm has two."""
    cells = [("none", 0.1, 1), ("batch", 0.3, 2), ("batch", 1.0, 3)]
    runs = pd.DataFrame([a_run(at, norm, rate=rate) for norm, rate, at in cells])
    drawn, fixed = select(runs, "deep", ("none", "batch"))
    assert list(zip(drawn["norm"], drawn["optimizer.learning_rate"], strict=True)) == [("none", 0.1), ("batch", 0.3)]
    assert fixed == {"optimizer.learning_rate": "0.1 (norm=none), 0.3 (norm=batch)"}
    shared = pd.concat([runs, pd.DataFrame([a_run(4, "none", rate=1.0)])])
    drawn, fixed = select(shared, "deep", ("none", "batch"))
    assert set(drawn["optimizer.learning_rate"]) == {1.0} and fixed == {"optimizer.learning_rate": "1"}
