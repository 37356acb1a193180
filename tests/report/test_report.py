import json
import math
import shlex
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from bn_study import report
from bn_study.analysis import csv_files, tables, tune
from bn_study.analysis.asked import asked
from bn_study.analysis.claims import verdicts
from bn_study.analysis.unit_paths import median_unit
from bn_study.analysis.verdict import Row, Verdict
from bn_study.plan.compose import _parse, _text, compose
from bn_study.plan.expand import expand
from bn_study.report import words
from bn_study.store.store import Store

EXPERIMENT = """
question: Is it <b>faster</b>?
source: Ioffe & Szegedy 2015
base: {dataset: digits, model.widths: [8, 6], steps: 1000, schedule: log12}
grids:
  speed: {norm: [none, batch], optimizer.learning_rate: [0.1, 0.3, 1], seed: [0, 1, 2]}
  select: {like: speed, seed: [100, 101]}
  figure1:
    norm: [none, batch]
    optimizer.learning_rate: 0.1
    seed: [0, 1, 2]
    probe: [[curves, activations]]
    probe.activations.every: 100
    probe.activations.sites: [[pre]]
    probe.activations.units: true
tune:
  rate:
    grid: select
    factors: [optimizer.learning_rate]
    per: [norm]
    score: {steps_to: {metric: validation/accuracy}, scale: log2}
    level: {digits: 0.8}
    best: min
claims:
  faster:
    measure: {steps_to: {metric: test/accuracy}, scale: log2}
    level: {digits: 0.8}
    contrast: {norm=none: 1, norm=batch: -1}
    at: {optimizer.learning_rate: rate}
    grid: speed
    test: superiority
    margin: 0.5
    expect: supported | or not
  faster_everywhere: {like: faster, at: {}, contexts: [optimizer.learning_rate], says: always}
  steadier:
    measure:
      path_length: {site: layer2/pre, quantiles: [15, 50, 85], start: 200, end: 10000, relative: false}
      scale: log2
    contrast: {norm=none: 1, norm=batch: -1}
    grid: figure1
    test: superiority
    margin: 0.3
figures:
  figure1: {kind: ioffe_szegedy_1, grid: figure1}
discussion: Written afterwards.
"""
STEPS = [0, 50, 100, 200, 300, 400, 600, 800, 1000]
FACTS = {"classes": 10, "commit": "1234567890abcdef", "dirty": False}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, make_study):
    place = make_study(tmp_path_factory.mktemp("study"), tiny=EXPERIMENT)
    return compose(place.home, "tiny", [])[0]


def train(run, store, experiment, diverged_at=None):
    """Publish what a run might have recorded: normalized arms learn four times faster and move half as far."""
    spec, fast = run.spec, 4 if run.spec.norm.name == "batch" else 1
    random = np.random.default_rng([spec.seed, fast])
    time = 300 * (1 + 0.05 * random.random()) / fast / (1.5 if spec.optimizer.args["learning_rate"] == 0.3 else 1)
    steps = [step for step in STEPS if diverged_at is None or step < diverged_at]
    scalars = [
        (step, f"{split}/accuracy", "", 0.95 - 0.85 * math.exp(-step / time))
        for step in steps
        for split in ("test", "validation")
    ]
    vectors = []
    if any(probe.name == "activations" for probe in spec.probes):
        for layer, width in enumerate(spec.model.args["widths"], 1):
            reach = (1 + np.arange(width)[::-1] + 0.1 * random.random(width)) / fast
            for step in steps:
                for quantile, sign in ((15, -1), (50, 0), (85, 1)):
                    values = (sign + reach * math.sin(step / 150)).astype(np.float32)
                    vectors.append((step, f"activation/unit_q{quantile}", f"layer{layer}/pre", values))
    columns = ["step", "name", "site", "value"]
    facts = FACTS | {"status": "complete" if diverged_at is None else "diverged", "diverged_at": diverged_at}
    records = (pd.DataFrame(scalars, columns=columns), pd.DataFrame(vectors, columns=columns))
    store.publish(spec, *records, facts | {"stated": experiment.stated()})


def trained(experiment, root, leave_out=lambda spec: False, diverge=lambda spec: False):
    store = Store(root)
    store.prepare()
    for run in expand(experiment, {})[0]:
        if not leave_out(run.spec):
            train(run, store, experiment, 150 if diverge(run.spec) else None)
    return store


def reported(experiment, store, folder):
    """What the command line does. Returns what `write` was given and the files it wrote."""
    folder.mkdir(exist_ok=True)
    kept = [csv_files.read_csv(folder / one) if (folder / one).exists() else None for one in ("runs.csv", "curves.csv")]
    planned, _ = expand(experiment, {})
    runs = tables.runs_table(planned, store, asked(experiment), kept[0])
    csv_files.write_csv(runs, folder / "runs.csv")
    runs = csv_files.read_csv(folder / "runs.csv")
    curves = report.curves_table(experiment, planned, store, runs, kept[1])
    csv_files.write_csv(curves, folder / "curves.csv")
    curves = csv_files.read_csv(folder / "curves.csv")
    tuned = tune.choose(experiment, runs)
    found = verdicts(experiment, runs, tuned)
    return (runs, curves, found, tuned), report.write(folder, experiment, runs, curves, found, tuned)


def content(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(experiment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    store = trained(experiment, folder / "runs")
    return folder, store, *reported(experiment, store, folder / "tiny")


def test_the_files(whole):
    folder, _, _, files = whole
    names = [
        "verdicts.csv",
        "sensitivity.csv",
        "figure1.svg",
        "figure1.png",
        "figure1.csv",
        "figure1.json",
        "report.md",
    ]
    assert [path.name for path in files] == names
    assert sorted(content(folder / "tiny")) == sorted([*names, "runs.csv", "curves.csv"])


def test_the_page_says_how_firm_the_verdicts_are(whole):
    """A count of all outcomes, and a line for each that is fragile; sensitivity.csv has the others, too."""
    folder, *_ = whole
    table = csv_files.read_csv(folder / "tiny" / "sensitivity.csv")
    page = (folder / "tiny" / "report.md").read_text()
    section = page.split("### How firm each verdict is")[1].split("###")[0]
    fragile = table[table["fragile"].notna() & (table["fragile"] != "")]
    assert section.strip().startswith(f"{len(fragile)} of {len(table)} outcomes ") and len(table) > 0
    assert section.count("\n| ") == (len(fragile) + 1 if len(fragile) else 0)
    for row in fragile.to_dict("records"):
        assert f"| {row['claim']} |" in section and row["fragile"] in section


def test_curves_hold_what_is_drawn_and_no_more(whole, experiment):
    _, store, (runs, curves, _, _), _ = whole
    figure1 = runs[runs["grids"].str.contains("figure1")]
    assert set(curves["run"]) == {run[-tables.HASH :] for run in figure1["run"]} and len(figure1) == 6
    assert curves["name"].value_counts().to_dict() == {"test/accuracy": 6 * len(STEPS)} | {
        f"activation/unit_q{one}": 2 * len(STEPS) for one in (15, 50, 85)
    }
    for row in figure1[figure1["seed"] == 0].to_dict("records"):
        stored = store.read(row["run"])
        unit = median_unit(stored, "layer2/pre", [15, 50, 85], 200, 1000)
        mine = curves[(curves["run"] == row["run"][-tables.HASH :]) & (curves["name"] == "activation/unit_q85")]
        assert set(mine["unit"]) == {unit} == {3}
        vectors = stored.vectors
        wanted = vectors[(vectors["name"] == "activation/unit_q85") & (vectors["site"] == "layer2/pre")]["value"]
        np.testing.assert_allclose(mine["value"], [value[unit] for value in wanted], rtol=1e-5)


def test_evidence_redraws_without_the_cache(whole, experiment, tmp_path):
    folder, *_ = whole
    first = content(folder / "tiny")
    (tmp_path / "tiny").mkdir()
    for name in ("runs.csv", "curves.csv"):
        (tmp_path / "tiny" / name).write_bytes(first[name])
    reported(experiment, Store(tmp_path / "no_runs"), tmp_path / "tiny")
    assert content(tmp_path / "tiny") == first


AGAIN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_report import compose, reported, Store
reported(compose(Path(sys.argv[2]), "tiny", [])[0], Store(Path(sys.argv[3])), Path(sys.argv[4]))
"""


@pytest.mark.slow
def test_the_same_bytes_in_another_process_and_folder(whole, tmp_path, home, make_study):
    folder, store, _, _ = whole
    make_study(tmp_path, tiny=EXPERIMENT)
    for seed in ("1", "2"):
        arguments = [str(Path(__file__).parent), str(tmp_path), str(store.root), str(tmp_path / seed)]
        environment = {"PYTHONHASHSEED": seed, "PATH": "", "MPLCONFIGDIR": str(tmp_path), "PYTHONPATH": str(home)}
        subprocess.run([sys.executable, "-c", AGAIN, *arguments], env=environment, check=True)
        assert content(tmp_path / seed) == content(folder / "tiny")
    assert not any(str(tmp_path.parent).encode() in one for one in content(tmp_path / "1").values())


def test_the_page(whole, experiment):
    folder, _, (_, _, found, _), _ = whole
    page = (folder / "tiny" / "report.md").read_text()
    assert found["faster"].outcome == "open" and found["steadier"].outcome == "supported"
    for text in (
        "# tiny",
        "Is it &lt;b>faster&lt;/b>?",
        "Ioffe & Szegedy 2015",
        "not MNIST",
        "36 runs",
        "1234567890abcdef",
        "supported \\| or not",
        "norm=batch needs",
        "times fewer steps than norm=none",
        "path_length of norm=none is 4 [",
        "### faster_everywhere by context",
        "| optimizer.learning_rate=0.3 | **",
        "![figure1](figure1.svg)",
        "steadier: supported",
        "| rate | norm=none | optimizer.learning_rate=0.3 | no |",
        "| figure1 | 6 | 6 | 0 | 0 | 3 | 1,000 |",
        "Written afterwards.",
        "bn-study run tiny && bn-study report tiny",
    ):
        assert text in page, text
    assert "<b>" not in page and "Diverged (" not in page and "committed experiment" not in page
    lines = page.splitlines()
    for head, rule in pairwise(lines):
        if set(rule) == {"|", "-"}:
            rows = lines[lines.index(rule, lines.index(head)) + 1 :]
            table = rows[: rows.index("")]
            assert table and {row.replace("\\|", "").count("|") for row in (head, *table)} == {rule.count("|")}


def test_verdicts_and_captions_as_data(whole, experiment):
    folder, _, (runs, _, found, _), _ = whole
    table = csv_files.read_csv(folder / "tiny" / "verdicts.csv")
    assert table["claim"].tolist() == ["faster", *["faster_everywhere"] * 4, "steadier"]
    assert table["estimate"].iloc[0] == found["faster"].estimate
    about = json.loads((folder / "tiny" / "figure1.json").read_text())
    assert about["runs"] == sorted(runs.loc[runs["grids"].str.contains("figure1"), "run"])
    assert about["run_set"] in about["caption"] and "3 seeds" in about["caption"]
    numbers = csv_files.read_csv(folder / "tiny" / "figure1.csv")
    assert numbers["series"].unique().tolist() == ["accuracy", "p15", "p50", "p85", "path_length", "ratio"]


def test_diverged_and_missing_runs_are_named(experiment, tmp_path):
    store = trained(
        experiment,
        tmp_path / "runs",
        leave_out=lambda spec: spec.seed == 2 and spec.norm.name == "batch",
        diverge=lambda spec: (spec.norm.name, spec.seed, spec.optimizer.args["learning_rate"]) == ("none", 0, 0.1),
    )
    (_, _, found, _), _ = reported(experiment, store, tmp_path / "tiny")
    page = (tmp_path / "tiny" / "report.md").read_text()
    assert found["faster"].outcome == "missing" and "**missing**" in page
    assert "| figure1 | 6 | 5 | 1 | 1 | 3 | 1,000 |" in page
    assert page.count(" at step 150\n") == 2 and "✕" in page


@pytest.mark.parametrize("norms", [["none"], ["batch"]])
def test_an_arm_alone(experiment, tmp_path, norms):
    store = trained(experiment, tmp_path / "runs", leave_out=lambda spec: spec.norm.name not in norms or spec.seed > 0)
    (runs, _, _, _), files = reported(experiment, store, tmp_path / "tiny")
    assert len(runs) == 4 and all(path.exists() for path in files)


def test_a_study_without_docs_gets_no_link_to_them(experiment, whole, tmp_path):
    _, _, (runs, curves, found, tuned), _ = whole
    pages = []
    for documented in (True, False):
        report.write(tmp_path, experiment, runs, curves, found, tuned, png=False, documented=documented)
        pages.append((tmp_path / "report.md").read_text())
    assert "](../../docs/verdicts.md)" in pages[0]
    assert "](../../docs" not in pages[1] and "docs/verdicts.md of bn_study" in pages[1]


def test_changed_experiments_say_so_and_how_to_repeat_them(experiment, whole, tmp_path):
    _, _, (runs, curves, found, tuned), _ = whole
    changed = replace(experiment, changed=("model.widths=[8,6]", "seed=0,1,2"))
    report.write(tmp_path, changed, runs, curves, found, tuned)
    page = (tmp_path / "report.md").read_text()
    assert "bn-study run tiny 'model.widths=[8,6]' seed=0,1,2 && bn-study report tiny" in page
    assert "not the committed experiment: `model.widths=[8,6]`, `seed=0,1,2`." in page
    nameless = replace(experiment, name="adhoc", claims={}, figures={}, tune={}, question="", source="", discussion="")
    files = report.write(tmp_path, replace(nameless, changed=("norm=none,batch",)), runs, curves, {}, {})
    page = (tmp_path / "report.md").read_text()
    assert [path.name for path in files] == ["verdicts.csv", "report.md"]
    assert "bn-study run norm=none,batch && bn-study report norm=none,batch" in page
    assert "## Verdicts" not in page and "## Figures" not in page and "Discussion" not in page


# --- a sweep without an experiment file -------------------------------------------------------------------------------

SWEEP = ["norm=none,batch", "optimizer.learning_rate=0.1,0.3", "model.widths=[8,6]", "seed=range(2)"]


def adhoc(home, tmp_path, *overrides, **options):
    experiment = compose(home, None, overrides)[0]
    store = trained(experiment, tmp_path / "runs", **options)
    (runs, *_), files = reported(experiment, store, tmp_path / "adhoc")
    return runs, {path.name for path in files}, (tmp_path / "adhoc" / "report.md").read_text()


def test_a_sweep_has_a_figure_and_a_table_of_its_arms(home, tmp_path):
    def diverge(spec):
        return spec.norm.name == "none" and spec.optimizer.args["learning_rate"] == 0.3 and spec.seed == 1

    runs, files, page = adhoc(home, tmp_path, *SWEEP, diverge=diverge)
    assert {"accuracy.svg", "accuracy.png", "accuracy.csv", "accuracy.json"} <= files
    assert "loss.svg" not in files  # which these runs did not record
    label = "final(metric=test/accuracy)"
    values = runs[(runs["norm"] == "batch") & (runs["optimizer.learning_rate"] == 0.1)][label]
    low, high = stats.t.interval(0.95, 1, values.mean(), stats.sem(values))
    alone = runs[(runs["norm"] == "none") & (runs["optimizer.learning_rate"] == 0.3)][label].dropna()
    table = page[page.index("## Arms") : page.index("## How to reproduce it")].splitlines()
    assert table[2] == "| arm | seeds | final test/accuracy [95% interval] | diverged |"
    assert f"| norm=batch optimizer.learning_rate=0.1 | 2 | {values.mean():.3g} [{low:.3g}, {high:.3g}] | 0 |" in table
    assert f"| norm=none optimizer.learning_rate=0.3 | 2 | {alone.item():.3g} | 1 |" in table
    assert sum(line.startswith("| norm=") for line in table) == 4 and "![accuracy](accuracy.svg)" in page
    assert "A sweep from the command line: `model.widths=[8,6]`, `norm=none,batch`" in page


def test_a_sweep_that_recorded_nothing(home, tmp_path):
    _, files, page = adhoc(home, tmp_path, "probe=[]", leave_out=lambda spec: True)
    assert files == {"verdicts.csv", "report.md"} and "## Arms" in page and "![" not in page


def test_only_experiments_without_claims_have_a_table_of_arms(whole):
    folder, *_ = whole
    assert "## Arms" not in (folder / "tiny" / "report.md").read_text()


@pytest.mark.parametrize(
    ("overrides", "written"),
    [
        (["dataset.binarize=null,0.5"], "dataset.binarize=null,0.5"),
        (["model.normalize_input=true,False"], "model.normalize_input=true,false"),
        (["model.widths=[8, 6],[ 5 ]"], "model.widths=[8,6],[5]"),
        (["optimizer.learning_rate=1e-3"], "optimizer.learning_rate=0.001"),
        (["seed=range(2)"], "seed=0,1"),
        (["probe=[]"], "probe=[]"),
        (["probe=[curves, activations]", "probe.activations.sites=[pre]"], "probe.activations.sites=[pre]"),
        (["dataset=arrays", "dataset.path='{place}/a, b (1).npz'"], "dataset.path='{place}/a, b (1).npz'"),
        (["dataset=arrays", r"dataset.path='{place}/it\'s.npz','{place}/a, b (1).npz'"],
         r"dataset.path='{place}/it\'s.npz','{place}/a, b (1).npz'"),
        (["dataset=arrays", "dataset.path={place}/a b.npz"], "dataset.path={place}/a b.npz"),
        (["profile=mlp8tanh", "norm=none"], "norm=none"),  # its norm.momentum reaches no run
        (["profile=mlp8tanh"], "model.widths=[10,10,10,10,10,10,10,10]"),
    ],
)  # fmt: skip
def test_the_command_on_the_page_repeats_the_sweep(home, tmp_path, overrides, written):
    for name in ("a, b (1).npz", "it's.npz", "a b.npz"):
        (tmp_path / name).write_bytes(name.encode())
    experiment, _ = compose(home, None, [one.replace("{place}", str(tmp_path)) for one in overrides])
    assert written.replace("{place}", str(tmp_path)) in experiment.changed
    report.write(tmp_path, experiment, *nothing(experiment), {}, {})
    page = (tmp_path / "report.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith("bn-study run"))
    words = shlex.split(line.partition(" && ")[0])
    again, _ = compose(home, None, words[2:])
    assert again.changed == experiment.changed and again.digest == experiment.digest


@pytest.mark.parametrize("value", ["a", "a b", " a", "a,b", "[a]", "{a:b}", "null", "1", "1e3", "true", "", "it's", '"',
                                   "a\\", "range(2)", "a=b", "a:b", "${a}", "é", "x\\'y"])  # fmt: skip
def test_any_text_is_written_as_hydra_reads_it(value):
    for axis in ([value], [value, "b"], [[value, 1, None, True]], [{"k": value}]):
        assert _parse([f"x={_text(axis)}"]) == {"x": axis}


def nothing(experiment):
    """The two tables before anything is trained."""
    runs = tables.runs_table(expand(experiment, {})[0], Store(Path("none")), asked(experiment))
    return runs, tables.curves_table([], Store(Path("none")), {})


def a_verdict(**changes):
    rows = (Row("optimizer.learning_rate=0.1", "missing", "no run has norm=batch"), Row("x", "supported", "yes"))
    values = {
        "claim": "a_claim_with_a_rather_long_name",
        "statements": ("S000-a",),
        "says": "always",
        "test": "superiority",
        "margin": 0.5,
        "measure": "m",
        "outcome": "supported",
        "rows": rows,
        "reason": "mean 1.2 reaches the margin 0.5, [bold]",
        "stated": "",
        "replaced": 0,
    } | {"estimate": 1.23456, "low": 0.9, "high": -1234.5, "p": 1e-9, "n": 8}
    return Verdict(**values | changes)


def test_the_terminal_table_fits_100_columns(capsys):
    Console(width=100).print(report.terminal({"a": a_verdict(), "b": a_verdict(estimate=math.nan, rows=())}))
    lines = capsys.readouterr().out.splitlines()
    text = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 100
    for one in (
        "claim",
        "a_claim_with_a_",
        "rather_long_name",
        "outcome",
        "estimate",
        "[low, high]",
        "supported",
        "missing",
        "1.23",
        "[bold]",
        "< 0.0001",
        "–",
    ):
        assert one in text, one
    assert "learning_rate=0.1" in text and "…" not in text
    start = next(line.index("reason") for line in lines if "reason" in line)
    reasons = "".join(line[start:].replace(" ", "") for line in lines)
    assert "mean1.2reachesthemargin0.5,[bold]" in reasons and "norunhasnorm=batch" in reasons


def test_what_is_compared_in_words(experiment):
    claim = experiment.claims["faster"]

    def contrast(**weights):
        named = {name.replace("__", " ").replace("_is_", "="): weight for name, weight in weights.items()}
        return words.contrast(claim.model_copy(update={"contrast": named}))

    assert contrast(norm_is_none=1.0, norm_is_batch=-1.0) == "norm=none − norm=batch"
    assert contrast(norm_is_batch=1.0) == "norm=batch" and contrast(norm_is_none=-1.0) == "−norm=none"
    assert contrast(norm_is_batch=-1.0, constant=-2.0) == "−norm=batch − 2"
    assert contrast(norm_is_none=1.0, norm_is_batch=-0.5, constant=1.0) == "norm=none − 0.5 norm=batch + 1"
    both = {"norm_is_batch__place_is_after": 1.0, "norm_is_batch__place_is_before": -1.0}
    assert contrast(**both) == "norm=batch: place=after − place=before"
    assert contrast(norm_is_batch=1.0, norm_is_batch__x_is_2=-1.0) == "norm=batch − (norm=batch x=2)"
    several = {"combined": {"metrics": {"test/accuracy": 1.0, "test/accuracy_batch": -0.5}}}
    combined = claim.model_copy(update={"measure": several})
    assert words.quantity(combined) == "test/accuracy − 0.5 test/accuracy_batch"


def test_effects_in_words(experiment):
    faster, steadier = experiment.claims["faster"], experiment.claims["steadier"]
    row = Row("", "supported", "", estimate=1.0, low=0.5, high=2.0)
    assert words.effect(faster, row) == "norm=batch needs 2 [1.41, 4] times fewer steps than norm=none"
    slower = replace(row, estimate=-1.0, low=-2.0, high=-0.5)
    assert words.effect(faster, slower) == "norm=batch needs 2 [1.41, 4] times as many steps as norm=none"
    assert words.effect(steadier, row) == "path_length of norm=none is 2 [1.41, 4] times that of norm=batch"
    assert words.effect(faster, replace(row, low=math.nan, high=math.nan)).startswith("norm=batch needs 2 times fewer")
    assert words.effect(faster, replace(row, estimate=math.nan)) == ""
    accuracy = faster.model_copy(update={"measure": {"final": {"metric": "test/accuracy"}}, "level": {}})
    points = replace(row, estimate=0.012, low=0.01, high=0.02)
    assert words.effect(accuracy, points) == "norm=none is 1.2 [1, 2] points above norm=batch"
    for contrast in ({"norm=none": 1.0}, {"norm=none": 1.0, "norm=batch": -0.5}, {"norm=none": 1.0, "constant": -1.0}):
        assert words.effect(faster.model_copy(update={"contrast": contrast}), row) == ""
    assert words.interval(replace(row, low=math.nan, high=math.nan)) == "1"


POINTS = {"final": {"metric": "test/accuracy"}}
FACTOR = {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}


@pytest.mark.parametrize(
    ("measure", "effect", "said"),
    [
        (POINTS, (-0.0976, -0.11, -0.08), "norm=none is 9.76 [8, 11] points below norm=batch"),
        (
            POINTS, (0.003, -0.001, 0.007),
            "norm=none is 0.3 points above norm=batch (0.1 points below to 0.7 points above)",
        ),
        (
            POINTS, (-0.003, -0.007, 0.001),
            "norm=none is 0.3 points below norm=batch (0.7 points below to 0.1 points above)",
        ),
        (POINTS, (-0.02, math.nan, math.nan), "norm=none is 2 points below norm=batch"),
        (
            FACTOR, (0.5, -0.5, 1.5),
            "norm=batch needs 1.41 times fewer steps than norm=none (1.41 times as many to 2.83 times fewer)",
        ),
        (
            FACTOR, (-0.5, -1.5, 0.5),
            "norm=batch needs 1.41 times as many steps as norm=none (2.83 times as many to 1.41 times fewer)",
        ),
        (FACTOR, (0.0, 0.0, 0.0), "norm=batch needs as many steps as norm=none"),
        (FACTOR, (-1.0, -2.0, -1.0), "norm=batch needs 2 [2, 4] times as many steps as norm=none"),
    ],
)  # fmt: skip
def test_an_effect_in_words_has_a_direction_and_no_negative_number(experiment, measure, effect, said):
    claim = experiment.claims["faster"].model_copy(update={"measure": measure, "level": {}})
    estimate, low, high = effect
    assert words.effect(claim, Row("", "open", "", estimate=estimate, low=low, high=high)) == said


def test_a_small_effect_is_shown_with_its_sign():
    row = Row("", "small", "small: 90% interval within ±0.5, below 0", estimate=-0.2, low=-0.3, high=-0.1)
    assert words.outcome(row) == "small, below 0" and words.decided(row) == row.reason
    assert words.outcome(replace(row, low=0.1, high=0.3)) == "small, above 0"
    assert words.outcome(replace(row, high=0.1)) == words.outcome(replace(row, low=math.nan, high=math.nan)) == "small"
    open_ = replace(row, outcome="open", reason="the interval contains 0")
    assert words.outcome(open_) == "open" and words.decided(open_) == "open: the interval contains 0"


def test_a_report_says_which_gpus_trained_its_runs_and_nothing_of_the_cpu_alone(experiment, tmp_path):
    store = trained(experiment, tmp_path / "runs")
    (runs, curves, found, tuned), files = reported(experiment, store, tmp_path / "tiny")
    page = files[-1]
    assert "Trained on" not in page.read_text() and "device" not in runs
    devices = ["NVIDIA A40", *[""] * (len(runs) - 1)]
    report.write(tmp_path / "tiny", experiment, runs.assign(device=devices), curves, found, tuned)
    assert "\n- Trained on: CPU, NVIDIA A40\n" in page.read_text()
