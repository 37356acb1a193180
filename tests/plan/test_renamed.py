"""Settings that have other names now: what was written with the old ones is read, and no id or hash changes."""

import json
import re

import pandas as pd
import pytest

from bn_study.analysis import tables
from bn_study.analysis.csv_files import write_csv
from bn_study.cli.main import main
from bn_study.errors import UsageError
from bn_study.plan import renamed
from bn_study.plan.compose import compose
from bn_study.store.stored_run import StoredRun

OLD = ("dataset=mnist", "dataset.binarise=0.5", "model.normalise_input=true", "norm=batch", "measure=log60",
       "measure.points=7", "probes=[curves,activations]", "probes.activations.sites=[pre]")  # fmt: skip
NEW = ("dataset=mnist", "dataset.binarize=0.5", "model.normalize_input=true", "norm=batch", "schedule=log60",
       "schedule.points=7", "probe=[curves,activations]", "probe.activations.sites=[pre]")  # fmt: skip
PINNED = "batch-mlp-mnist-s0-f71fc5d4ca"
"""The id that the version before the renaming gave these settings."""


def in_old_words(text):
    """An experiment file as it was written before."""
    for old, new in {"measure": "schedule", "probes": "probe"}.items():
        text = re.sub(rf"(?m)(^ *|[{{,\[] ?){new}(\.\w|: (?:\[|log))", rf"\g<1>{old}\g<2>", text)
    for old, new in (renamed.OPTIONS | renamed.SECTIONS).items():
        text = text.replace(new, old)
    return text


def test_a_run_has_the_id_that_it_had(specify):
    assert specify(*OLD) == specify(*NEW)
    assert specify(*NEW).id == PINNED
    assert not {"schedule", "probe", "binarize", "normalize_input"} & set(re.findall(r"\w+", specify(*NEW).canonical()))


@pytest.mark.parametrize("name", ["faster_convergence", "layer_histograms", "sanity_checks"])
def test_an_experiment_file_may_say_either(home, make_study, tmp_path, name):
    text = (home / "experiments" / f"{name}.yaml").read_text()
    assert in_old_words(text) != text
    study = make_study(tmp_path / "study", **{name: in_old_words(text)})
    before, now = (compose(folder, name, [])[0] for folder in (study.home, home))
    assert before.stated() == now.stated() and before.digest == now.digest
    assert before == now


def test_claims_and_tunings_name_settings_by_either(make_study, tmp_path):
    text = """
grids:
  select: {dataset.binarize: [0.4, 0.6], norm: [none, batch], seed: [100, 101]}
  main: {dataset.binarize: cut, norm: [none, batch], seed: [0, 1]}
tune:
  cut:
    {grid: select, factors: [dataset.binarize], per: [norm], score: {final: {metric: validation/accuracy}}, best: max}
claims:
  better:
    grid: main
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    at: {dataset.binarize: cut}
    test: superiority
    margin: 0.01
"""
    study = make_study(tmp_path / "study", new=text, old=text.replace("binarize", "binarise"))
    new, old = (compose(study.home, name, [])[0] for name in ("new", "old"))
    assert old.stated() == new.stated() == {"better": "541bd2c895"}
    assert old.claims == new.claims and old.tune == new.tune


def test_experiments_are_found_by_their_old_names(home):
    assert compose(home, "oracles", [])[0].name == "sanity_checks"
    with pytest.raises(UsageError, match="unknown experiment 'oracle'"):
        compose(home, "oracle", [])


def test_a_stored_run_is_read_in_the_new_words(tmp_path):
    settings = {"measure.points": 7, "probes": ["curves"], "dataset.binarise": 0.5, "norm": "batch"}
    folder = tmp_path / "batch-mlp-mnist-s0-0123456789"
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps({"canonical": "{}", "settings": settings}))
    (folder / "provenance.json").write_text(json.dumps({"status": "complete", "checksums": {}}))
    assert StoredRun(folder).spec["settings"] == {
        "schedule.points": 7, "probe": ["curves"], "dataset.binarize": 0.5, "norm": "batch",
    }  # fmt: skip


def test_a_table_of_runs_is_read_in_the_new_words(tmp_path):
    label = "steps_to(level=0.9,metric=test/accuracy)"
    write_csv(
        pd.DataFrame({"run": ["a"], "measure.points": [7], "probes.curves.images": [9], label: [3.0]}), tmp_path / "x"
    )
    assert list(tables.read_runs(tmp_path / "x")) == ["run", "schedule.points", "probe.curves.images", label]


def test_settings_that_arms_are_compared_by_may_have_either(home, monkeypatch, capsys):
    monkeypatch.setenv("BN_STUDY_HOME", str(home))
    monkeypatch.delenv("BN_STUDY_RESULTS", raising=False)  # which launcher=inline leaves behind
    said = []
    for by in ("measure.first", "schedule.first"):
        assert main(["compare", "learning_rate_gain", "--by", by, "--csv"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and "schedule.first=" in said[0]
