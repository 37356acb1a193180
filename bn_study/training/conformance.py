"""What every data set, model, normalizer and probe must do, whoever wrote it.

The tests hold the package's parts to it, and `bn-study doctor --parts` those of a study. Each check raises UsageError
that says what does not hold.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.plan import choice, parts
from bn_study.plan.declared import observed, records, sites
from bn_study.plan.spec import Part, RunSpec
from bn_study.training.data import Data
from bn_study.training.evaluation import Evaluation, Evaluator
from bn_study.training.network import Network
from bn_study.training.program import Program, build_network
from bn_study.training.train import Programs, train

SHAPES = ((12, 8), (4, 6, 6, 4))
"""Of the values that a normalizer gets: vectors, and images."""


def configured(home: Path, kind: str, name: str, **changes: Any) -> Part:
    """A part with the values of its YAML, and some others."""
    return parts.checked(kind, name, choice.values(home, kind, name) | changes)


def _hold(holds: Any, otherwise: str) -> None:
    if not holds:
        raise UsageError(otherwise)


# --- data sets --------------------------------------------------------------------------------------------------------


def loads_the_same_again(home: Path, name: str) -> None:
    """Three splits of finite examples, of one shape, with targets in range; the same when loaded once more."""
    first, again = (parts.call("dataset", configured(home, "dataset", name)) for _ in range(2))
    task = parts.declared("dataset", name, "TASK")
    found = "regression" if first.classes is None else "classification"
    _hold(task in (found, "either"), f"TASK is {task!r}, but the data are for {found}")
    _hold(first.fingerprint == again.fingerprint, "the fingerprint differs when it is loaded again")
    for split in ("train", "validation", "test"):
        one, other = getattr(first, split), getattr(again, split)
        _hold(len(one) and len(one) == len(one.targets), f"{split}: no examples, or not a target for each")
        _hold(one.stored.shape[1:] == first.shape, f"{split}: examples are of another shape than those of train")
        _hold(one.inputs.dtype == np.float32 and np.isfinite(one.inputs).all(), f"{split}: inputs are finite float32")
        same = np.array_equal(one.stored, other.stored) and np.array_equal(one.targets, other.targets)
        _hold(same, f"{split}: differs when it is loaded again")
        if first.classes is None:
            shaped = one.targets.shape == (len(one), first.outputs)
            _hold(shaped and one.targets.dtype == np.float32, f"{split}: targets are float32 (n, outputs)")
        else:
            _hold(one.targets.ndim == 1 and one.targets.dtype == np.int32, f"{split}: labels are int32 of shape (n,)")
            _hold(0 <= one.targets.min() <= one.targets.max() < first.classes, f"{split}: a label is out of range")


# --- models -----------------------------------------------------------------------------------------------------------


def starts_alike_with_any_normalizer(home: Path, name: str, data: Data, norms: Iterable[str], **changes: Any) -> None:
    """A seed's kernels are the same whatever the normalizer, and differ from another seed's; sites are as declared."""
    model = configured(home, "model", name, **changes)
    networks = [_built(home, model, data, norm, seed=4) for norm in norms]
    first = networks[0]
    for network in networks:
        _hold(len(network.linear) == len(first.linear), "a normalizer changes the number of linear layers")
        for mine, one in zip(network.linear, first.linear, strict=True):
            _hold(np.array_equal(mine.kernel, one.kernel), f"{mine.name}: a normalizer changes its kernel at the start")
        declared = sites(name, model.args)
        _hold(list(network.sites) == list(declared), f"its sites are {list(network.sites)}, not {list(declared)}")
    ends = [f"{one.name}/linear" for one in first.linear]
    wanted = [*(one for one in sites(name, model.args) if one.endswith("/linear")), "output/linear"]
    _hold(ends == wanted, f"the layers in `linear` are named for {ends}, not {wanted}")
    other = _built(home, model, data, "none", seed=5)
    _hold(not np.array_equal(other.linear[0].kernel, first.linear[0].kernel), "another seed gives the same kernels")


def _built(home: Path, model: Part, data: Data, norm: str, seed: int) -> Network:
    layer = partial(parts.call, "norm", configured(home, "norm", norm))
    network: Network = parts.call("model", model, data, layer, seed)
    return network


# --- normalizers ------------------------------------------------------------------------------------------------------


def keeps_the_shape(home: Path, name: str) -> None:
    """Vectors and images keep their shape, and gradients are finite, for constant values, too."""
    layer = parts.call("norm", configured(home, "norm", name), "some_name", 3)
    _hold(layer.name == "some_name", "the layer does not have the name that it was given")
    _hold(layer.placement in ("before", "after"), "placement is neither before nor after")
    for shape in SHAPES:
        layer = parts.call("norm", configured(home, "norm", name), "some_name", 3)
        for values in (np.random.default_rng(0).normal(3, 2, shape), np.ones(shape)):
            for training in (True, False):
                _check_gradients(layer, tf.constant(values, tf.float32), training)


def _check_gradients(layer: Any, inputs: tf.Tensor, training: bool) -> None:
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        total = tf.reduce_sum(outputs**2)
    _hold(outputs.shape == inputs.shape, f"inputs of shape {inputs.shape} become outputs of {outputs.shape}")
    watched = {"its inputs": inputs} | {one.name: one.value for one in layer.trainable_variables}
    for what, gradient in zip(watched, tape.gradient(total, list(watched.values())), strict=True):
        _hold(gradient is not None, f"the outputs do not depend on {what}")
        _hold(np.isfinite(gradient).all(), f"the gradient of {what} is not finite")


def infers_alone(home: Path, name: str) -> None:
    """At inference an example's output does not depend on the others of its batch."""
    layer = parts.call("norm", configured(home, "norm", name), "some_name", 3)
    values = np.random.default_rng(0).normal(3, 2, (8, 4)).astype(np.float32)
    layer(values, training=True)
    together = np.asarray(layer(values, training=False))
    alone = np.concatenate([layer(values[index : index + 1], training=False) for index in range(8)])
    same = np.allclose(together, alone, rtol=1e-5, atol=1e-6)
    _hold(same, "at inference an example's output depends on the others of its batch")


# --- whole runs -------------------------------------------------------------------------------------------------------


def trained(spec: RunSpec) -> tuple[Program, Evaluator]:
    """A short run, trained and measured: what it leaves to look at."""
    programs = Programs()
    result = train(spec, programs, lambda step, state: None, None)
    _hold(result.diverged_at is None, f"{spec.id}: the loss is not finite at step {result.diverged_at}")
    assert programs._program is not None
    return programs._program[1:]


def runs_forward(spec: RunSpec) -> None:
    """The network of a run gives an output for each example and class."""
    data = Programs().data(spec.dataset)
    outputs = build_network(spec, data).model(data.test.inputs[:7])
    wanted = (7, data.outputs)
    _hold(outputs.shape == wanted, f"7 examples give outputs of shape {outputs.shape}, not {wanted}")


def looks_and_changes_nothing(
    probe: str, spec: RunSpec, program: Program, evaluator: Evaluator, may_be_empty: Sequence[str] = ()
) -> None:
    """A probe yields names, sites and finite numbers, the same again, and leaves every variable as it was."""
    variables = [*program.network.model.variables, *program.optimizer.variables]
    before = [variable.numpy() for variable in variables]
    (options,) = [one.args for one in spec.probes if one.name == probe]
    part = Part(probe, {key: value for key, value in options.items() if key != "every"})
    looks = []
    for _ in range(2):
        evaluation = Evaluation(evaluator, spec.batch_size, 100, step=5, final=True)
        looks.append(list(parts.call("probe", part, program.network, evaluation)))
    _hold(looks[0] or probe in may_be_empty, f"probe={probe} yields nothing")
    _hold(len(looks[0]) == len(looks[1]), f"probe={probe} yields something else when it looks again")
    for (name, site, value), again in zip(*looks, strict=True):
        _hold("/" in name and isinstance(site, str), f"probe={probe}: {name!r} at {site!r}: name it `kind/what`")
        _hold(np.ndim(value) < 2, f"probe={probe}: {name} at {site!r} is neither a number nor a vector")
        _hold(np.isfinite(value).all(), f"probe={probe}: {name} at {site!r} is not finite")
        _hold(np.array_equal(value, again[2]), f"probe={probe}: {name} at {site!r} differs when it looks again")
    for variable, value in zip(variables, before, strict=True):
        _hold(np.array_equal(variable.numpy(), value), f"probe={probe} changes the variable {variable.path}")


def records_what_it_declares(probe: str, spec: RunSpec, program: Program, evaluator: Evaluator) -> None:
    """What a probe yields of a network is what `records` declares of it, so that `plan` can tell."""
    (part,) = [one for one in spec.probes if one.name == probe]
    options = Part(probe, {key: value for key, value in part.args.items() if key != "every"})
    evaluation = Evaluation(evaluator, spec.batch_size, 100, step=5, final=True)
    yielded = {(name, site) for name, site, _ in parts.call("probe", options, program.network, evaluation)}
    declared = {(one.name, one.site) for one in records(part, observed(spec.dataset, spec.model, spec.norm))}
    unknown = sorted(yielded - declared)
    _hold(not unknown, f"probe={probe} yields {unknown[:1]}, which its `records` does not declare")
