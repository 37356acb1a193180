"""`compare` and `plan --all`, on runs that nobody trained."""

import io
import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bn_study
from bn_study.analysis import selection
from bn_study.cli.main import _parser, main
from bn_study.plan.compose import compose
from bn_study.study import Study
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status

EXPERIMENT = """
question: Is it better?
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves]}
grids:
  all: {norm: [none, batch], optimizer.learning_rate: rate, seed: range(6)}
  select: {like: all, optimizer.learning_rate: [0.1, 0.3, 1], seed: [100]}
tune:
  rate:
    grid: select
    factors: [optimizer.learning_rate]
    per: [norm]
    score: {final: {metric: validation/accuracy}}
    best: max
claims:
  learns:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=none: 1, constant: -0.05}
    at: {optimizer.learning_rate: rate}
    test: exact
    margin: 0.9
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    at: {optimizer.learning_rate: rate}
    gates: [learns]
    test: superiority
    margin: 0.01
"""
SECOND = """
base: {dataset: digits, model.widths: [8], probe: [curves]}
grids:
  all: {norm: [none, batch], seed: range(2), steps: 50}
"""
NONE = [0.90, 0.91, 0.92, 0.91, 0.90, 0.1]  # the last one diverges
BATCH = [0.95, 0.97, 0.95, 0.96, 0.96, 0.95]


@pytest.fixture
def place(study_here):
    return study_here(first=EXPERIMENT, second=SECOND)


def train(place, seeds=range(6)):
    """Publish what each run might have recorded, until the plan has no new ones."""
    experiment, _ = compose(place.home, "first", [])
    place.store.prepare()
    while missing := [run for run in plan_status(experiment, place.store).missing if run.spec.seed in (*seeds, 100)]:
        for run in missing:
            norm, rate, seed = run.spec.norm.name, run.spec.optimizer.args["learning_rate"], run.spec.seed
            test = 0.5 if seed == 100 else {"none": NONE, "batch": BATCH}[norm][seed]
            validation = 0.9 - abs(np.log10(rate / {"none": 0.3, "batch": 1.0}[norm]))
            rows = [(100, "test/accuracy", "", test), (100, "validation/accuracy", "", validation)]
            records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
            status = "diverged" if (norm, seed) == ("none", 5) else "complete"
            facts = {"status": status, "diverged_at": 7, "classes": 10, "commit": "a" * 40, "dirty": False}
            place.store.publish(run.spec, records, records.iloc[:0], facts | {"stated": experiment.stated()})


@pytest.fixture
def call(place, capsys):
    def call(*arguments, code=0):
        assert main([*arguments]) == code
        return capsys.readouterr()

    return call


def cells(text):
    """The rows of numbers of a table, seed first."""
    rows = [re.split(r"[\s|]+", line.strip(" |")) for line in text.splitlines()]
    return [row for row in rows if row[0].isdigit() and len(row) == 4]


def test_compare_prints_the_verdicts_and_writes_nothing(place, call):
    train(place)
    said = call("compare", "first").out
    assert re.search(r"learns\s+supported", said) and re.search(r"better\s+blocked", said)
    assert not (place.results / "first").exists() and not (place.results / "README.md").exists()


def test_compare_of_a_claim_shows_how_its_verdict_was_reached(place, call):
    train(place)
    said = call("compare", "first", "--claim", "better").out
    differences = np.subtract(BATCH, NONE)
    low, high = stats.t.interval(0.95, 5, differences.mean(), stats.sem(differences))
    rows = cells(said)
    assert [int(row[0]) for row in rows] == list(range(6))
    assert [float(row[1]) for row in rows] == BATCH
    assert [row[2] for row in rows] == ["0.9", "0.91", "0.92", "0.91", "0.9", "0.1*"] and "* censored or" in said
    assert [float(row[3]) for row in rows] == pytest.approx(differences)
    for text in (
        "+1 norm=batch",
        "-1 norm=none",
        "tuned rate: norm=none: optimizer.learning_rate=0.3",
        "tuned rate: norm=batch: optimizer.learning_rate=1, at the edge of its grid",
        "gate learns is supported",
        "superiority, margin 0.01",
        "stated: aaaaaaaaaa",
        f"mean {differences.mean():.3g} [{low:.3g}, {high:.3g}] (95%)",
        "6 seeds",
        "blocked: the tuned optimizer.learning_rate=1 of norm=batch is at the edge of its grid",
    ):
        assert text in said, (text, said)


def test_a_constant_is_a_column_of_its_own(place, call):
    train(place)
    rows = cells(call("compare", "first", "--claim", "learns").out)
    assert [float(row[2]) for row in rows] == [-0.05] * 6
    assert [float(row[3]) for row in rows] == pytest.approx([one - 0.05 for one in NONE])


def test_the_report_holds_the_same(place, call):
    train(place)
    said = call("compare", "first", "--claim", "better").out
    call("report", "first")
    page = (place.results / "first" / "report.md").read_text()
    trace = page[page.index("<summary>better: blocked</summary>") :]
    trace = trace[: trace.index("</details>")]
    assert cells(trace) == cells(said) and len(cells(said)) == 6
    lines = [line.removeprefix("- ") for line in trace.splitlines() if line.startswith("- ")]
    flat = " ".join(said.split())
    assert len(lines) == 6 and all(" ".join(line.split()) in flat for line in lines)


def test_what_is_missing_is_said_beside_the_verdicts(place, call):
    train(place, seeds=range(4))
    answer = call("compare", "first", "--claim", "better")
    assert "2 of 6 runs of norm=batch (seed 4, 5)" in answer.out and len(cells(answer.out)) == 4
    assert "4 runs are missing and 0 wait for tuning; `bn-study run` trains them" in answer.err


def test_an_unknown_claim_is_refused_with_the_nearest_name(place, call):
    train(place)
    answer = call("compare", "first", "--claim", "beter", code=2)
    assert "unknown claim 'beter'; did you mean better?" in answer.err and answer.out == ""
    assert "there are none" in call("compare", "second", "--claim", "better", code=2).err


def test_compare_before_anything_is_trained(place, call):
    assert "no run is stored yet" in call("compare", "first", code=2).err


def test_the_price_of_every_experiment_in_a_line_each(place, call):
    head, first, second, total, remark = call("plan", "--all").out.splitlines()
    assert head.split()[:5] == ["experiment", "runs", "done", "missing", "waiting"]
    assert first.split()[:6] == ["first", "6", "0", "6", "12", "unknown"]
    assert second.split()[:6] == ["second", "4", "0", "4", "0", "unknown"]
    assert total.startswith("in all") and "without 22 runs" in remark and "--calibrate" in remark
    train(place)
    _, first, *_ = call("plan", "--all").out.splitlines()
    assert first.split()[:6] == ["first", "18", "18", "0", "0", "-"]


def test_overrides_are_of_every_experiment(place, call):
    lines = call("plan", "--all", "seed=0").out.splitlines()
    assert lines[1].split()[:5] == ["first", "6", "0", "6", "2"]  # seeds of selection runs stay as they are
    assert lines[2].split()[:5] == ["second", "2", "0", "2", "0"]


def test_every_experiment_has_no_runs_to_list(place, call):
    answer = call("plan", "--all", "--json", code=2)
    assert "--all prints no runs" in answer.err and answer.out == ""
    runs = [json.loads(line) for line in call("plan", "second", "--json").out.splitlines()]
    assert len(runs) == 4 and {run["status"] for run in runs} == {"missing"}


def test_every_experiment_is_not_one_of_them(place, call):
    answer = call("plan", "--all", "first", code=2)
    assert "leave out --all or first" in answer.err and answer.out == ""
    answer = call("plan", "--all", "norm=bach", code=2)
    assert "did you mean batch?" in answer.err and answer.out == ""


def arms(said):
    return pd.read_csv(io.StringIO(said), dtype={"context": str}).fillna({"context": ""}).set_index(["context", "arm"])


def test_selection_runs_are_no_replicates_unless_asked_for(place, call):
    train(place)
    answer = call("compare", "first", "--by", "norm", "--csv")
    table = arms(answer.out)
    assert table["n"].to_dict() == {("optimizer.learning_rate=0.3", "norm=none"): 5,
                                    ("optimizer.learning_rate=1", "norm=batch"): 6}  # fmt: skip
    assert table["mean"].to_list() == pytest.approx([np.mean(NONE[:5]), np.mean(BATCH)])
    assert "1 selection run an arm is left out; --selection adds it\n" in answer.err
    said = call("compare", "first", "--by", "norm").out
    assert said.endswith("1 selection run an arm is left out; --selection adds it\n")
    answer = call("compare", "first", "--by", "norm", "--csv", "--selection")
    table = arms(answer.out)
    assert len(table) == 6 and "left out" not in answer.err
    assert table.loc[("optimizer.learning_rate=1", "norm=batch"), "n"] == 7
    call("compare", "first", "--selection", code=2)


def test_selection_runs_are_not_drawn_unless_asked_for(place, call, tmp_path):
    train(place)
    draw = ("figure", "final", "first", "--over", "optimizer.learning_rate", "--by", "norm", "--output")
    answer = call(*draw, str(tmp_path / "out.svg"))
    assert "1 selection run an arm is left out; --selection adds it" in answer.err
    found = [pd.read_csv(tmp_path / "out.csv")]
    assert "left out" not in call(*draw, str(tmp_path / "out.svg"), "--selection").err
    found.append(pd.read_csv(tmp_path / "out.csv"))
    means = [data[(data["series"] == "mean") & (data["arm"] == "norm=batch")] for data in found]
    assert [one.set_index("place")["n"].to_dict() for one in means] == [{1: 6}, {0.1: 1, 0.3: 1, 1: 7}]


def test_a_page_tells_selection_runs(place, call):
    train(place)
    call("report", "first")
    page = (place.results / "first" / "index.html").read_text(encoding="utf-8")
    found = json.loads(re.search(r'<script[^>]*"application/json"[^>]*>(.*?)</script>', page, flags=re.DOTALL)[1])
    assert found["selection"] == [seed == "100" for seed in found["varied"]["seed"]] and any(found["selection"])
    assert set(found["shares"]) == {"final(metric=test/accuracy)", "final(metric=validation/accuracy)"}


def test_notebooks_have_both(place):
    train(place)
    found = bn_study.load("first")
    assert set(found.runs["seed"]) == {*range(6), 100} and found.left_out == ""
    assert set(found.reported.runs["seed"]) == {*range(6)}
    assert found.reported.left_out == "1 selection run an arm is left out; --selection adds it"


def test_where_only_selection_runs_are_there(place, call):
    train(place, seeds=())
    assert (
        "only selection runs are there; --selection shows them" in call("compare", "first", "--by", "norm", code=2).err
    )
    assert "norm=none" in call("compare", "first", "--by", "norm", "--selection").out


def test_the_committed_evidence_is_pooled_over_reporting_seeds_alone(home, monkeypatch, capsys):
    monkeypatch.setenv("BN_STUDY_HOME", str(home))
    monkeypatch.delenv("BN_STUDY_RESULTS", raising=False)
    words = ("compare", "faster_convergence", "optimizer.learning_rate=3", "steps=15000", "--by", "norm", "--csv")
    assert main(list(words)) == 0
    answer = capsys.readouterr()
    assert arms(answer.out)["n"].to_dict() == {("", "norm=none"): 8, ("", "norm=batch"): 8}
    assert "4 selection runs an arm are left out; --selection adds them" in answer.err


def test_arms_with_unequal_numbers_of_selection_runs():
    runs = pd.DataFrame({"run": [*"abc"], "seed": [0, 1, 0], "norm": ["none", "none", "batch"], "grids": "select"})
    assert selection.left_out(runs) == "3 selection runs (1 to 2 an arm) are left out; --selection adds them"
    assert selection.left_out(runs.iloc[:0]) == ""
    grids = pd.DataFrame({"grids": ["select", "all select", "all", "select other"]})
    assert selection.is_selection(grids, {"select", "other"}) == [True, False, False, True]
    assert selection.is_selection(grids, ()) == [False] * 4


def test_the_commands_of_the_page_about_comparing_are_commands(home, tmp_path):
    """Options and verbs exist, and what follows them can be planned."""
    page = (home / "docs" / "comparing-runs.md").read_text(encoding="utf-8")
    lines = re.findall(r"(?m)^(?:\$ )?bn-study ([^#\n]+)", page)
    assert len(lines) >= 8
    for line in lines:
        options = _parser().parse_args(shlex.split(line))
        Request.parse(options.request, Study(home, tmp_path))
