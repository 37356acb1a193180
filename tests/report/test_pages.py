"""Pages of evidence in a real browser: headless Chromium, pages from the disk, no network, no error in its console."""

import numpy as np
import pandas as pd
import pytest

from bn_study.cli.main import main
from bn_study.plan.compose import compose
from bn_study.report import evidence
from bn_study.report.web import content, write
from bn_study.report.web import pages as rendered
from bn_study.sweep.status import plan_status

HOSTILE = '"><img src=x onerror=alert(1)>'
SCRIPT = "</script><script>alert(1)</script>"
EXPERIMENT = """
question: Is it <b>better</b>?
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves, activations]}
grids:
  all: {norm: [none, batch], optimizer.learning_rate: [0.1, 1], seed: range(3)}
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    contexts: [optimizer.learning_rate]
    test: superiority
    margin: 0.01
figures:
  curve: {kind: curves, grid: all, metric: test/accuracy}
discussion: |
  It is, says </script><script>alert(1)</script>.
"""


def accuracy(spec):
    base = 0.2 * (spec.norm.name == "batch") + 0.01 * spec.seed
    return {0: 0.1, 50: 0.4 + base, 100: 0.5 + base}


@pytest.fixture(scope="module")
def place(make_study, tmp_path_factory):
    """A study with one experiment, as `report` leaves it."""
    place = make_study(tmp_path_factory.mktemp("pages") / "study", first=EXPERIMENT)
    place.store.prepare()
    experiment, _ = compose(place.home, "first", [])
    for run in plan_status(experiment, place.store).missing:
        rows = [(step, "test/accuracy", "", value) for step, value in accuracy(run.spec).items()]
        records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
        vectors = pd.DataFrame(
            [
                (step, f"activation/{name}", "layer1/pre", np.array(values, float))
                for step, counts in ((0, [3, 1]), (100, [1, 3]))
                for name, values in (("histogram", counts), ("edges", [0, 0.5, 2.5]))
            ],
            columns=records.columns,
        )
        facts = {"status": "complete", "classes": 10, "commit": "a" * 40, "dirty": False, "seconds": 1.5}
        place.store.publish(run.spec, records, vectors, facts | {"stated": experiment.stated(), "versions": {"x": "1"}})
    write.write(place, experiment, evidence.report(place, experiment))
    write.write_overview(place)
    return place


@pytest.fixture
def first(place, visit):
    return visit(place.results / "first" / "index.html", "#rows=runs")


def specs(place):
    return [run.spec for run in plan_status(compose(place.home, "first", [])[0], place.store).runs]


def test_it_opens_with_verdicts_figures_and_runs(first, place):
    assert first.run("document.documentElement.dataset.ready") == "yes"
    assert sorted(first.column("run")) == sorted(spec.id for spec in specs(place))
    assert first.find(".question")[0].text == "Is it <b>better</b>?"
    assert "alert(1)" in first.find("main")[0].text  # the discussion, as text
    (image,) = first.find("figure img")
    assert first.run("arguments[0].naturalWidth", image) > 100
    assert "better" in first.find("#verdicts summary")[0].text and first.find("#verdicts .chip")[0].text == "open"


def test_runs_are_filtered(first):
    first.choose('[data-filter="norm"]', "batch")
    assert set(first.column("norm")) == {"batch"} and len(first.column("run")) == 6
    first.choose('[data-filter="optimizer.learning_rate"]', "1")
    assert len(first.column("run")) == 3
    first.find("#words")[0].send_keys("seed=2")
    assert first.column("seed") == ["2"] and "1 of 12 runs" in first.find("#count")[0].text


def test_runs_are_sorted(first):
    for descending in (False, True):
        first.click('[data-sort="final(metric=test/accuracy)"]')
        values = [float(one) for one in first.column("final(metric=test/accuracy)")]
        assert values == sorted(values, reverse=descending) and len(set(values)) > 3
    first.click('[data-sort="run"]')
    assert first.column("run") == sorted(first.column("run"))


def test_selected_runs_are_overlaid(first, place):
    assert len(first.drawn("curves-chart")) == 8 and "first 8 of 12 runs" in first.find("#curves-note")[0].text
    chosen = [specs(place)[0], specs(place)[-1]]
    for spec in chosen:
        first.select(spec.id)
    drawn = first.drawn("curves-chart")
    assert set(drawn) == {spec.id for spec in chosen}
    for spec in chosen:
        steps, values = drawn[spec.id]
        wanted = {step: value for step, value in accuracy(spec).items() if step < 100}  # the end is of the whole split
        assert dict(zip(steps, values, strict=True)) == pytest.approx(wanted)
    first.slide("#smoothing", "0.5")
    weights = np.array([0.25, 0.5])
    expected = np.dot(weights, list(accuracy(chosen[0]).values())[:2]) / weights.sum()
    assert first.drawn("curves-chart")[chosen[0].id][1][-1] == pytest.approx(expected)
    first.click("#logx")
    assert first.run("document.getElementById('curves-chart').layout.xaxis.type") == "log"
    assert first.run("document.getElementById('curves-chart').layout.yaxis.type") == "linear"
    first.select(chosen[0].id)
    assert set(first.drawn("curves-chart")) == {chosen[1].id}


def test_the_slider_moves_through_training(first):
    before = first.drawn("distributions-chart")
    assert len(before) == 4  # one seed an arm
    for x, y in before.values():
        assert x == [0, 0.5, 2.5] and y[:2] == pytest.approx([0.75 / 0.5, 0.25 / 2])  # densities
    first.slide("#step", "1")
    assert "100" in first.find("#at")[0].text
    for _, y in first.drawn("distributions-chart").values():
        assert y[:2] == pytest.approx([0.25 / 0.5, 0.75 / 2])


def test_two_runs_differ_in_what_is_shown(first, place):
    one, other = specs(place)[0], specs(place)[-1]
    first.select(one.id)
    assert "Select two runs" in first.find("#difference-note")[0].text
    first.select(other.id)
    rows = [
        [cell.text for cell in row.find_elements("css selector", "td")] for row in first.find("#difference tbody tr")
    ]
    shown = {name: (a, b) for name, a, b in rows}
    assert shown["norm"] == (one.norm.name, other.norm.name) and "batch_size" not in shown
    assert all(a != b for a, b in shown.values())
    first.click("#equal")
    assert len(first.find("#difference tbody tr")) > len(rows) + 10
    assert "versions.x" in first.find("#difference tbody")[0].text


def test_a_verdict_leads_to_its_runs_and_back(visit, place):
    page = visit(place.results / "first" / "index.html")
    page.click('[data-claim="better"] summary')
    page.click('[data-show="better"]')
    assert "12 selected" in page.find("#count")[0].text
    page.click('[data-claim="better"] summary')
    page.click("#claims button")
    assert page.find("#claims button")[0].text == "better: open"
    assert page.run("document.querySelector('[data-claim=better]').open") is True


@pytest.mark.slow
def test_the_overview_leads_to_each_experiment(visit, place):
    page = visit(place.results / "index.html")
    (link,) = page.find("article h3 a")
    link.click()
    assert page.find("h1")[0].text == "first"


def synthetic(count, names=lambda at: f"norm-mlp-x-s{at}-{at:010x}"):
    runs = pd.DataFrame(
        {
            "run": [names(at) for at in range(count)], "grids": "all", "seed": range(count), "status": "complete",
            "diverged_at": None, "classes": 10, "commit": "c", "dirty": False, "stated": "", "measured": "",
            "norm": ["none", "batch"] * (count // 2), "optimizer.learning_rate": np.arange(count) / 7, "dataset": "x",
            "final(metric=test/accuracy)": np.linspace(0, 1, count),
        }
    )  # fmt: skip
    steps = np.arange(200)
    records = pd.DataFrame(
        {
            "run": np.repeat(runs["run"], len(steps)), "step": np.tile(steps, count), "name": "test/accuracy",
            "site": "", "value": np.random.default_rng(0).random(count * len(steps)),
        }
    )  # fmt: skip
    return content.of_runs(runs, records, pd.DataFrame(columns=["run", "step", "name", "site", "unit", "value"]), {})


def page_of(place, found, path):
    experiment, _ = compose(place.home, "first", [])
    found = found | {"command": "bn-study run first"}
    path.write_text(rendered.experiment(experiment, {}, {}, [], found, None, []), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_thousand_runs_are_a_page_at_a_time(visit, place, tmp_path):
    found = synthetic(1000)
    assert all(len(steps) <= content.POINTS for steps in found["steps"])
    path = page_of(place, found, tmp_path / "many.html")
    own = path.stat().st_size - len(rendered._plotly())
    assert own < 2_000_000
    page = visit(path, "#rows=runs")
    assert len(page.find("#table tbody tr")) == 50 and "1000 of 1000 runs" in page.find("#count")[0].text
    page.click("#next")
    assert "page 2 of 20" in page.find("#pager")[0].text
    page.find("#words")[0].send_keys("norm=batch seed=99")
    assert {seed[:2] for seed in page.column("seed")} == {"99"} and set(page.column("norm")) == {"batch"}


def test_hostile_names_are_text(visit, place, tmp_path):
    names = [HOSTILE, SCRIPT, "a & b", "\u2028"]
    found = synthetic(4, names.__getitem__)
    found["varied"]["tag"] = [HOSTILE, SCRIPT, "x", "y"]
    path = page_of(place, found, tmp_path / "hostile.html")
    assert SCRIPT not in path.read_text(encoding="utf-8").split(str(rendered._plotly()))[0].split("Discussion")[0]
    page = visit(path, "#rows=runs")
    assert set(page.column("run")) >= {HOSTILE, SCRIPT, "a & b"} and {HOSTILE, SCRIPT} <= set(page.column("tag"))
    for box in page.find("#table tbody input"):
        box.click()
    legend = page.find("#curves-chart .legendtext")
    assert {one.text for one in legend} >= {HOSTILE, SCRIPT}
    page.choose("#rows", "arms")
    page.choose("#facet", "tag")
    assert {HOSTILE, SCRIPT} <= set(page.column("tag")) and len(page.find("#curves-chart .annotation text")) == 4
    assert not page.find("#table img") and page.run("document.querySelectorAll('img[src=x]').length") == 0


def test_report_writes_pages_that_are_no_evidence(place, monkeypatch, capsys):
    monkeypatch.setenv("BN_STUDY_HOME", str(place.home))
    monkeypatch.delenv("BN_STUDY_RESULTS", raising=False)
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert main(["report", "first", "--open"]) == 0
    said = capsys.readouterr().out
    page = place.results / "first" / "index.html"
    assert str(page) in said and opened == [page.as_uri()]
    page.write_text("")
    assert main(["report", "first", "--check"]) == 0
    assert main(["report", "first", "--check", "--open"]) == 2
