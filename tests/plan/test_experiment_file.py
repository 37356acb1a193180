"""The schema and the page of experiment files: current, and of the same mind as what reads the files."""

import copy
import json

import jsonschema
import pytest

from bn_study.errors import UsageError
from bn_study.plan import experiment_file, places
from bn_study.plan.experiment import Claim, Tune
from bn_study.plan.experiment_file import ExperimentFile, explained
from bn_study.plan.reading import Sections, checked, load, read_experiment

MINIMAL = {
    "grids": {"main": {"norm": ["none", "batch"], "seed": "range(2)"}},
    "claims": {
        "it": {
            "measure": {"final": {"metric": "test/accuracy"}}, "contrast": {"norm=batch": 1, "norm=none": -1},
            "test": "superiority", "margin": 0.01,
        },
        "again": {"like": "it", "margin": 0.02},
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def validator(home):
    schema = json.loads((home / experiment_file.SCHEMA).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_schema_and_page_are_current(home):
    """If not: python scripts/experiment_file.py."""
    assert json.loads((home / experiment_file.SCHEMA).read_text()) == experiment_file.schema()
    assert (home / experiment_file.PAGE).read_text() == experiment_file.page()


@pytest.mark.parametrize("model", [ExperimentFile, Claim, Tune])
def test_every_field_is_explained(model):
    assert all(explained(model).values())


def test_the_committed_experiments_are_valid(home, validator):
    files = places.experiments(home)
    assert len(files) > 10
    for name in files:
        validator.validate(read_experiment(home, name))


def test_the_experiment_of_a_new_study_is_valid(validator, home):
    validator.validate(load(home / "bn_study/cli/study/experiments/my_question.yaml", "my_question"))


def without(content, *keys):
    for key in keys[:-1]:
        content = content[key]
    del content[keys[-1]]


def put(content, value, *keys):
    for key in keys[:-1]:
        content = content[key]
    content[keys[-1]] = value


WRONG = {
    "an unknown section": lambda file: put(file, {}, "claim"),
    "an unknown field": lambda file: put(file, 1, "claims", "it", "margins"),
    "a missing field": lambda file: without(file, "claims", "it", "contrast"),
    "a word for a number": lambda file: put(file, "small", "claims", "it", "margin"),
    "another word": lambda file: put(file, "often", "claims", "it", "says"),
    "a number for a text": lambda file: put(file, 5, "question"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_the_schema_refuses_what_the_reader_refuses(validator, change):
    validator.validate(MINIMAL)
    wrong = copy.deepcopy(MINIMAL)
    change(wrong)
    assert not validator.is_valid(wrong)
    with pytest.raises(UsageError):
        sections = Sections("experiments/x.yaml", wrong)
        sections.nothing_else()
        sections.text("question")
        for name, entry in sections.entries("claims", like=True).items():
            checked(Claim, name, {"grid": "main"} | entry)


def test_a_study_may_name_parts_that_the_schema_does_not_know(validator):
    own = copy.deepcopy(MINIMAL)
    own["grids"]["main"] |= {"norm": ["none", "mine"], "norm.mine": 3, "model": "also_mine"}
    own["claims"]["it"]["test"] = "mine"
    own["figures"] = {"one": {"kind": "mine", "grid": "main"}}
    validator.validate(own)
