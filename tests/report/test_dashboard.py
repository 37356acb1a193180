"""An experiment's page, where an arm is the unit, in a real browser: see test_pages.py."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from bn_study.plan.compose import compose
from bn_study.report.web import content, distributions, pages

LOSS, ACCURACY = "final(metric=test/loss)", "final(metric=test/accuracy)"
ARMS = [("none", 0.1), ("none", 1.0), ("batch", 0.1), ("batch", 1.0), ("group", 1.0)]
SEEDS = 4
EXPLODING = ARMS.index(("group", 1.0))
STEPS = [0, 50, 100]
PHONE = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}


def accuracy(arm, seed, step):
    return {0: 0.1, 50: 0.5, 100: 0.95}[step] + 0.03 * (seed % 3 - 1) * (1 + arm) / 5 * (step > 0)


def loss(arm, seed, step):
    return (1e9 * step if arm == EXPLODING else 2 - step / 100 + 0.1 * arm) + 0.01 * seed


def found():
    """Five arms of three seeds and a selection run each. The arm norm=group explodes."""
    places = [(arm, seed) for arm in range(len(ARMS)) for seed in range(SEEDS)]
    names = [f"{ARMS[arm][0]}-s{seed}-{arm}{seed:09d}" for arm, seed in places]
    runs = pd.DataFrame(
        {
            "run": names, "grids": "all", "seed": [seed for _, seed in places], "status": "complete", "classes": 10,
            "diverged_at": None, "commit": "c", "dirty": False, "stated": "", "measured": "", "dataset": "x",
            "norm": [ARMS[arm][0] for arm, _ in places], "optimizer.learning_rate": [ARMS[arm][1] for arm, _ in places],
            ACCURACY: [accuracy(*one, 100) for one in places], LOSS: [loss(*one, 100) for one in places],
        }
    )  # fmt: skip
    sited = {f"activation/q{quantile}": lambda arm, seed, step, q=quantile: arm + q for quantile in (15, 50, 85)}
    series = {("test/accuracy", ""): accuracy, ("test/loss", ""): loss}
    series |= {(name, "layer1/pre"): value for name, value in sited.items()}
    records = pd.DataFrame(
        [
            (run, step, name, site, of(*place, step))
            for run, place in zip(names, places, strict=True)
            for (name, site), of in series.items()
            for step in STEPS
        ],
        columns=["run", "step", "name", "site", "value"],
    )
    vectors = pd.DataFrame(
        [
            (run, step, f"activation/{name}", "layer1/pre", unit, float(value))
            for run, (_, seed) in zip(names, places, strict=True)
            if seed == 0
            for step in STEPS
            for name, values in (("histogram", [3, 1]), ("edges", [0, 0.5, 2.5]))
            for unit, value in enumerate(values)
        ],
        columns=["run", "step", "name", "site", "unit", "value"],
    )
    own = content.of_runs(runs, records, vectors, {})
    return own | {
        "selection": [seed == SEEDS - 1 for _, seed in places],
        "shares": ["test/accuracy", ACCURACY],
        "quantiles": distributions.quantiles(runs, records),
        "claims": [{"name": "better", "outcome": "open", "runs": [0, 1, 2]}],
        "command": "bn-study run first",
    }


@pytest.fixture(scope="module")
def data():
    return found()


def rates(count, more=None):
    """Arms of a single seed each, by learning rate. more: other columns of the runs."""
    names = [f"none-s0-{at:010d}" for at in range(count)]
    runs = pd.DataFrame(
        {
            "run": names, "grids": "all", "seed": 0, "status": "complete", "norm": "none", "dataset": "x",
            "optimizer.learning_rate": [0.1 * (1 + at) for at in range(count)], **(more or {}),
            ACCURACY: [0.5 + 0.01 * at for at in range(count)],
        }
    )  # fmt: skip
    columns = ["run", "step", "name", "site", "value"]
    rows = [(run, step, "test/accuracy", "", 0.5 + 0.01 * at) for at, run in enumerate(names) for step in STEPS]
    vectors = pd.DataFrame(columns=["run", "step", "name", "site", "unit", "value"])
    own = content.of_runs(runs, pd.DataFrame(rows, columns=columns), vectors, {})
    return own | {"quantiles": {}, "claims": [], "command": "bn-study run first"}


@pytest.fixture(scope="module")
def write(make_study, tmp_path_factory):
    """Write a page of some data, and give its path."""
    place = make_study(tmp_path_factory.mktemp("dashboard") / "study", first="grids: {all: {seed: 0}}\n")
    experiment, _ = compose(place.home, "first", [])

    def write(data, name="page"):
        path = place.home / f"{name}.html"
        path.write_text(pages.experiment(experiment, {}, {}, [], data, None, []), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def path(data, write):
    return write(data)


def drawn(page, chart="curves-chart"):
    return {name: xy for name, xy in page.drawn(chart).items() if name}


def bands(page):
    """Lower and upper ends of the bands of the curves."""
    return page.run("document.getElementById('curves-chart').data.filter(one => !one.name).map(one => [...one.y])")


def address(page, *parts):
    """The page's address once it holds some text; it is written a moment after a choice."""
    WebDriverWait(page.browser, 10).until(lambda browser: all(part in browser.current_url for part in parts))
    return "#" + page.browser.current_url.partition("#")[2]


def label(arm):
    return "norm={} optimizer.learning_rate={:g}".format(*ARMS[arm])


@pytest.mark.slow
def test_an_arm_is_drawn_as_its_mean_and_interval(visit, path):
    page = visit(path)
    assert set(drawn(page)) == {f"{label(arm)} (3 seeds)" for arm in range(5)}  # the selection seed is left out
    assert "5 arms, 15 of 20 runs" in page.find("#count")[0].text and "5 selection runs" in page.find("#count")[0].text
    values = np.array([[accuracy(0, seed, step) for seed in range(3)] for step in STEPS])
    steps, means = drawn(page)[f"{label(0)} (3 seeds)"]
    assert steps == STEPS and means == pytest.approx(values.mean(axis=1))
    high = stats.t.ppf(0.975, 2) * stats.sem(values[2]) / (means[2] * (1 - means[2]))
    assert bands(page)[1][2] == pytest.approx(expit(logit(means[2]) + high), rel=1e-4)
    assert all(0 <= value <= 1 for band in bands(page) for value in band)
    page.choose("#metric", "test/loss")
    values = [loss(0, seed, 100) for seed in range(3)]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert [band[2] for band in bands(page)[:2]] == pytest.approx([low, high], rel=1e-4)
    top = page.run("document.getElementById('curves-chart').layout.yaxis.range[1]")
    assert top < 10 and f"Beyond the axis: {label(EXPLODING)} (as far as" in page.find("#curves-note")[0].text
    page.click("#cut")
    assert page.run("document.getElementById('curves-chart').layout.yaxis.autorange") is True
    page.click("#seeds")
    assert sum(name.startswith("none-s") for name in drawn(page)) == 6
    page.click("#selection")
    assert "20 of 20 runs" in page.find("#count")[0].text and f"{label(0)} (4 seeds)" in drawn(page)


def test_arms_are_grouped_styled_and_selected(visit, path):
    page = visit(path)
    page.click("#runs details:nth-of-type(1) summary")
    page.click('[data-group="optimizer.learning_rate"]')
    assert page.column("norm") == ["none", "batch", "group"]
    assert page.column("seeds") == ["3 (6 runs)", "3 (6 runs)", "3"]
    assert "norm=batch (6 runs, 3 seeds)" in drawn(page)
    own = np.mean([[accuracy(arm, seed, 100) for seed in range(3)] for arm in (2, 3)], axis=0)  # seeds are replicates
    half = stats.t.ppf(0.975, 2) * stats.sem(own) / (own.mean() * (1 - own.mean()))
    ends = expit(logit(own.mean()) + np.array([-half, half]))
    assert [band[2] for band in bands(page)[2:4]] == pytest.approx(ends, rel=1e-4)
    written = page.column(ACCURACY)[1].translate(str.maketrans("[],", "   ")).split()
    assert [float(one) for one in written] == pytest.approx([own.mean(), *ends], rel=1e-3)
    page.click('[data-group="optimizer.learning_rate"]')
    page.choose("#color", "norm")
    page.choose("#dash", "optimizer.learning_rate")
    page.choose("#facet", "optimizer.learning_rate")
    looks = page.run(
        "document.getElementById('curves-chart').data.filter(one => one.name).map(one => "
        "[one.line.color, one.line.dash, one.xaxis || 'x'])"
    )
    assert looks[0][0] == looks[1][0] != looks[2][0] and looks[0][1] == looks[2][1] != looks[1][1]
    assert [one[2] for one in looks] == ["x", "x2", "x", "x2", "x2"]
    page.choose('[data-filter="norm"]', "batch")
    page.click("#select-all")
    names = [label(2), label(3)]
    assert set(drawn(page)) == {f"{name} (3 seeds)" for name in names}
    page.choose('[data-filter="norm"]', "all")
    assert len(page.column("norm")) == 5 and set(drawn(page)) == {f"{name} (3 seeds)" for name in names}
    for chart in ("distributions-chart", "quantiles-chart"):
        assert set(drawn(page, chart)) == set(names)
    assert drawn(page, "quantiles-chart")[label(2)] == (STEPS, [52, 52, 52])
    dots = page.run("document.getElementById('scatter-chart').data.flatMap(one => [...one.y])")
    assert dots == pytest.approx([np.mean([accuracy(arm, seed, 100) for seed in range(3)]) for arm in (2, 3)], rel=1e-4)
    page.choose("#x", LOSS)
    assert page.run("document.getElementById('scatter-chart').data[0].x[0]") == pytest.approx(loss(2, 1, 100))
    lines = page.run("document.getElementById('parallel-chart').data.flatMap(one => [...one.y])")
    assert len(lines) == 2 * (4 + 1)  # two settings, two results and a gap for each arm
    page.click("#relations details summary")
    page.click(f'[data-axis="{LOSS}"]')
    assert len(page.run("document.getElementById('parallel-chart').layout.xaxis.ticktext")) == 3
    page.run("document.getElementById('parallel-chart').emit('plotly_click', {points: [{customdata: [0, 1, 2]}]})")
    assert f"{label(0)} (3 seeds)" in drawn(page) and page.find("#claims button")[0].text == "better: open"


@pytest.mark.slow
def test_a_view_is_in_the_address(visit, path):
    page = visit(path)
    page.find("#words")[0].send_keys("norm=group")
    page.choose("#metric", "test/loss")
    page.click("#logx")
    page.click("#runs details:nth-of-type(2) summary")
    page.click(f'[data-column="{ACCURACY}"]')
    page.click('[aria-label="move seeds earlier"]')
    page.select(label(EXPLODING))
    view = address(page, "words", "metric", "logx", "columns", "arms")
    wanted = ["norm", "seeds", "optimizer.learning_rate", "status", LOSS]
    columns = [one.get_attribute("data-sort") for one in page.find("#table thead button")]
    assert columns == wanted
    page.click("#default-columns")
    page = visit(path, view)
    assert [one.get_attribute("data-sort") for one in page.find("#table thead button")] == wanted
    assert page.column("norm") == ["group"] and list(drawn(page)) == [f"{label(EXPLODING)} (3 seeds)"]
    assert page.find("#metric")[0].get_attribute("value") == "test/loss" and page.find("#logx")[0].is_selected()
    page.click("#runs details:nth-of-type(2) summary")
    page.click('[data-column="status"]')
    page = visit(path)  # the choice of columns lasts without an address
    assert "status" not in [one.get_attribute("data-sort") for one in page.find("#table thead button")]
    page.browser.execute_script("localStorage.clear()")
    for broken in ("#filters=[1]&group=7&columns={}&arms=x&smoothing=a&metric=none&x=no&sort=no&axes=[3]", "#%"):
        assert visit(path, broken).column("norm") == [norm for norm, _ in ARMS]


def test_tables_and_curves_are_downloaded(visit, path, tmp_path):
    page = visit(path)
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})

    def saved(name):
        file = Path(tmp_path) / name
        WebDriverWait(page.browser, 20).until(lambda _: file.is_file() and file.stat().st_size)
        return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))

    page.click("#save-table")
    rows = saved("table.csv")
    assert [row["norm"] for row in rows] == [norm for norm, _ in ARMS]
    assert float(rows[0][ACCURACY]) == pytest.approx(0.95) and rows[0][f"{ACCURACY} seeds"] == "3"
    page.click("#save-curves")
    rows = saved("curves.csv")
    assert len(rows) == 5 * len(STEPS) and {row["arm"] for row in rows} == {label(arm) for arm in range(5)}
    assert float(rows[2]["low"]) < float(rows[2]["test/accuracy"]) < float(rows[2]["high"]) <= 1


def test_the_page_works_from_the_keyboard_on_a_phone_and_when_data_come(visit, path, data):
    page = visit(path)
    page.choose("#facet", "norm")
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    try:
        WebDriverWait(page.browser, 10).until(lambda _: page.run("narrow.matches"))
        fits = "document.documentElement.scrollWidth <= arguments[0]"  # charts take the new width a moment later
        WebDriverWait(page.browser, 10).until(lambda _: page.run(fits, PHONE["width"]))
        domains = page.run("['', 2, 3].map(at => document.getElementById('curves-chart').layout['xaxis' + at].domain)")
        assert domains == [[0, 1]] * 3  # one column
        heights = page.run(
            "[...document.querySelectorAll('.chart')].flatMap(one => [one.getBoundingClientRect().height])"
        )
        assert all(300 < height < 1200 for height in heights)  # none lies over another
        right = "[...document.querySelectorAll('.legendtext')].map(one => one.getBoundingClientRect().right)"
        assert max(page.run(right)) <= PHONE["width"]
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    box = page.find(f'[aria-label="select {label(0)}"]')[0]
    box.send_keys(Keys.SPACE)
    assert list(drawn(page)) == [f"{label(0)} (3 seeds)"]
    sort = page.find('[data-sort="norm"]')[0]
    sort.send_keys(Keys.ENTER)
    focused = page.run("document.activeElement.dataset.sort")
    assert page.column("norm") == sorted(norm for norm, _ in ARMS) and focused == "norm"
    unnamed = """[...document.querySelectorAll('button, select, input')].filter(one =>
        !one.closest('.chart') && !(one.textContent.trim() || one.ariaLabel || one.closest('label')))"""
    assert page.run(f"{unnamed}.length") == 0
    less = json.loads(json.dumps(data)) | {"selection": [False] * len(data["ids"])}
    page.run("window.bnStudy.update(arguments[0])", less)  # as a served page does while runs are trained
    assert "20 of 20 runs, 4 selected" in page.find("#count")[0].text
    assert page.find("#facet")[0].get_attribute("value") == "norm" and list(drawn(page)) == [f"{label(0)} (4 seeds)"]


@pytest.mark.parametrize("count", [2, 4])
def test_near_arms_of_single_seeds_are_not_beyond_an_axis(visit, write, count):
    page = visit(write(rates(count), "few"))
    assert len(drawn(page)) == count and len(page.run("document.getElementById('scatter-chart').data")) == count
    for note in ("curves", "scatter", "parallel"):
        assert page.find(f"#{note}-note")[0].text == ""


def test_no_chart_is_sent_anywhere(visit, path):
    page = visit(path)
    buttons = [one.get_attribute("data-title") or one.get_attribute("aria-label") for one in page.find(".modebar-btn")]
    assert len(buttons) > 5 and not [one for one in buttons if "share" in one.lower() or "cloud" in one.lower()]


def test_a_wide_band_is_whole(visit, write, data):
    wide = {"steps": STEPS, "low": [-1000] * 3, "middle": [0, 0.1, 0.2], "high": [1000] * 3}
    page = visit(write(data | {"quantiles": {"activation layer1/pre": {0: wide, 4: wide}}}, "wide"))
    low, high = page.run("document.getElementById('quantiles-chart')._fullLayout.yaxis.range")
    assert low < -1000 and high > 1000


def test_the_first_arms_with_a_curve_are_drawn(visit, write):
    found = rates(12)
    found["curves"] = {"test/accuracy": {at: one for at, one in found["curves"]["test/accuracy"].items() if at >= 2}}
    page = visit(write(found, "curves"))
    assert len(drawn(page)) == 8 and not any("=0.1 " in name for name in drawn(page))
    assert "the first 8 of 10 arms with such a curve" in page.find("#curves-note")[0].text


def test_an_arm_has_one_color(visit, path):
    page = visit(path)
    wanted = "document.getElementById(arguments[0]).data.filter(one => one.name).map(one => [one.name, one.line.color])"
    before = dict(page.run(wanted, "curves-chart"))
    assert len(set(before.values())) == 5
    page.select(label(3))
    color = before[f"{label(3)} (3 seeds)"]
    for chart in ("curves-chart", "parallel-chart", "quantiles-chart"):
        assert [own for _, own in page.run(wanted, chart)] == [color]
    assert page.run("document.getElementById('scatter-chart').data[0].marker.color") == color


def test_labels_of_arms_say_what_is_measured_only_where_it_differs(visit, write):
    kinds = ['["curves"]', '["drift"]'] * 2
    page = visit(write(rates(4, {"probe": kinds, "optimizer.learning_rate": [0.1, 0.1, 0.2, 0.3]}), "labels"))
    names = ["optimizer.learning_rate=0.1 probe=" + kind for kind in ("[curves]", "[drift]")]
    names = [*names, "optimizer.learning_rate=0.2", "optimizer.learning_rate=0.3"]
    assert sorted(drawn(page)) == sorted(f"{name} (1 seed)" for name in names)


def test_a_curve_ends_before_what_the_whole_split_gives(visit, write):
    found = rates(2, {"steps": 100, "probe.curves.full": '["reestimated"]'})
    assert found["steps"] == [STEPS[:-1]] and found["cut"] == ["test/accuracy"]
    assert "Fixed examples only" in visit(write(found, "cut")).find("#curves-note")[0].text
    assert rates(2, {"steps": 100, "probe.curves.full": '["moving"]'})["steps"] == [STEPS]


def test_axes_are_named_and_wanted(visit, write):
    found = rates(2)
    found["varied"]["seed"] = ["0", "1"]
    names = ["path_length(end=10,relative=false,site=a/b)", "path_length(end=10,relative=true,site=a/b)"]
    names += ["steps_to(level=0.95,metric=test/accuracy)"]
    found["results"] |= {name: [1, 2] for name in names}
    page = visit(write(found, "axes"))
    labels = page.find("#parallel-chart .xtick text")
    assert [one.text for one in labels[-3:]] == [
        "path_length(relative=false)",
        "path_length(relative=true)",
        "steps_to",
    ]
    assert all(page.run("getComputedStyle(arguments[0]).display !== 'none'", one) for one in labels)
    options = "[...document.getElementById('x').options].map(one => one.value)"
    assert "seed" not in page.run(options) and page.find("#x")[0].get_attribute("value") == "optimizer.learning_rate"
    page.choose("#rows", "single runs")
    assert "seed" in page.run(options)
    page.click("#logx")
    assert {tuple(steps) for steps, _ in drawn(page).values()} == {(50, 100)}
    for control in ("#site", "#step"):
        assert not page.find(control)[0].is_displayed()
    assert "bn-study run first 'probe=[curves,activations]' records" in page.find("#distributions-note")[0].text
    page.choose("#facet", "optimizer.learning_rate")
    top = "document.querySelector('#curves-chart .{}').getBoundingClientRect().{}"
    assert page.run(top.format("annotation", "top")) >= page.run(top.format("modebar-group", "bottom"))


def test_true_and_false_are_no_numbers():
    for values in ([True, False], pd.array([True, None], dtype="boolean")):
        assert rates(2, {"model.residual": values})["numbers"] == ["optimizer.learning_rate", "seed"]


def test_runs_without_records_have_no_quantiles():
    """As the identities of a layer, which are measured once and drawn by no figure."""
    runs = pd.DataFrame({"run": ["some-run-s0-0123456789"], "seed": [0], "norm": ["batch"]})
    assert distributions.quantiles(runs, pd.DataFrame(columns=["run", "step", "name", "site", "value"])) == {}


def test_a_reported_run_stands_for_an_arm_that_has_selection_runs_too():
    rows = [("run0", 0, "select"), ("run1", 1, "main select"), ("run2", 2, "main")]
    runs = pd.DataFrame([
        {"run": run, "seed": seed, "grids": grids, "norm": "none", "model.widths": "[8]", "status": "complete"}
        for run, seed, grids in rows
    ])  # fmt: skip
    assert list(content.firsts(runs, {"select"})) == ["run1"]
    assert list(content.firsts(runs, ())) == ["run0"]
