"""What holds for every file of every part folder. A new file is tested by being there.

The checks are the package's own, because `bn-study doctor --parts` makes them of a study's parts.
"""

import pytest
from standin import BUILT_IN

from bn_study.cli import conformance
from bn_study.cli.conformance import CONFIGURED
from bn_study.plan import parts
from bn_study.training import conformance as training
from bn_study.training.conformance import configured

ALL = [(kind, name) for kind in parts.FUNCTIONS for name in parts.names(kind)]


def of(kind):
    return parts.names(kind)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in ALL if kind != "figure"])
def test_parsed_signature_is_the_real_one(kind, name):
    conformance.says_its_options(kind, name)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_part_defines_what_its_kind_needs(kind, name):
    parts.check(kind, name)


@pytest.mark.parametrize("name", of("measure"))
def test_a_measure_needs_records_by_its_own_arguments(name):
    conformance.needs_by_its_options(name)


@pytest.mark.parametrize("name", of("test"))
def test_a_verdict_test_says_which_missing_values_stand_against_it(name):
    conformance.stands_against(name)


@pytest.mark.parametrize("name", of("launcher"))
def test_a_launcher_that_leaves_its_workers_can_find_them_again(name):
    conformance.finds_its_workers(name)


@pytest.mark.parametrize("name", of("figure"))
def test_a_figure_is_a_frozen_dataclass_whose_parsed_fields_are_the_real_ones(name):
    conformance.is_a_drawing(name)


@pytest.mark.parametrize("name", of("figure"))
def test_what_a_figure_draws_of_a_run_is_what_it_says_it_needs(name):
    conformance.draws_what_it_needs(name)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in ALL if kind in CONFIGURED])
def test_yaml_gives_every_argument_and_nothing_else(home, kind, name):
    conformance.has_its_values(home, kind, name)


@pytest.mark.parametrize("kind", CONFIGURED)
def test_every_file_in_conf_has_its_part(home, kind):
    assert sorted(path.stem for path in (home / "conf" / kind).glob("*.yaml")) == parts.names(kind)


@pytest.fixture(scope="module")
def digits(home):
    return parts.call("dataset", configured(home, "dataset", "digits"))


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_data_set_loads_the_same_again(home, name):
    training.loads_the_same_again(home, name)


SMALL = {"cnn": {"blocks": [[4], [8]], "dense": [12]}, "resnet": {"filters": [4, 8], "blocks": 1},
         "recurrent": {"units": [8, 4]}}  # fmt: skip
"""Options with which a model is built in no time."""


@pytest.mark.parametrize("model", of("model"))
def test_model_has_the_same_kernels_whatever_the_normalizer_and_its_sites_in_order(home, digits, model):
    training.starts_alike_with_any_normalizer(home, model, digits, of("norm"), **SMALL.get(model, {}))


@pytest.mark.parametrize("norm", of("norm"))
def test_norm_keeps_the_shape_and_has_finite_gradients(home, norm):
    training.keeps_the_shape(home, norm)


@pytest.mark.parametrize("norm", of("norm"))
def test_inference_does_not_see_batch_mates(home, norm):
    training.infers_alone(home, norm)


@pytest.fixture(scope="module")
def trained(specify):
    """norm -> a run of few steps that all probes look at, and what it leaves; trained once."""
    known = {}

    def trained(norm):
        if norm not in known:
            every = f"probe=[{','.join(of('probe'))}]"
            spec = specify(f"norm={norm}", "model.widths=[8,8]", every, "steps=5", "model.dropout=0.2")
            known[norm] = spec, *training.trained(spec)
        return known[norm]

    return trained


@pytest.mark.parametrize("norm", of("norm"))
@pytest.mark.parametrize("probe", of("probe"))
def test_probe_yields_names_sites_and_numbers_and_changes_nothing(trained, probe, norm):
    spec, program, evaluator = trained(norm)
    without = {
        "discrepancy": not program.network.normalizers, "learned_scale": not program.network.normalizers,
        "predictions": evaluator.data.classes is not None, "importance": evaluator.data.feature_factors is None,
    }  # fmt: skip
    training.looks_and_changes_nothing(probe, spec, program, evaluator, [one for one in without if without[one]])
    training.records_what_it_declares(probe, spec, program, evaluator)


@pytest.mark.parametrize("kind", ["dataset", "model", "norm"])
def test_every_choice_builds_and_runs_forward(specify, kind):
    available = [name for name in of(kind) if kind != "dataset" or name in BUILT_IN]
    for name in available:
        training.runs_forward(specify(f"{kind}={name}"))
