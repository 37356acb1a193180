"""`load`, `export` and `compare --by`, on runs that nobody trained: against pandas and scipy on what was published."""

import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from figures import share_interval

import bn_study
from bn_study.analysis.csv_files import read_csv
from bn_study.cli.main import main
from bn_study.errors import UsageError
from bn_study.plan.compose import compose
from bn_study.sweep.status import plan_status

EXPERIMENT = """
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves, activations]}
grids:
  all: {norm: [none, batch], optimizer.learning_rate: [0.1, 1], seed: range(4)}
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    contexts: [optimizer.learning_rate]
    test: superiority
    margin: 0.01
figures:
  curve: {kind: curves, grid: all, metric: test/accuracy}
"""
STEPS = (0, 50, 100)


def accuracy(spec, step):
    """Rises to step 50, then falls a little; a plain net with seed 3 at the larger rate diverges."""
    base = 0.5 + 0.1 * (spec.norm.name == "batch") + 0.01 * spec.seed**2
    return base + {0: -0.3, 50: 0.1, 100: 0.05}[step] * spec.optimizer.args["learning_rate"] ** 0.1


def lost(spec):
    return spec.norm.name == "none" and spec.seed == 3 and spec.optimizer.args["learning_rate"] == 1


@pytest.fixture
def place(study_here):
    place = study_here(first=EXPERIMENT)
    place.store.prepare()
    experiment, _ = compose(place.home, "first", [])
    for run in plan_status(experiment, place.store).missing:
        spec = run.spec
        rows = [(step, "test/accuracy", "", accuracy(spec, step)) for step in (STEPS[:1] if lost(spec) else STEPS)]
        rows += [(0, "activation/std", "layer1/pre", 1.0 + spec.seed)]
        records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
        vectors = pd.DataFrame(
            [(0, "activation/histogram", "layer1/pre", np.array([1.0, spec.seed]))], columns=records.columns
        )
        status, at = ("diverged", 7) if lost(spec) else ("complete", None)
        facts = {"status": status, "diverged_at": at, "classes": 10, "commit": "a" * 40, "dirty": False}
        place.store.publish(spec, records, vectors, facts | {"stated": experiment.stated()})
    return place


@pytest.fixture
def call(place, capsys):
    def call(*arguments, code=0):
        assert main([*arguments]) == code
        return capsys.readouterr()

    return call


def specs(place, **kept):
    found = [run.spec for run in plan_status(compose(place.home, "first", [])[0], place.store).runs]
    return [one for one in found if all(one.settings[key.replace("__", ".")] == kept[key] for key in kept)]


def test_load_gives_what_was_recorded(place):
    found = bn_study.load("first")
    assert len(found.runs) == 16 and found.without_records == [] and found.unfinished == ""
    assert found.runs["status"].value_counts().to_dict() == {"complete": 15, "diverged": 1}
    assert list(found.records.columns) == ["run", "step", "name", "site", "value"]
    joined = found.records.merge(found.runs, on="run")
    for spec in specs(place):
        own = joined[(joined["run"] == spec.id) & (joined["name"] == "test/accuracy")].set_index("step")
        expected = {step: accuracy(spec, step) for step in (STEPS[:1] if lost(spec) else STEPS)}
        assert own["value"].to_dict() == expected and set(own["norm"]) == {spec.norm.name}
        vector = found.vectors[found.vectors["run"] == spec.id].sort_values("unit")
        assert vector["value"].tolist() == [1.0, spec.seed] and vector["unit"].tolist() == [0, 1]
    assert set(found.verdicts["claim"]) == {"better"} and len(found.verdicts) == 3


def test_overrides_narrow_it(place):
    found = bn_study.load("first", "norm=batch", "seed=0,1", "optimizer.learning_rate=1")
    wanted = specs(place, norm="batch", optimizer__learning_rate=1)[:2]
    assert set(found.runs["run"]) == set(found.records["run"]) == {one.id for one in wanted}


@pytest.mark.parametrize("words", [["csv", "first"], ["tensorboard", "first"]], ids=" ".join)
def test_a_damaged_run_is_moved_away_so_that_the_next_call_trains_it_again(place, call, words):
    spec = specs(place)[0]
    path = place.results / "runs" / spec.id / "vectors.parquet"
    content, times = path.read_bytes(), path.stat()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # the same size and time, so a glance sees nothing
    assert not plan_status(compose(place.home, "first", [])[0], place.store).missing
    said = call("export", *words, code=2).err
    assert len(said.splitlines()) <= 2 and f".damaged/{spec.id}-0" in said and "trains it again" in said
    assert [run.spec for run in plan_status(compose(place.home, "first", [])[0], place.store).missing] == [spec]


def test_without_the_cache_the_committed_tables_serve(place, call):
    call("report", "first")
    shutil.rmtree(place.results / "runs")
    whole, narrowed = bn_study.load("first"), bn_study.load("first", "optimizer.learning_rate=1")
    assert len(whole.runs) == len(whole.without_records) == 16 and len(narrowed.runs) == 8
    assert set(whole.records["name"]) == {"test/accuracy"} and whole.vectors.empty  # what the figure draws
    spec = specs(place, norm="batch")[0]
    own = whole.records[whole.records["run"] == spec.id].set_index("step")["value"].to_dict()
    assert own == pytest.approx({step: accuracy(spec, step) for step in STEPS}, rel=1e-5)
    assert set(narrowed.records["run"]) == set(narrowed.runs["run"])
    said = call("export", "csv", "first", "--to", str(place.home / "out"))
    assert "16 of 16 runs have only the committed tables" in said.out


def test_what_cannot_be_loaded_is_said(place):
    with pytest.raises(UsageError, match="no run is stored yet"):
        bn_study.load("first", "steps=7")
    with pytest.raises(UsageError, match="name an experiment"):
        bn_study.load()


def test_neither_import_nor_load_imports_tensorflow(place):
    code = "import sys, bn_study\nassert 'pandas' not in sys.modules\nbn_study.load('first').records\n"
    code += "assert not {'tensorflow', 'keras', 'wandb'} & set(sys.modules)\n"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize(("form", "read"), [("csv", read_csv), ("parquet", pd.read_parquet)])
def test_exported_tables_are_those_that_load_gives(place, call, tmp_path, form, read):
    said = call("export", form, "first", "--to", str(tmp_path / "out")).out
    found = bn_study.load("first")
    names = {"runs", "records", "vectors", "verdicts"}
    written = {line.rpartition("/")[2] for line in said.split()}
    assert {path.name for path in (tmp_path / "out").iterdir()} == written == {f"{name}.{form}" for name in names}
    for name in ("records", "vectors"):
        table = read(tmp_path / "out" / f"{name}.{form}")
        pd.testing.assert_frame_equal(table, getattr(found, name), check_dtype=False)
    runs = read(tmp_path / "out" / f"runs.{form}")
    assert runs["run"].tolist() == found.runs["run"].tolist()


def test_arms_against_scipy(place, call):
    said = call("compare", "first", "--by", "norm", "--metric", "test/accuracy", "--at", "best", "--csv").out
    table = pd.read_csv(io.StringIO(said)).set_index(["context", "arm"])
    best = {one.id: max(accuracy(one, step) for step in STEPS) for one in specs(place)}
    for rate in (0.1, 1):
        arms = {
            norm: [best[one.id] for one in specs(place, norm=norm, optimizer__learning_rate=rate) if not lost(one)]
            for norm in ("none", "batch")
        }
        for norm, numbers in arms.items():
            row = table.loc[(f"optimizer.learning_rate={rate}", f"norm={norm}")]
            assert (row["mean"], row["low"], row["high"]) == pytest.approx((np.mean(numbers), *share_interval(numbers)))
            assert row["n"] == len(numbers) and row["diverged"] == (norm == "none" and rate == 1)
        row, pairs = table.loc[(f"optimizer.learning_rate={rate}", "norm=batch")], len(arms["none"])
        differences = np.subtract(arms["batch"][:pairs], arms["none"])
        assert (row["difference"], row["pairs"], row["against"]) == (
            pytest.approx(differences.mean()), pairs, "norm=none",
        )  # fmt: skip


def test_arms_at_a_step_and_against_another(place, call):
    request = (
        "compare",
        "first",
        "optimizer.learning_rate=0.1",
        "--by",
        "norm",
        "--at",
        "50",
        "--against",
        "norm=batch",
    )
    rows = [json.loads(line) for line in call(*request, "--json").out.splitlines()]
    assert [row["arm"] for row in rows] == ["norm=none", "norm=batch"]
    assert rows[0]["difference"] == pytest.approx(-0.1) and rows[1]["difference"] is None
    said = call(*request).out
    assert "norm=none" in said and "-0.1" in said and "minus norm=batch" in said


def test_a_record_at_a_site(place, call):
    said = call("compare", "first", "--by", "norm", "--metric", "activation/std@layer1/pre", "--at", "0", "--csv").out
    assert pd.read_csv(io.StringIO(said))["mean"].tolist() == pytest.approx([2.5, 2.5, 2.0, 2.5])


def test_what_diverged_is_counted_in_words(place, call):
    said = call("compare", "first", "--by", "norm").out
    assert "3 ✕ 1" in said and "runs that diverged" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "nrm"], "unknown setting 'nrm'; did you mean norm?"),
        (["--by", "norm", "--metric", "test/acuracy"], "unknown record 'test/acuracy'; did you mean test/accuracy?"),
        (["--by", "norm", "--at", "end"], "give last, best or a step"),
        (["--by", "norm", "--at", "51"], "no run was measured at this step; the nearest are 0, 50, 100"),
        (["--by", "norm", "--against", "norm=group"], "unknown arm 'norm=group'"),
        (["--by", "norm", "--claim", "better"], "give one of them"),
        (["--at", "best"], "need --by"),
    ],
)
def test_bad_comparisons_are_refused(place, call, words, message):
    said = call("compare", "first", *words, code=2)
    assert message in said.err and said.out == "" and len(said.err.splitlines()) <= 2
