import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from figures import caption_of, curves_of, data_of, drawn_of, share_interval
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from bn_study.analysis.csv_files import read_csv, write_csv
from bn_study.analysis.figure import _style
from bn_study.analysis.figure import ioffe_szegedy_1 as figure
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import HASH
from bn_study.plan import parts

DRIFT = "path_length(end=10000,quantiles=[15,50,85],relative=false,site=layer3/pre,start=500)"
FINAL = {"none": 0.93, "batch": 0.98}
SCALE = {"none": 1.6, "batch": 1.0}


def a_run(norm, seed, grids="figure1", steps=1000, diverged_at=None, **settings):
    return {
        "run": f"{norm}-mlp-digits-s{seed}-{'ab'[norm == 'batch']}{seed:09d}",
        "grids": grids,
        "seed": seed,
        "status": "complete" if diverged_at is None else "diverged",
        "diverged_at": diverged_at,
        "classes": 10,
        "commit": "1234567890",
        "dataset": "digits",
        "norm": norm,
        "model": "mlp",
        "model.widths": "[100,100,100]",
        "model.activation": "sigmoid",
        "optimizer.learning_rate": 0.1,
        "batch_size": 60,
        "steps": steps,
        DRIFT: math.nan if diverged_at is not None else (8.0 if norm == "none" else 4.0) * 2 ** (seed / 4),
    } | settings


def its_curves(run, typical):
    """Points every 50 steps until the run ends; the percentiles only of the run that is shown."""
    end = run["steps"] if run["diverged_at"] is None else run["diverged_at"]
    steps = np.arange(0, end + 1, 50)
    final = FINAL[run["norm"]] + 0.002 * run["seed"]
    series = [("test/accuracy", "", None, final - 0.2 * np.exp(-steps / 300))]
    if typical:
        for quantile, sign in ((15, -1), (50, 0), (85, 1)):
            wave = sign + 0.3 * np.sin(steps / 90)
            series.append((f"activation/unit_q{quantile}", "layer3/pre", 41, SCALE[run["norm"]] * wave))
    for name, site, unit, values in series:
        for step, value in zip(steps, values, strict=True):
            yield {"run": run["run"][-HASH:], "step": step, "name": name, "site": site, "unit": unit, "value": value}


def tables_of(runs):
    first = {norm: min(run["seed"] for run in runs if run["norm"] == norm) for norm in {run["norm"] for run in runs}}
    rows = [row for run in runs for row in its_curves(run, run["seed"] == first[run["norm"]])]
    return Tables(pd.DataFrame(runs), pd.DataFrame(rows, columns=["run", "step", "name", "site", "unit", "value"]))


def both(seeds, **changes):
    return [a_run(norm, seed, **changes) for norm in ("none", "batch") for seed in range(seeds)]


def drawn(tables, tmp_path):
    picture = drawn_of(figure, tables, grid="figure1")
    assert [path.name for path in _style.save(picture, tmp_path, "figure1")] == ["figure1.svg", "figure1.png"]
    return picture, picture.axes


def lines(axes):
    return [line for line in axes.lines if len(line.get_xdata()) > 1]


def crosses(axes):
    return [line for line in axes.lines if line.get_marker() == "x"]


def texts(axes):
    return " ".join(text.get_text() for text in axes.texts)


def test_it_is_a_part_of_an_experiment():
    assert "ioffe_szegedy_1" in parts.names("figure")
    assert not any(name.startswith("_") for name in parts.names("figure"))
    assert parts.checked("figure", "ioffe_szegedy_1", {"grid": "figure1"}).args == {"grid": "figure1"}


def test_the_numbers_are_those_of_the_tables():
    tables = tables_of(both(8))
    data = data_of(figure, tables, grid="figure1")
    for norm in ("none", "batch"):
        found = data[(data["series"] == "accuracy") & (data["norm"] == norm)].set_index("step")
        hashes = {run[-HASH:] for run in tables.runs.loc[tables.runs["norm"] == norm, "run"]}
        curves = tables.curves[tables.curves["run"].isin(hashes) & (tables.curves["name"] == "test/accuracy")]
        values = curves.pivot(index="step", columns="run", values="value")
        np.testing.assert_allclose(found["value"], values.mean(axis=1))
        np.testing.assert_allclose(found[["low", "high"]], [share_interval(one) for one in values.to_numpy()])
        assert (found["n"] == 8).all()
        shown = data[(data["series"] == "p85") & (data["norm"] == norm)]
        wanted = tables.curves[tables.curves["run"].isin(hashes) & (tables.curves["name"] == "activation/unit_q85")]
        np.testing.assert_allclose(shown["value"], wanted["value"], rtol=1e-8)
        assert (shown["unit"] == 41).all() and shown["run"].str.contains("-s0-").all()
        drift = data[(data["series"] == "path_length") & (data["norm"] == norm)].iloc[0]
        assert drift["value"] == pytest.approx(tables.runs.loc[tables.runs["norm"] == norm, DRIFT].mean())
        assert drift["low"] < drift["value"] < drift["high"] and drift["n"] == 8
    assert data.loc[data["series"] == "ratio", "value"].tolist() == pytest.approx([2.0])


def test_the_picture_shows_them(tmp_path):
    tables = tables_of(both(8, steps=50000))
    data = data_of(figure, tables, grid="figure1")
    picture, (left, plain, normalized) = drawn(tables, tmp_path)
    assert picture.get_size_inches().tolist() == [6.75, 2.2]
    for line, norm, color, dashes in zip(
        lines(left), ("none", "batch"), ("#000000", "#0072b2"), ("--", "-"), strict=True
    ):
        assert (to_hex(line.get_color()), line.get_linestyle()) == (color, dashes)
        wanted = data[(data["series"] == "accuracy") & (data["norm"] == norm)]
        np.testing.assert_array_equal(line.get_ydata(), wanted["value"])
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["Without BN", "With BN"]
    assert left.get_ylim() == (0.7, 1.0)
    assert [text.get_text() for text in left.get_xticklabels()] == ["10K", "20K", "30K", "40K", "50K"]
    for axes, panel in ((plain, "b"), (normalized, "c")):
        for line, quantile in zip(lines(axes), (15, 50, 85), strict=True):
            wanted = data[(data["panel"] == panel) & (data["series"] == f"p{quantile}")]
            np.testing.assert_array_equal(line.get_ydata(), wanted["value"])
        assert axes.get_ylim() == (-2.7, 2.7) and axes.get_xlim() == left.get_xlim()
        for other in (axes.get_xticklabels(), axes.get_yticklabels()):
            assert any(text.get_text() and text.get_visible() for text in other)
        assert axes.get_xlabel().startswith("training steps\n") and axes.get_ylabel() == "input of one sigmoid"
    assert texts(plain) == "drift 15.9" and texts(normalized) == "drift 7.93, plain/BN 2"
    assert "Without BN" in plain.get_xlabel() and "With BN" in normalized.get_xlabel()


def test_nothing_is_clipped_and_no_texts_overlap(tmp_path):
    picture, (left, plain, normalized) = drawn(tables_of(both(3, steps=50000)), tmp_path)
    with _style.style():
        canvas = FigureCanvasAgg(picture)
        canvas.draw()
        renderer = canvas.get_renderer()
        labels = [label for axes in (left, plain, normalized) for label in (axes.xaxis.label, axes.yaxis.label)]
        ticks = [tick for axes in picture.axes for tick in axes.get_xticklabels()]
        for axes in picture.axes:  # a locator also makes ticks beyond the axis, which are not drawn
            low, high = axes.get_ylim()
            ticks += [tick for tick in axes.get_yticklabels() if low <= tick.get_position()[1] <= high]
        texts = [one for one in (*labels, *ticks) if one.get_text() and one.get_visible()]
        boxes = [one.get_window_extent(renderer) for one in texts]
        assert all(picture.bbox.x0 <= box.x0 and box.x1 <= picture.bbox.x1 for box in boxes)
        assert all(picture.bbox.y0 <= box.y0 and box.y1 <= picture.bbox.y1 for box in boxes)
        assert not any(one.overlaps(other) for index, one in enumerate(boxes) for other in boxes[:index])
        assert min(one.get_fontsize() for one in texts) >= 7


def test_two_runs_have_no_band(tmp_path):
    tables = tables_of(both(1))
    data = data_of(figure, tables, grid="figure1")
    assert data.loc[data["series"] == "accuracy", ["low", "high"]].isna().all(axis=None)
    _, (left, *others) = drawn(tables, tmp_path)
    assert len(lines(left)) == 2 and [len(lines(axes)) for axes in others] == [3, 3]
    assert "1 seed;" in caption_of(figure, tables, grid="figure1")


def test_a_diverged_run_is_marked_where_it_ends(tmp_path):
    tables = tables_of([a_run("none", 0, diverged_at=220), a_run("batch", 0)])
    _, (left, plain, normalized) = drawn(tables, tmp_path)
    last = tables.curves[(tables.curves["run"] == tables.runs["run"][0][-HASH:]) & (tables.curves["step"] == 200)]
    (cross,) = crosses(left)
    assert cross.get_xdata()[0] == 220 and to_hex(cross.get_color()) == "#000000"
    assert cross.get_ydata()[0] == pytest.approx(last.loc[last["name"] == "test/accuracy", "value"].iloc[0])
    assert len(crosses(plain)) == 1 and not crosses(normalized)
    assert texts(plain) == "" and texts(normalized) == "drift 4"
    text = caption_of(figure, tables, grid="figure1")
    assert "1 of 2 runs diverged" in text and "✕" in text


def test_values_of_a_diverged_run_do_not_set_the_scale(tmp_path):
    tables = tables_of([a_run("none", 0, diverged_at=220), a_run("batch", 0)])
    rows = tables.curves["name"].str.startswith("activation") & (tables.curves["run"] == tables.runs["run"][0][-HASH:])
    tables.curves.loc[rows & (tables.curves["step"] == 150), "value"] = 1e30
    tables.curves.loc[rows & (tables.curves["step"] == 200), "value"] = math.inf
    _, (_, plain, _) = drawn(tables, tmp_path)
    assert plain.get_ylim() == (-2.7, 2.7) and crosses(plain)[0].get_ydata()[0] == 2.7


def test_a_run_that_diverged_before_it_was_measured(tmp_path):
    tables = tables_of([a_run("none", 0, diverged_at=5), a_run("batch", 0)])
    tables = Tables(tables.runs, tables.curves[tables.curves["run"] == tables.runs["run"][1][-HASH:]])
    _, (left, plain, _) = drawn(tables, tmp_path)
    assert (crosses(left)[0].get_xdata()[0], crosses(left)[0].get_ydata()[0]) == (5, 0.7)
    assert texts(plain) == "no percentiles"


@pytest.mark.parametrize("left_out", ["none", "batch"])
def test_an_arm_may_be_missing(tmp_path, left_out):
    tables = tables_of([run for run in both(2) if run["norm"] != left_out])
    _, (left, *others) = drawn(tables, tmp_path)
    assert len(lines(left)) == 1 and sorted(len(lines(axes)) for axes in others) == [0, 3]
    assert "ratio" not in set(data_of(figure, tables, grid="figure1")["series"])
    assert "2 seeds" in caption_of(figure, tables, grid="figure1")


def test_runs_without_curves_and_no_runs_at_all(tmp_path):
    tables = tables_of(both(2))
    empty = Tables(tables.runs, tables.curves.iloc[:0])
    _, axes = drawn(empty, tmp_path)
    assert "no accuracy" in texts(axes[0]) and "no percentiles" in texts(axes[1])
    for runs in (tables.runs.iloc[:0], tables.runs.assign(grids="speed"), pd.DataFrame(columns=["run", "grids"])):
        nothing = Tables(runs, tables.curves.iloc[:0])
        drawn(nothing, tmp_path)
        assert data_of(figure, nothing, grid="figure1").empty and curves_of(figure, runs, grid="figure1") == {}
        assert "No run" in caption_of(figure, nothing, grid="figure1")


def test_a_regression_has_no_accuracy(tmp_path):
    tables = tables_of(both(2))
    only = Tables(tables.runs, tables.curves[tables.curves["name"] != "test/accuracy"])
    _, (left, plain, _) = drawn(only, tmp_path)
    assert texts(left) == "no accuracy" and len(lines(plain)) == 3


def test_limits_widen_where_the_data_do_not_fit(tmp_path, monkeypatch):
    monkeypatch.setitem(FINAL, "none", 0.33)
    monkeypatch.setitem(SCALE, "none", 9.0)
    _, (left, plain, normalized) = drawn(tables_of(both(2)), tmp_path)
    assert left.get_ylim() == (0.1, 1.0)
    assert plain.get_ylim() == normalized.get_ylim() and plain.get_ylim()[1] > 9.0


def test_where_another_setting_varies_its_first_value_is_shown():
    others = [run | {"run": run["run"] + "1", "optimizer.learning_rate": 0.3} for run in both(2)]
    tables = tables_of([*both(2), *others])
    assert set(curves_of(figure, tables.runs, grid="figure1")) == {run["run"] for run in both(2)}
    assert "optimizer.learning_rate=0.1" in caption_of(figure, tables, grid="figure1")
    placed = [run | {"norm.placement": "before"} for run in both(2) if run["norm"] == "batch"]
    placed += [run | {"run": run["run"] + "1", "norm.placement": "after"} for run in placed]
    plain = [run for run in both(2) if run["norm"] == "none"]
    unset = [run | {"run": run["run"] + "2", "norm.placement": None} for run in placed[:2]]
    assert len(curves_of(figure, pd.DataFrame([*plain, *placed, *unset]), grid="figure1")) == 4


def test_the_curves_it_asks_for_are_few():
    wanted = curves_of(figure, tables_of(both(8)).runs, grid="figure1")
    assert len(wanted) == 16
    assert sorted(len(curves) for curves in wanted.values()) == [1] * 14 + [4] * 2
    typical = [curve for run, curves in wanted.items() if "-s0-" in run for curve in curves if curve.unit]
    assert {(curve.name, curve.site) for curve in typical} == {
        (f"activation/unit_q{one}", "layer3/pre") for one in (15, 50, 85)
    }
    without = tables_of(both(8, model="of another study")).runs
    assert {len(curves) for curves in curves_of(figure, without, grid="figure1").values()} == {1}


def test_captions_say_what_a_data_set_is_not():
    tables = tables_of(both(8, dataset="cifar10_jpeg"))
    text = caption_of(figure, tables, grid="figure1")
    for words in ("not CIFAR-10", "8 seeds", "1,000 steps", "learning rate 0.1", "batch size 60", "None of 16 runs"):
        assert words in text
    assert "Without BN unit 41 of seed 0, With BN unit 41 of seed 0" in text and "from step 500 to 1,000" in text


def test_no_settings_of_matplotlib_change():
    before = dict(rcParams)
    drawn_of(figure, tables_of(both(2)), grid="figure1")
    assert dict(rcParams) == before


AGAIN = """
import sys, pathlib
from bn_study.analysis.figure import _style, ioffe_szegedy_1
from bn_study.analysis.shown import Tables
from bn_study.analysis.csv_files import read_csv, write_csv
folder, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
tables = Tables(read_csv(folder / "runs.csv"), read_csv(folder / "curves.csv"))
drawing = ioffe_szegedy_1.Drawing(grid="figure1")
data = drawing.data(tables)
_style.save(drawing.draw(data, tables), target, "figure1")
write_csv(data, target / "figure1.csv")
(target / "figure1.txt").write_text(drawing.caption(data, tables))
print([name for name in ("tensorflow", "keras", "hydra", "matplotlib.pyplot") if name in sys.modules])
"""


def test_the_same_tables_give_the_same_bytes_in_another_process(tmp_path):
    tables = tables_of(both(3))
    write_csv(tables.runs, tmp_path / "runs.csv")
    write_csv(tables.curves, tmp_path / "curves.csv")
    found = []
    for seed in ("1", "2"):
        target = tmp_path / seed
        target.mkdir()
        answer = subprocess.run(
            [sys.executable, "-c", AGAIN, str(tmp_path), str(target)],
            env={"PYTHONHASHSEED": seed, "PATH": "", "MPLCONFIGDIR": str(tmp_path / "matplotlib")},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(answer.stdout.replace("'", '"')) == []
        found.append({path.name: path.read_bytes() for path in sorted(target.iterdir())})
    assert found[0] == found[1] and len(found[0]) == 4
    assert str(tmp_path).encode() not in b"".join(found[0].values())
    again = Tables(read_csv(tmp_path / "runs.csv"), read_csv(tmp_path / "curves.csv"))
    _style.save(drawn_of(figure, again, grid="figure1"), tmp_path, "figure1")
    assert (tmp_path / "figure1.svg").read_bytes() == found[0]["figure1.svg"]
    assert (tmp_path / "figure1.png").read_bytes() == found[0]["figure1.png"]
