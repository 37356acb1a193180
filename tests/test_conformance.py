"""What holds for every file of every part folder. A new file is tested by being there."""

import inspect
import re
from dataclasses import MISSING, fields
from functools import partial
from typing import get_type_hints

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from omegaconf import OmegaConf

from bn_study.analysis.needed import LAYERS
from bn_study.plan import parts
from bn_study.plan.declared import layer_sites
from bn_study.plan.spec import Part
from bn_study.training.evaluation import Evaluation
from bn_study.training.program import build_network
from bn_study.training.train import Programs, train

ALL = [(kind, name) for kind in parts.FUNCTIONS for name in parts.names(kind)]
CONFIGURED = [kind for kind in parts.FUNCTIONS if kind in ("dataset", "model", "norm", "probe", "launcher", "mirror")]
"""The kinds whose parts have a file in conf/."""


def configured(home, kind, name):
    """The values of a part's file in conf/."""
    content = OmegaConf.to_container(OmegaConf.load(home / "conf" / kind / f"{name}.yaml"))
    return {key: value for key, value in content.items() if key not in ("name", "every")}


def of(kind):
    return parts.names(kind)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in ALL if kind != "figure"])
def test_parsed_signature_is_the_real_one(kind, name):
    _, function = parts.FUNCTIONS[kind].split("/")
    real = getattr(parts.find(kind, name), function)
    keywords = {
        key: one
        for key, one in inspect.signature(real).parameters.items()
        if one.kind is inspect.Parameter.KEYWORD_ONLY
    }
    hints = get_type_hints(real, include_extras=True)
    assert parts.parameters(kind, name) == {key: hints[key] for key in keywords}
    assert all(one.default is inspect.Parameter.empty for one in keywords.values()), "numbers live in YAML"
    assert real.__doc__ or (kind == "verb" and parts.find(kind, name).__doc__)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_part_defines_what_its_kind_needs(kind, name):
    parts.check(kind, name)


@pytest.mark.parametrize("name", of("measure"))
def test_a_measure_needs_records_by_its_own_arguments(name):
    needs = inspect.signature(parts.find("measure", name).needs).parameters
    assert set(needs) == set(parts.parameters("measure", name)) - {"level"}
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in needs.values())


@pytest.mark.parametrize("name", of("test"))
def test_a_verdict_test_says_which_missing_values_stand_against_it(name):
    assert parts.declared("test", name, "AGAINST") in ("low", "high", "far", "near")
    assert isinstance(parts.declared("test", name, "EVERY_SEED"), bool)


@pytest.mark.parametrize("name", of("launcher"))
def test_a_launcher_that_leaves_its_workers_can_find_them_again(name):
    option = parts.declared("launcher", name, "WORKERS")
    assert option is None or option in parts.parameters("launcher", name)
    assert parts.defines("launcher", name, "jobs") == parts.defines("launcher", name, "joined")


@pytest.mark.parametrize("name", parts.names("figure"))
def test_a_figure_is_a_frozen_dataclass_whose_parsed_fields_are_the_real_ones(name):
    drawing = parts.find("figure", name).Drawing
    assert drawing.__dataclass_params__.frozen and drawing.__doc__ and not drawing.__doc__.startswith("Drawing(")
    assert parts.parameters("figure", name) == get_type_hints(drawing, include_extras=True)
    optional = {one.name for one in fields(drawing) if one.default is not MISSING}
    assert optional <= {"by", "color", "panels"}, "what else a figure needs is in YAML"
    assert all(one.default in (None, MISSING) and one.default_factory is MISSING for one in fields(drawing))
    methods = {key: one for key, one in vars(drawing).items() if callable(one) and not key.startswith("_")}
    signatures = {key: list(inspect.signature(one).parameters)[1:] for key, one in methods.items()}
    assert signatures == {
        "needs": [], "curves": ["runs"], "data": ["tables"],
        "caption": ["data", "tables"], "draw": ["data", "tables"],
    }  # fmt: skip
    assert all(one.__doc__ for one in methods.values())


EXAMPLES = {"grids": ["sweep"], "grid": "sweep", "metrics": ["test/accuracy"], "metric": "test/loss",
            "records": ["gradient/delta"], "site": "linear", "sites": ["layer1/pre"], "step": 5, "factor": "batch_size",
            "power": 1.0, "descending": False, "window": 3}  # fmt: skip


@pytest.mark.parametrize("name", parts.names("figure"))
def test_what_a_figure_draws_of_a_run_is_what_it_says_it_needs(name):
    """Of the records in curves.csv and the columns of runs.csv, by name and site."""
    options = {key: EXAMPLES.get(key) for key in parts.parameters("figure", name)}
    drawing = parts.call("figure", parts.checked("figure", name, options))
    run = {"run": "some-run-s0-0123456789", "grids": "sweep", "seed": 0, "status": "complete", "norm": "batch",
           "steps": 9, "model": "mlp", "model.widths": "[8,6]"}  # fmt: skip
    needs = {(need.name, re.sub(r"layer\d+/", LAYERS, need.site), need.vector) for need in drawing.needs()}
    curves = drawing.curves(pd.DataFrame([run]))
    drawn = {(one.name, re.sub(r"layer\d+/", LAYERS, one.site), one.unit is not None) for one in curves[run["run"]]}
    assert drawn == (needs if "metrics" not in options else set())


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in ALL if kind in CONFIGURED])
def test_yaml_gives_every_argument_and_nothing_else(home, kind, name):
    given = configured(home, kind, name)
    assert set(given) == set(parts.parameters(kind, name))
    if "???" not in given.values():
        assert parts.checked(kind, name, given).name == name


@pytest.mark.parametrize("kind", CONFIGURED)
def test_every_file_in_conf_has_its_part(home, kind):
    assert sorted(path.stem for path in (home / "conf" / kind).glob("*.yaml")) == parts.names(kind)


@pytest.fixture(scope="module")
def digits(home):
    return parts.call("dataset", parts.checked("dataset", "digits", configured(home, "dataset", "digits")))


def built(home, digits, model, norm, seed):
    args = configured(home, "model", model) | ({"blocks": [[4], [8]], "dense": [12]} if model == "cnn" else {})
    layer = partial(parts.call, "norm", parts.checked("norm", norm, configured(home, "norm", norm)))
    return parts.call("model", parts.checked("model", model, args), digits, layer, seed)


@pytest.mark.parametrize("model", of("model"))
def test_model_has_the_same_kernels_whatever_the_normalizer_and_its_sites_in_order(home, digits, model):
    networks = [built(home, digits, model, norm, seed=4) for norm in of("norm")]
    for network in networks:
        for mine, first in zip(network.linear, networks[0].linear, strict=True):
            np.testing.assert_array_equal(mine.kernel.numpy(), first.kernel.numpy())
        layers = len(network.linear) - 1
        assert list(network.sites) == layer_sites(layers)
    other = built(home, digits, model, "none", seed=5)
    assert not np.array_equal(other.linear[0].kernel.numpy(), networks[0].linear[0].kernel.numpy())


@pytest.mark.parametrize("shape", [(12, 8), (4, 6, 6, 4)])
@pytest.mark.parametrize("norm", of("norm"))
def test_norm_keeps_the_shape_and_has_finite_gradients(home, norm, shape):
    layer = parts.call("norm", parts.checked("norm", norm, configured(home, "norm", norm)), "some_name", 3)
    assert layer.name == "some_name" and layer.placement in ("before", "after")
    for values in (np.random.default_rng(0).normal(3, 2, shape), np.ones(shape)):
        inputs = tf.constant(values, tf.float32)
        for training in (True, False):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = layer(inputs, training=training)
                total = tf.reduce_sum(outputs**2)
            assert outputs.shape == inputs.shape
            for gradient in tape.gradient(total, [inputs, *(one.value for one in layer.trainable_variables)]):
                assert np.isfinite(gradient).all()


@pytest.mark.parametrize("norm", of("norm"))
def test_inference_does_not_see_batch_mates(home, norm):
    layer = parts.call("norm", parts.checked("norm", norm, configured(home, "norm", norm)), "some_name", 3)
    x = np.random.default_rng(0).normal(3, 2, (8, 4)).astype(np.float32)
    layer(x, training=True)
    together = np.asarray(layer(x, training=False))
    alone = np.concatenate([layer(x[index : index + 1], training=False) for index in range(8)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def trained(specify):
    """norm -> a run of few steps that all probes look at, and what it leaves; trained once."""
    known = {}

    def trained(norm):
        if norm not in known:
            every = f"probe=[{','.join(of('probe'))}]"
            spec = specify(f"norm={norm}", "model.widths=[8,8]", every, "steps=5", "model.dropout=0.2")
            programs = Programs()
            train(spec, programs, lambda step, state: None, None)
            known[norm] = spec, programs._program
        return known[norm]

    return trained


@pytest.mark.parametrize("norm", of("norm"))
@pytest.mark.parametrize("probe", of("probe"))
def test_probe_yields_names_sites_and_numbers_and_changes_nothing(trained, probe, norm):
    spec, (_, program, evaluator) = trained(norm)
    variables = [*program.network.model.variables, *program.optimizer.variables]
    before = [variable.numpy() for variable in variables]
    (options,) = [one.args for one in spec.probes if one.name == probe]
    args = {key: value for key, value in options.items() if key != "every"}
    looks = []
    for _ in range(2):
        evaluation = Evaluation(evaluator, spec.batch_size, 100, step=5, final=True)
        looks.append(list(parts.call("probe", Part(probe, args), program.network, evaluation)))
    without = {"discrepancy": not program.network.normalizers, "predictions": evaluation.data.classes is not None}
    assert looks[0] or without.get(probe)
    for (name, site, value), again in zip(*looks, strict=True):
        assert "/" in name and isinstance(site, str) and np.isfinite(value).all()
        np.testing.assert_array_equal(value, again[2])
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


@pytest.mark.parametrize("kind", ["dataset", "model", "norm"])
def test_every_choice_builds_and_runs_forward(specify, home, kind):
    available = [name for name in of(kind) if kind != "dataset" or name in ("digits", "toy_regression")]
    for name in available:
        spec = specify(f"{kind}={name}")
        data = Programs().data(spec.dataset)
        outputs = build_network(spec, data).model(data.test.inputs[:7])
        assert outputs.shape == (7, data.classes or 1)
