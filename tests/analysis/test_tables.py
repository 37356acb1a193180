import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bn_study.analysis.asked import Asked, asked, final
from bn_study.analysis.csv_files import read_csv, write_csv
from bn_study.analysis.measures import parse
from bn_study.analysis.tables import EVERY, Curve, curves_table, runs_table
from bn_study.errors import UsageError
from bn_study.plan.experiment import Experiment, Grid, PlannedRun, Tune
from bn_study.plan.spec import Part, RunSpec
from bn_study.store.store import Store

STEPS = Asked("speed", parse({"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}), {"digits": 0.5})
LAST = Asked("select", parse({"final": {"metric": "test/accuracy"}}), {})
STEPS_LABEL, LAST_LABEL = "steps_to(level=0.5,metric=test/accuracy)", "final(metric=test/accuracy)"


def planned(norm, seed, grids=("speed",), rate=0.1):
    norms = {"none": Part("none", {}), "batch": Part("batch", {"placement": "before", "center": True, "groups": 4})}
    model = Part("mlp", {"widths": [100, 100], "dropout": None})
    optimizer = Part("sgd", {"learning_rate": rate})
    spec = RunSpec(Part("digits", {}), model, norms[norm], optimizer, 1000, 60, seed, (Part("curves"),), {})
    return PlannedRun(spec, grids)


def publish(store, run, accuracies=(0.1, 0.6, 1 / 3 + 0.4), status="complete", **provenance):
    rows = [(100 * (index + 1), "test/accuracy", "", value) for index, value in enumerate(accuracies)]
    records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
    vectors = pd.DataFrame(
        [(step, "activation/unit_q50", "layer1/pre", np.array([0.0, step / 7])) for step in (100, 200)],
        columns=["step", "name", "site", "value"],
    )
    facts = {"status": status, "diverged_at": None, "classes": 10, "commit": "1234567890", "dirty": False}
    store.publish(run.spec, records, vectors, facts | {"stated": {"faster": "abc", "a": "123"}} | provenance)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    return store


def through_csv(table, folder):
    write_csv(table, folder / "table.csv")
    return read_csv(folder / "table.csv")


def test_a_row_per_stored_run_with_every_setting_and_measure(store):
    runs = [planned("none", 0), planned("batch", 0, ("speed", "select")), planned("batch", 1)]
    for run in runs[:2]:
        publish(store, run)
    table = runs_table(runs, store, [STEPS, LAST])
    assert len(table) == 2
    none, batch = table.set_index("norm").loc["none"], table.set_index("norm").loc["batch"]
    assert (none[STEPS_LABEL], batch[STEPS_LABEL]) == (200, 200)
    assert math.isnan(none[LAST_LABEL]) and batch[LAST_LABEL] == 0.733333333
    assert batch["grids"] == "speed select" and batch["model.widths"] == "[100,100]" and batch["probe"] == '["curves"]'
    assert batch["stated"] == "a:123 faster:abc" and batch["status"] == "complete" and batch["classes"] == 10
    assert pd.isna(none["norm.placement"]) and batch["norm.center"] and batch["norm.groups"] == 4


def test_a_resumed_run_is_what_all_its_attempts_were(store):
    """It counts from the first one, and claims that were stated meanwhile came too late."""
    run = planned("none", 0)
    study = {"commit": "first", "dirty": True, "date": "2026-01-01"}
    first = {"dirty": False, "study": study, "stated": {"a": "123", "faster": "xyz"}, "numerics": "native"}
    later = {"study": study | {"commit": "second", "dirty": False}, "numerics": "portable"}
    publish(store, run, earlier=[first, {"dirty": False, "numerics": "native"}], **later)
    row = runs_table([run], store, [LAST]).iloc[0]
    assert (row["commit"], row["dirty"], row["stated"]) == ("first", True, "a:123")
    assert row["numerics"] == "native + portable"


def test_the_tables_come_back_bit_for_bit(store, tmp_path):
    runs = [planned("none", 0), planned("batch", 0), planned("batch", 1)]
    publish(store, runs[0])
    publish(store, runs[1], status="diverged", diverged_at=17)
    publish(store, runs[2], accuracies=(0.1, 0.2, 0.3))
    table = runs_table(runs, store, [STEPS])
    again = through_csv(table, tmp_path)
    pd.testing.assert_frame_equal(again, table)
    first = (tmp_path / "table.csv").read_bytes()
    through_csv(again, tmp_path)
    assert (tmp_path / "table.csv").read_bytes() == first
    assert b"\r" not in first and again["diverged_at"].dropna().tolist() == [17]
    assert set(again["norm"]) == {"none", "batch"} and again["commit"].iloc[0] == "1234567890"


cells = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False),
    st.sampled_from(["none", "NA", "null", "True", "true", "1e-3", "007", "1.0", "nan", "inf", 'a "b", c', "~", "é"]),
)


@settings(max_examples=200)
@given(st.lists(st.tuples(cells, cells, st.floats(), st.text("0123456789ef", max_size=10)), min_size=1, max_size=5))
def test_any_csv_is_written_as_it_was_read(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("csv")
    write_csv(pd.DataFrame(rows, columns=["a", "b", "value", "run"], dtype=object), folder / "one.csv")
    table = read_csv(folder / "one.csv")
    write_csv(table, folder / "two.csv")
    assert (folder / "two.csv").read_bytes() == (folder / "one.csv").read_bytes()
    pd.testing.assert_frame_equal(read_csv(folder / "two.csv"), table)


@settings(max_examples=100)
@given(st.lists(st.floats(), min_size=1, max_size=6))
def test_floats_are_exact(tmp_path_factory, values):
    again = through_csv(pd.DataFrame({"x": values, "n": 1}), tmp_path_factory.mktemp("csv"))["x"]
    assert np.array_equal(again.astype(float).to_numpy(), np.array(values), equal_nan=True)


def test_order_does_not_depend_on_the_plan(store):
    runs = [planned(norm, seed, rate=rate) for norm in ("none", "batch") for rate in (10.0, 9.0) for seed in (10, 9)]
    for run in runs:
        publish(store, run)
    table = runs_table(runs, store, [STEPS])
    pd.testing.assert_frame_equal(table, runs_table(runs[::-1], store, [STEPS]))
    assert table["seed"].tolist() == [9, 10] * 4 and table["optimizer.learning_rate"].tolist()[:4] == [9, 9, 10, 10]


def test_committed_rows_serve_where_the_store_has_none(store, tmp_path):
    runs = [planned("none", 0), planned("batch", 0)]
    for run in runs:
        publish(store, run)
    table = runs_table(runs, store, [STEPS])
    empty = Store(tmp_path / "empty")
    again = runs_table(runs, empty, [STEPS], kept=through_csv(table, tmp_path))
    pd.testing.assert_frame_equal(again, table)
    wanted = {run.spec.id: [Curve("test/accuracy", "")] for run in runs}
    curves = curves_table(runs, store, wanted)
    kept = through_csv(curves, tmp_path)
    pd.testing.assert_frame_equal(curves_table(runs, empty, wanted, kept), curves)
    assert curves_table(runs, empty, {key: [Curve("test/loss", "")] for key in wanted}, kept).empty


def test_a_committed_row_without_a_measure_that_is_asked_now_does_not_serve(store, tmp_path):
    run, other = planned("none", 0), planned("none", 1, ("select",))
    publish(store, run)
    publish(store, other)
    kept = runs_table([run, other], store, [STEPS, LAST])
    empty = Store(tmp_path / "empty")
    both = [STEPS, Asked("speed", LAST.measure, {})]
    assert LAST_LABEL in kept and runs_table([run], empty, both, kept=kept).empty
    assert len(runs_table([run], empty, [STEPS], kept=kept)) == 1


def experiment(**claims):
    score = {"final": {"metric": "validation/accuracy"}}
    tune = Tune(grid="select", factors=[], per=[], score=score, best="max")
    grids = {name: Grid(name, {}, ()) for name in ("speed", "select")}
    return Experiment("x", "", "", grids, {"rate": tune}, claims, {}, "", ())


def test_every_grid_is_asked_for_final_accuracy_and_loss():
    found = [(one.grid, one.measure.label(None), one.metric) for one in asked(experiment())]
    finals = [(f"final(metric={metric})", metric) for metric in ("test/accuracy", "test/loss")]
    assert found == [
        *((grid, *one) for grid in ("speed", "select") for one in finals),
        ("select", "final(metric=validation/accuracy)", ""),
    ]


def test_finals_are_there_where_a_run_recorded_them(store, tmp_path):
    complete, lost = planned("none", 0), planned("none", 1)
    publish(store, complete)
    publish(store, lost, status="diverged", diverged_at=17)
    measures = [one for one in asked(experiment()) if one.grid == "speed"]
    table = runs_table([complete, lost], store, measures)
    assert table[LAST_LABEL].tolist()[0] == 0.733333333 and math.isnan(table[LAST_LABEL].iloc[1])
    assert table["final(metric=test/loss)"].isna().all()
    assert set(table["measured"]) == {f"{LAST_LABEL} final(metric=test/loss)"}
    kept = through_csv(table, tmp_path)
    empty = Store(tmp_path / "empty")
    pd.testing.assert_frame_equal(runs_table([complete, lost], empty, measures, kept), table)
    assert runs_table([complete], empty, measures, kept=runs_table([complete], store, [STEPS])).empty


def test_a_figure_draws_the_end_of_a_record_that_belongs_to_a_layer(store):
    complete, lost, without = planned("none", 0), planned("none", 1), planned("none", 2)
    rows = [(step, "activation/std", "layer1/pre", value) for step, value in ((100, 2.0), (200, 0.5))]
    for run, status in ((complete, "complete"), (lost, "diverged")):
        records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
        store.publish(run.spec, records, records.iloc[:0], {"status": status, "diverged_at": None, "classes": 10,
                      "commit": "1234567890", "dirty": False, "stated": {}})  # fmt: skip
    publish(store, without)
    shown = {"kind": "over_factor", "grids": ["speed"], "metrics": ["activation/std@layer1/pre"]}
    (drawn,) = (one for one in asked(replace(experiment(), figures={"a": shown})) if one.drawn)
    table = runs_table([complete, lost, without], store, [drawn])
    assert table[drawn.measure.label(None)].fillna(-1).tolist() == [0.5, -1, -1]


def test_a_committed_row_serves_without_what_only_a_figure_draws(store, tmp_path):
    run = planned("none", 0, ("speed", "select"))
    publish(store, run)
    shown = {"kind": "over_factor", "grids": ["speed"], "beside": ["select"], "metrics": ["test/accuracy", "test/loss"]}
    draws = replace(experiment(), figures={"a": shown | {"metrics": ["test/accuracy", "validation/accuracy"]}})
    added = [one for one in asked(draws) if one.drawn]
    assert [(one.grid, one.metric) for one in added] == [(grid, "validation/accuracy") for grid in ("speed", "select")]
    assert not [one for one in asked(replace(experiment(), figures={"a": shown})) if one.drawn]
    kept = through_csv(runs_table([run], store, [LAST]), tmp_path)
    again = runs_table([run], Store(tmp_path / "empty"), [LAST, added[0]], kept)
    assert again[LAST_LABEL].tolist() == kept[LAST_LABEL].tolist() and again["measured"].tolist() == [LAST_LABEL]
    assert again["final(metric=validation/accuracy)"].isna().all()
    whole = runs_table([run], store, [LAST, added[0]])
    assert set(whole["measured"].iloc[0].split()) == {LAST_LABEL, "final(metric=validation/accuracy)"}


def test_a_claim_on_what_no_run_recorded_is_an_error(store):
    run = planned("none", 0)
    publish(store, run)
    optional, stated = (Asked("speed", final("test/loss"), {}, metric) for metric in ("test/loss", ""))
    assert len(runs_table([run], store, [optional])) == 1
    for measures in ([optional, stated], [stated, optional]):
        with pytest.raises(UsageError, match="test/loss"):
            runs_table([run], store, measures)


def test_only_the_arms_of_a_claim_need_what_it_is_about(store):
    """A plain net has no records of normalizers, and the claim on them may share its grid."""
    plain = planned("none", 0)
    publish(store, plain)
    spread = parse({"layer_mean": {"name": "discrepancy/output", "site": "norm", "step": None}})
    with pytest.raises(UsageError, match=r"none-.*discrepancy/output"):
        runs_table([plain], store, [Asked("speed", spread, {})])
    for arm in ("norm=batch", "grid=select", "norm=batch grid=speed"):
        table = runs_table([plain], store, [Asked("speed", spread, {}, arms=(arm,))])
        assert table[spread.label(None)].isna().all()
    for arms in (("norm=none",), ("norm=batch", "grid=speed")):
        with pytest.raises(UsageError, match=r"none-.*discrepancy/output"):
            runs_table([plain], store, [Asked("speed", spread, {}, arms=arms)])
    one, other = (Asked("speed", spread, {}, arms=(f"norm={norm}",)) for norm in ("batch", "none"))
    for together in ([one, other], [other, one], [one, Asked("speed", spread, {})], [Asked("speed", spread, {}), one]):
        with pytest.raises(UsageError, match=r"none-.*discrepancy/output"):
            runs_table([plain], store, together)


def test_a_row_lists_the_claims_on_its_grids(store):
    """Hundreds of rows would otherwise repeat all claims of an experiment. One that is no claim any more stays."""
    run = planned("none", 0)  # published with the claims `faster` and `a`
    publish(store, run)
    here, there = (replace(STEPS, claim="faster", grid=grid) for grid in ("speed", "select"))
    for measures, stated in (([here, there], "a:123 faster:abc"), ([there], "a:123"), ([STEPS], "a:123 faster:abc")):
        kept = runs_table([run], store, measures)
        assert kept["stated"].tolist() == [stated]
        assert runs_table([run], Store(store.root / "none"), measures, kept)["stated"].tolist() == [stated]


def test_the_store_wins_over_committed_rows(store):
    run = planned("none", 0)
    publish(store, run)
    table = runs_table([run], store, [STEPS])
    assert runs_table([run], store, [STEPS], kept=table.assign(**{STEPS_LABEL: 5.0}))[STEPS_LABEL].tolist() == [200]


def test_a_damaged_run_is_set_aside_and_counts_as_missing(store, capsys):
    run = planned("none", 0)
    publish(store, run)
    with open(store.root / run.spec.id / "records.parquet", "ab") as file:
        file.write(b"x")
    assert runs_table([run], store, [STEPS]).empty
    assert not store.done(run.spec.id) and "counts as missing" in capsys.readouterr().err
    assert set(runs_table([run], store, [STEPS])) >= {"run", "seed", STEPS_LABEL, "norm"}


def test_curves_hold_what_is_asked_for_and_no_more(store, tmp_path):
    run, other = planned("none", 0), planned("none", 1, ("select",))
    publish(store, run)
    publish(store, other)
    wanted = [Curve("test/accuracy", ""), Curve("activation/unit_q50", "layer1/pre", unit=lambda stored: 1)]
    table = curves_table([run, other], store, {run.spec.id: wanted})
    assert set(table["run"]) == {run.spec.id[-10:]}
    scalars, vectors = table[table["site"] == ""], table[table["site"] == "layer1/pre"]
    assert scalars["value"].tolist() == [0.1, 0.6, 0.733333] and scalars["unit"].isna().all()
    assert vectors["value"].tolist() == [14.2857, 28.5714] and vectors["unit"].tolist() == [1, 1]
    pd.testing.assert_frame_equal(through_csv(table, tmp_path), table)


def test_curves_hold_whole_vectors_at_the_steps_that_figures_draw(store, tmp_path):
    run = planned("batch", 0)
    publish(store, run)
    vector = Curve("activation/unit_q50", "layer1/pre", EVERY, (-1,))
    wanted = {run.spec.id: [vector, replace(vector, steps=(100, 300))]}
    for curves, steps in (({run.spec.id: [vector]}, [200]), (wanted, [100, 200])):
        table = curves_table([run], store, curves)
        expected = [(step, unit, float(f"{unit * np.float32(step / 7):.6g}")) for unit in (0, 1) for step in steps]
        assert list(table[["step", "unit", "value"]].itertuples(index=False, name=None)) == expected
        again = curves_table([run], Store(tmp_path / "gone"), curves, through_csv(table, tmp_path))
        pd.testing.assert_frame_equal(again, table)


def test_curves_of_a_whole_experiment_stay_small(tmp_path):
    rows = [("0123456789", step, "test/accuracy", "", None, 0.123457) for _ in range(112 * 2) for step in range(60)]
    write_csv(pd.DataFrame(rows, columns=["run", "step", "name", "site", "unit", "value"]), tmp_path / "curves.csv")
    assert (tmp_path / "curves.csv").stat().st_size < 1e6


def test_a_step_that_overrides_moved_away_is_no_value(store):
    """In the experiment as it stands it is an error: nobody would notice that a claim never had a number."""
    at = parse({"value": {"name": "test/accuracy", "site": "", "step": 250}})
    run = planned("none", 0)
    publish(store, run)  # measured at 100, 200 and 300
    with pytest.raises(UsageError, match="not measured at step 250, but at 100, 200, 300"):
        runs_table([run], store, [Asked("speed", at, {})])
    (found,) = runs_table([run], store, [Asked("speed", at, {}, moved=True)])[at.label(None)]
    assert math.isnan(found)
