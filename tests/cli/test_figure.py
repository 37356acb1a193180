"""`bn-study figure`: what it draws of runs that nobody trained, against pandas and scipy on what was published."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from figures import share_interval
from matplotlib.colors import to_hex
from scipy import stats

from bn_study.analysis.csv_files import read_csv
from bn_study.analysis.figure import _style
from bn_study.cli.main import main
from bn_study.plan.compose import compose
from bn_study.sweep.status import plan_status

REQUEST = ["dataset=digits", "norm=none,batch", "optimizer.learning_rate=0.1,1", "seed=range(3)", "steps=100",
           "probe=[curves,activations,gradients]"]  # fmt: skip


def accuracy(spec, step):
    return 0.5 + 0.1 * (spec.norm.name == "batch") + 0.01 * spec.seed**2 + step / 1000


def lost(spec):
    return spec.norm.name == "none" and spec.seed == 2 and spec.optimizer.args["learning_rate"] == 1


@pytest.fixture
def specs(study_here, tmp_path, monkeypatch):
    place = study_here()
    monkeypatch.chdir(tmp_path)
    store = place.store
    store.prepare()
    found = [run.spec for run in plan_status(compose(place.home, None, REQUEST)[0], store).missing]
    for spec in found:
        steps = (0,) if lost(spec) else (0, 50, 100)
        rows = [(step, "test/accuracy", "", accuracy(spec, step)) for step in steps]
        for layer in (1, 2):
            rows += [(step, "gradient/delta", f"layer{layer}/linear", 10.0 ** -(layer + spec.seed)) for step in steps]
            for quantile in (5, 15, 50, 85, 95):
                rows += [(step, f"activation/q{quantile}", f"layer{layer}/pre", quantile + spec.seed) for step in steps]
        records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
        status, at = ("diverged", 7) if lost(spec) else ("complete", None)
        store.publish(spec, records, records.iloc[:0], {"status": status, "diverged_at": at, "classes": 10})
    return found


def draw(*words):
    assert main(["figure", *words[:1], *REQUEST, *words[1:], "--output", "out.svg"]) == 0
    return read_csv("out.csv")


def expected(values):
    return (np.mean(values), *stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values)), len(values))


def numbers(row):
    return tuple(row[["value", "low", "high", "n"]].astype(float))


def test_curves_in_a_panel_for_each_value(specs, tmp_path):
    data = draw("curves", "--column", "optimizer.learning_rate")
    assert list(dict.fromkeys(data["panel"])) == ["optimizer.learning_rate=0.1", "optimizer.learning_rate=1"]
    for norm in ("none", "batch"):
        own = data[(data["panel"] == "optimizer.learning_rate=1") & (data["arm"] == f"norm={norm}")]
        arm = [s for s in specs if s.norm.name == norm and s.optimizer.args["learning_rate"] == 1 and not lost(s)]
        values = [accuracy(spec, 50) for spec in arm]
        wanted = (np.mean(values), *share_interval(values), len(values))
        assert numbers(own[own["step"] == 50].iloc[0]) == pytest.approx(wanted)
    assert data.loc[data["series"] == "diverged", "step"].tolist() == [7]
    about = json.loads((tmp_path / "out.json").read_text())
    assert about["runs"] == sorted(spec.id for spec in specs) and "✕" in about["caption"]
    assert "<svg" in (tmp_path / "out.svg").read_text()


def test_final_values_over_a_setting(specs):
    data = draw("final", "--over", "optimizer.learning_rate")
    data = data[data["series"] == "mean"]
    assert set(data["arm"]) == {"norm=none", "norm=batch"} and sorted(set(data["place"])) == [0.1, 1]
    row = data[(data["arm"] == "norm=batch") & (data["place"] == 0.1)].iloc[0]
    values = [accuracy(s, 100) for s in specs if s.norm.name == "batch" and s.optimizer.args["learning_rate"] == 0.1]
    assert numbers(row) == pytest.approx((np.mean(values), *share_interval(values), 3))
    assert data[(data["arm"] == "norm=none") & (data["place"] == 1)][["n", "lost"]].values.tolist() == [[2, 1]]


def test_gradients_over_the_layers(specs):
    data = draw("gradients", "--by", "norm")
    row = data[(data["arm"] == "norm=batch") & (data["layer"] == 2)].iloc[0]
    assert row["value"] == pytest.approx(-3) and row["n"] == 3  # seeds, of two learning rates each
    assert math.isclose(
        data[data["layer"] == 1]["value"].max() - data[data["layer"] == 2]["value"].max(), 1, abs_tol=0.2
    )


def test_activations_have_a_row_a_layer(specs):
    data = draw("activations", "--by", "norm", "--colour", "norm")  # as it was spelled
    means = data[data["series"] != "diverged"]
    assert set(means["layer"]) == {1, 2} and set(means["series"]) == {"q5", "q15", "q50", "q85", "q95"}
    row = means[(means["layer"] == 2) & (means["series"] == "q85") & (means["arm"] == "norm=batch")].iloc[0]
    assert numbers(row) == pytest.approx(expected([85 + seed for seed in range(3)]))  # not one for each run


def test_final_values_of_any_record_at_any_site(specs):
    data = draw("final", "--over", "norm", "--metric", "activation/q50@layer1/pre", "--column", "seed")
    assert sorted(set(data["grid"])) == ["seed=0", "seed=1", "seed=2"]
    row = data[(data["grid"] == "seed=1") & (data["place"] == "batch")].iloc[0]
    assert row["value"] == 51


def test_lines_may_be_seeds_and_colors_a_setting(specs, monkeypatch):
    drawn = []
    monkeypatch.setattr(_style, "save_as", lambda figure, path: drawn.append(figure))
    data = draw("curves", "--by", "norm,seed", "--color", "norm", "--column", "optimizer.learning_rate")
    arms = [f"norm={norm} seed={seed}" for norm in ("none", "batch") for seed in range(3)]
    assert list(dict.fromkeys(data["arm"])) == arms
    left = drawn[0].axes[0]
    assert [to_hex(line.get_color()) for line in left.lines] == ["#000000"] * 3 + ["#0072b2"] * 3


def test_the_same_numbers_give_the_same_bytes(specs, tmp_path):
    draw("curves")
    first = (tmp_path / "out.svg").read_bytes()
    draw("curves")
    assert (tmp_path / "out.svg").read_bytes() == first
    assert main(["figure", "curves", *REQUEST, "--output", "out.pdf"]) == 0
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["curves", "--colour", "nrm"], "unknown setting 'nrm'; did you mean norm?"),
        (["curves", "--metric", "test/acuracy"], "unknown record 'test/acuracy'; did you mean test/accuracy?"),
        (["gradients", "--metric", "gradient/delta@post"], "unknown site 'layer*/post'; did you mean layer*/"),
        (["final"], "final needs --over"),
        (["curves", "--over", "norm"], "the other kinds have none"),
        (["curves", "--output", "out.doc"], "give it a name that ends in .svg, .png or .pdf"),
    ],
)
def test_bad_figures_are_refused(specs, capsys, tmp_path, words, message):
    assert main(["figure", words[0], *REQUEST, *words[1:]]) == 2
    assert message in capsys.readouterr().err and not list(tmp_path.glob("*.svg"))
