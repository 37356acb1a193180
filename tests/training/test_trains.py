"""optimizer.trains: what a step changes, and what it leaves, bit for bit, as it was initialized."""

import dataclasses
import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.plan import trains
from bn_study.plan.spec import Part
from bn_study.training import loss, program
from bn_study.training.batches import learning_rates, of_run
from bn_study.training.program import build_network
from bn_study.training.train import Programs, train

STEPS = 20
COMMON = ("batch_size=32", f"steps={STEPS}", "model.activation=tanh", "model.initializer=glorot",
          "model.initializer_scale=1", "norm=batch", "probe=[]")  # fmt: skip
MLP = ("model.widths=[8,6]",)
RESNET = ("model=resnet", "model.filters=[3,4]", "model.blocks=1")
NETWORKS = {
    "before": MLP,
    "after": (*MLP, "norm.placement=after"),
    "residual": ("model.widths=[8,8]", "model.residual=true"),
    "cnn": ("model=cnn", "model.blocks=[[3],[4]]", "model.dense=[5]"),
    "resnet": RESNET,
    "preactivated": (*RESNET, "model.preactivated=true"),
}
RATE = 0.05
OPTIMIZERS = {
    "sgd": ("optimizer=sgd", f"optimizer.learning_rate={RATE}"),
    "momentum": ("optimizer=momentum", f"optimizer.learning_rate={RATE}"),
    "adam": ("optimizer=adam", f"optimizer.learning_rate={RATE}", "optimizer.epsilon=1e-5"),
}


@pytest.fixture
def asked(specify):
    """`asked("normalizers", "seed=1")` -> the small run in which these variables are trained."""
    return lambda choice, *words: specify(*COMMON, f"optimizer.trains={choice}", *words)


def started(spec):
    programs = Programs()
    return programs.start(spec)[0], programs.data(spec.dataset)


def values(network):
    return {variable.path: variable.numpy() for variable in network.model.trainable_variables}


def after_training(spec):
    """A program that took all steps, and the trainable values before and after them."""
    one, data = started(spec)
    before = values(one.network)
    one.advance(of_run(spec, data.train).rows(0, STEPS), learning_rates(spec, 0, STEPS), None)
    return one, before, values(one.network)


def masks(one):
    return {weights.layer.name: weights.chosen.numpy() for weights in one.trained._weights}


def by_unit(kernel):
    """(units, incoming weights), as the kernel of this layer stores them."""
    return kernel if len(kernel.shape) == 2 else kernel.reshape(-1, kernel.shape[-1]).T


class Reference:
    """The optimizers' formulas in numpy: Sutskever et al. 2013 and Kingma & Ba 2015 (end of Sec. 2)."""

    def __init__(self, name):
        self.name, self.step, self.first, self.second = name, 0, 0.0, 0.0

    def moved(self, value, gradient):
        self.step += 1
        if self.name == "sgd":
            return value - RATE * gradient
        if self.name == "momentum":
            self.first = 0.9 * self.first - RATE * gradient
            return value + self.first
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        rate = RATE * math.sqrt(1 - 0.999**self.step) / (1 - 0.9**self.step)
        return value - rate * self.first / (np.sqrt(self.second) + 1e-5)


def by_a_plain_loop(spec, chosen):
    """The trainable values after an eager loop. chosen: path -> 1 where an entry is trained; other paths are not."""
    data = Programs().data(spec.dataset)
    network = build_network(spec, data)
    variables = [one for one in network.model.trainable_variables if one.path in chosen]
    optimizers = [Reference(spec.optimizer.name) for _ in variables]
    for rows in of_run(spec, data.train).rows(0, STEPS):
        with tf.GradientTape() as tape:
            outputs = network.model(data.train.inputs[rows], training=True)
            value = tf.reduce_mean(loss.per_example(data)(tf.constant(data.train.targets[rows]), outputs))
        gradients = tape.gradient(value, [one.value for one in variables])
        for variable, optimizer, gradient in zip(variables, optimizers, gradients, strict=True):
            variable.assign(optimizer.moved(variable.numpy(), gradient.numpy() * chosen[variable.path]))
    return values(network)


def assert_close(found, reference):
    assert found.keys() == reference.keys()
    for path, value in reference.items():
        np.testing.assert_allclose(found[path], value, rtol=1e-5, atol=1e-5, err_msg=path)


CASES = [
    ("sgd", "before"),
    ("adam", "resnet"),
    pytest.param("momentum", "after", marks=pytest.mark.slow),
    pytest.param("adam", "residual", marks=pytest.mark.slow),
    pytest.param("momentum", "cnn", marks=pytest.mark.slow),
    pytest.param("sgd", "preactivated", marks=pytest.mark.slow),
]
"""Every network once, and every optimizer on a network of vectors and on one of images: each compiles a program."""


@pytest.mark.parametrize(("optimizer", "network"), CASES)
def test_only_gamma_and_beta_are_trained(asked, optimizer, network):
    spec = asked("normalizers", *OPTIMIZERS[optimizer], *NETWORKS[network])
    one, before, after = after_training(spec)
    learned = {path for path in before if path.endswith(("/gamma", "/beta"))}
    assert len(learned) == 2 * len(one.network.every_normalizer) < len(before)
    for path, start in before.items():
        same = np.array_equal(after[path].view(np.int32), start.view(np.int32))
        assert same == (path not in learned), path
    assert_close(after, by_a_plain_loop(spec, dict.fromkeys(learned, 1.0)))


@pytest.mark.parametrize(("optimizer", "network"), CASES)
def test_as_many_weights_of_each_unit_are_trained(asked, optimizer, network):
    spec = asked("as_many_weights", *OPTIMIZERS[optimizer], *NETWORKS[network])
    one, before, after = after_training(spec)
    linear = {layer.name: layer.kernel.path for layer in one.network.linear}
    chosen = {linear[name]: mask for name, mask in masks(one).items()}
    assert len(chosen) == len(one.network.every_normalizer)
    for layer in one.network.every_normalizer:
        mask = by_unit(chosen[linear[layer.name.removesuffix("_norm")]])
        assert mask.shape[0] == layer.gamma.shape[0]
        np.testing.assert_array_equal(mask.sum(axis=1), min(2, mask.shape[1]))
    for path, start in before.items():
        moved = after[path].view(np.int32) != start.view(np.int32)
        if path == linear["layer1"] and spec.model.name == "mlp":  # some pixels are 0 in all images
            assert moved.any() and not (moved & ~chosen[path]).any()
        else:
            np.testing.assert_array_equal(moved, chosen.get(path, np.False_), err_msg=path)
    assert_close(after, by_a_plain_loop(spec, chosen))


def test_all_incoming_weights_where_there_are_fewer(asked):
    one, _ = started(asked("as_many_weights", "model.widths=[1,6,4]"))
    found = masks(one)
    assert found["layer1"].sum() == 2 and found["layer2"].shape == (6, 1) and found["layer2"].all()
    np.testing.assert_array_equal(found["layer3"].sum(axis=1), 2)


def test_weights_are_counted_as_the_normalizer_learns(asked):
    """The choice for gamma alone is part of that for gamma and beta; one number a layer is one weight of one unit."""
    both, _ = started(asked("as_many_weights", *MLP))
    for option in ("norm.center=false", "norm.scale=false"):
        one, _ = started(asked("as_many_weights", *MLP, option))
        for name, mask in masks(one).items():
            np.testing.assert_array_equal(mask.sum(axis=1), 1)
            assert not (mask & ~masks(both)[name]).any()
    other, _ = started(asked("as_many_weights", *MLP, "norm=dyt"))
    for name, mask in masks(other).items():
        assert sorted(mask.sum(axis=1)) == [2] * (len(mask) - 1) + [3]
        assert not (masks(both)[name] & ~mask).any()


def test_every_normalizer_of_a_seed_has_the_same_weights(asked):
    """Also with the normalizer after the activation, other rates and another optimizer; not with another seed."""
    expected = masks(started(asked("as_many_weights", *MLP))[0])
    same = (
        ["norm=layer"],
        ["norm.placement=after"],
        ["norm=ghost_batch"],
        [*OPTIMIZERS["adam"]],
        ["model.dropout=0.2"],
    )
    for words in same:
        found = masks(started(asked("as_many_weights", *MLP, *words))[0])
        assert all(np.array_equal(found[name], mask) for name, mask in expected.items())
    other = masks(started(asked("as_many_weights", *MLP, "seed=1"))[0])
    assert not any(np.array_equal(other[name], mask) for name, mask in expected.items())


def test_weights_are_drawn_evenly(asked):
    """Over 200 seeds each of 8 weights of a unit is drawn in a quarter of them, and units do not draw alike."""
    one, _ = started(asked("as_many_weights", "model.widths=[8,8]"))
    drawn = []
    for seed in range(200):
        one.trained.choose(seed)
        drawn.append(masks(one)["layer2"])
    shares = np.mean(drawn, axis=0)
    assert abs(shares - 0.25).max() < 5 * math.sqrt(0.25 * 0.75 / 200)
    alike = [np.mean([(mask[i] == mask[j]).all() for mask in drawn]) for i, j in itertools.combinations(range(8), 2)]
    assert max(alike) < 0.2  # 1/28 by chance


def outcome(spec, programs, between=lambda step, state: None, state=None):
    """All records of a run and the bits of all its variables."""
    found = train(spec, programs, between, state)
    variables = {key: value.tobytes() for key, value in programs._program[1].state().items()}
    return found.records.to_csv(), found.records["value"].to_numpy().tobytes(), variables


@pytest.mark.parametrize(
    ("choice", "network"),
    [
        ("as_many_weights", "before"),
        pytest.param("normalizers", "before", marks=pytest.mark.slow),  # which has no choice that a seed changes
        pytest.param("as_many_weights", "cnn", marks=pytest.mark.slow),
    ],
)
def test_sharing_a_program_changes_nothing(asked, choice, network):
    first, second = (asked(choice, *NETWORKS[network], *OPTIMIZERS["adam"], f"seed={seed}") for seed in (0, 1))
    programs = Programs()
    alone = outcome(first, programs)
    loop = programs._program[1]
    other = outcome(second, programs)
    assert programs._program[1] is loop and other != alone
    assert outcome(first, programs) == alone
    assert outcome(second, Programs()) == other


def test_other_choices_have_programs_of_their_own(asked):
    names = [program.shared(asked(choice, *MLP)) for choice in ("null", "normalizers", "as_many_weights")]
    assert len(set(names)) == 3


@pytest.mark.parametrize("choice", [pytest.param("normalizers", marks=pytest.mark.slow), "as_many_weights"])
def test_a_resumed_run_equals_the_run_that_was_not_interrupted(asked, choice, monkeypatch):
    """In a new program, and in one that trained another seed meanwhile."""
    monkeypatch.setattr(program, "CHUNK", {True: 3, False: 3})
    spec = asked(choice, *MLP, *OPTIMIZERS["momentum"], "seed=5")
    states = {}
    programs = Programs()
    expected = outcome(spec, programs, lambda step, state: states.setdefault(step, state()))
    middle = states[max(step for step in states if step < STEPS / 2)]
    assert 0 < middle["step"] < STEPS
    assert outcome(spec, Programs(), state=middle) == expected
    outcome(asked(choice, *MLP, *OPTIMIZERS["momentum"], "seed=6"), programs)
    assert outcome(spec, programs, state=middle) == expected


@pytest.mark.parametrize("network", ["before", pytest.param("cnn", marks=pytest.mark.slow)])
def test_null_is_as_before_the_option_existed(asked, network):
    spec = asked("null", *NETWORKS[network], "probe=[curves]", "schedule.points=3")
    without = {key: value for key, value in spec.optimizer.args.items() if key != "trains"}
    before = dataclasses.replace(spec, optimizer=Part(spec.optimizer.name, without))
    assert before.id == spec.id and before.canonical() == spec.canonical()
    assert outcome(before, Programs()) == outcome(spec, Programs())
    one, _ = started(spec)
    gradients = [tf.ones(2)]
    assert one.trained.masked(gradients) is gradients
    assert [*one.trained.variables] == [*one.network.model.trainable_variables]


def test_an_infinite_gradient_of_a_weight_that_is_not_trained_does_not_count(asked):
    one, _ = started(asked("as_many_weights", *MLP))
    chosen = [weights.chosen.numpy() for weights in one.trained._weights]
    gradients = [tf.where(mask, 2.0, np.inf) for mask in chosen]
    for mask, gradient in zip(chosen, one.trained.masked(gradients), strict=True):
        np.testing.assert_array_equal(gradient, np.where(mask, 2.0, 0.0))


@pytest.mark.parametrize("name", trains.ENTRYWISE)
def test_these_optimizers_of_keras_leave_what_has_no_gradient(name):
    random = np.random.default_rng(0)
    variable = keras.Variable(random.normal(size=(5, 4)).astype(np.float32))
    start, chosen = variable.numpy(), random.random((5, 4)) < 0.3
    options = [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}] if name == "SGD" else [{}]
    for one in options:
        variable.assign(start)
        optimizer = getattr(keras.optimizers, name)(learning_rate=0.1, **one)
        for _ in range(6):
            optimizer.apply([tf.constant(np.where(chosen, random.normal(size=(5, 4)), 0), tf.float32)], [variable])
        np.testing.assert_array_equal(variable.numpy().view(np.int32) != start.view(np.int32), chosen)


REFUSED = {
    "decay": (("normalizers", "optimizer.weight_decay=5e-4"), "weight_decay=0.0005 would move what is not trained"),
    "decay of weights": (("as_many_weights", "optimizer.weight_decay=0"), "set optimizer.weight_decay=null"),
    "none": (("normalizers", "norm=none"), "norm=none learns neither gamma nor beta"),
    "noise": (("as_many_weights", "norm=noise"), "norm=noise learns neither gamma nor beta"),
    "neither": (("normalizers", "norm.center=false", "norm.scale=false"), "norm=batch learns neither gamma nor beta"),
    "input": (("as_many_weights", "model.normalize_input=true"), "normalize_input=true: no linear layer .* set model"),
    "input only": (("as_many_weights", "model.normalize_input=only"), "normalize_input=only: no linear layer"),
    "state": (
        ("as_many_weights", "model=recurrent", "model.normalize=hidden_to_hidden"),
        "normalize=hidden_to_hidden: no linear layer",
    ),
    "value": (("gamma",), "optimizer.trains=gamma: should be 'normalizers' or 'as_many_weights'"),
    "typing error": (("normalizer",), "did you mean normalizers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_by_plan(asked, case):
    words, message = REFUSED[case]
    with pytest.raises(UsageError, match=message) as caught:
        asked(*words)
    assert str(caught.value).count("\n") < 2


def test_an_optimizer_that_moves_weights_without_a_gradient_is_refused(asked):
    """Ftrl recomputes each weight from its past gradients, and is at 0 without one."""
    spec = asked("null")
    options = {"keras": "Ftrl", "learning_rate": 0.1}
    trains.check(Part("ftrl", options | {"trains": "normalizers"}), spec.model, spec.norm)
    with pytest.raises(UsageError, match=r"Keras' Ftrl may move weights .* take an optimizer of the class SGD"):
        trains.check(Part("ftrl", options | {"trains": "as_many_weights"}), spec.model, spec.norm)


def test_normalizers_of_the_input_are_trained_too(asked):
    _, before, after = after_training(asked("normalizers", *MLP, "model.normalize_input=only"))
    moved = {path for path in before if not np.array_equal(before[path], after[path])}
    assert moved == {"input_norm/gamma", "input_norm/beta"}


@pytest.mark.parametrize(
    ("choice", "words", "message"),
    [
        ("normalizers", ["norm=none"], "norm=none learns neither gamma nor beta"),
        ("as_many_weights", ["model.normalize_input=true"], "input_norm: no linear layer stands right before"),
    ],
)
def test_the_network_decides_where_settings_do_not_tell(specify, choice, words, message):
    """As with a model of one's own."""
    spec = specify(*COMMON, *MLP, *words)
    optimizer = Part(spec.optimizer.name, spec.optimizer.args | {"trains": choice})
    with pytest.raises(UsageError, match=message):
        Programs().start(dataclasses.replace(spec, optimizer=optimizer))
