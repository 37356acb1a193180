"""The loop against Keras `fit`, and what pairing and sharing promise."""

import keras
import numpy as np
import pandas as pd
import pytest

from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.schedule import measuring_points
from bn_study.sweep.run import check_data
from bn_study.training import train as loop
from bn_study.training.batches import Batches, ClassBatches, learning_rates, of_run
from bn_study.training.evaluation import Evaluation
from bn_study.training.program import build_network
from bn_study.training.train import Programs, train

MLP = (
    "dataset=digits", "model=mlp", "model.activation=relu", "model.initializer=he", "model.initializer_scale=1",
    "model.initializer_bias=0.1", "batch_size=32",
)  # fmt: skip
# Smooth: at a kink of ReLU or a tie of max pooling, rounding in the last bit sends a gradient elsewhere, and a hundred
# steps make that visible in any two programs.
CNN = (
    "dataset=digits", "model=cnn", "model.blocks=[[4,4],[8]]", "model.dense=[16]", "model.activation=tanh",
    "model.pooling=average", "model.initializer_bias=0.1", "batch_size=32",
)  # fmt: skip
NORMS = [("norm=none",), ("norm=batch",), ("norm=batch", "norm.placement=after")]
STEPS = 100


def weights_after(spec, programs):
    """Train and return every variable of the network by its place and path."""
    train(spec, programs, lambda step, state: None, None)
    network = programs._program[1].network
    return {f"{place} {variable.name}": variable.numpy() for place, variable in enumerate(network.model.variables)}


def reference(spec, data):
    """The same network written with Keras' own layers, as initialized."""
    options = spec.model.args
    before = spec.norm.args.get("placement") == "before"
    inputs = end = keras.Input(data.shape)

    def hidden(make, end):
        end = make(use_bias=not before)(end)
        for step in ("norm", "activation") if before else ("activation", "norm"):
            if step == "activation":
                end = keras.layers.Activation(options["activation"])(end)
            elif spec.norm.name == "batch":
                end = keras.layers.BatchNormalization(
                    momentum=spec.norm.args["momentum"], epsilon=spec.norm.args["epsilon"]
                )(end)
        return end

    if spec.model.name == "mlp":
        end = keras.layers.Flatten()(end)
        for units in options["widths"]:
            end = hidden(lambda units=units, **kw: keras.layers.Dense(units, **kw), end)
    else:
        for block in options["blocks"]:
            for filters in block:
                end = hidden(lambda filters=filters, **kw: keras.layers.Conv2D(filters, 3, padding="same", **kw), end)
            end = keras.layers.AveragePooling2D(2)(end)
        end = keras.layers.Flatten()(end)
        for units in options["dense"]:
            end = hidden(lambda units=units, **kw: keras.layers.Dense(units, **kw), end)
    return keras.Model(inputs, keras.layers.Dense(10)(end))


def as_in_keras(value):
    """Kernels of our fully connected layers are (units, inputs)."""
    return value.T if value.ndim == 2 else value


@pytest.mark.parametrize("norm", NORMS, ids=["none", "before", "after"])
@pytest.mark.parametrize("model", [MLP, CNN], ids=["mlp", "cnn"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_hundred_steps_equal_keras_fit(specify, model, norm, optimizer):
    spec = specify(
        *model, *norm, f"optimizer={optimizer}", f"steps={STEPS}", "probe=[]", "optimizer.learning_rate=0.01",
        "model.activation=tanh",  # at the kink of a ReLU a rounding decides which way a gradient goes
    )  # fmt: skip
    programs = Programs()
    data = programs.data(spec.dataset)
    theirs = reference(spec, data)
    start = build_network(spec, data).model
    assert len(theirs.weights) == len(start.weights)
    for mine, other in zip(start.weights, theirs.weights, strict=True):
        other.assign(as_in_keras(mine.numpy()))
    rows = Batches(spec.seed, len(data.train), spec.batch_size).rows(0, STEPS).ravel()
    kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
    theirs.compile(kinds[optimizer](0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    theirs.fit(
        data.train.inputs[rows],
        data.train.targets[rows],
        batch_size=spec.batch_size,
        epochs=1,
        shuffle=False,
        verbose=0,
    )
    mine = weights_after(spec, programs)
    for (path, ours), other, first in zip(mine.items(), theirs.weights, start.weights, strict=True):
        assert not np.array_equal(ours, first.numpy()), f"{path} did not move"
        distance = np.linalg.norm(as_in_keras(ours) - other.numpy()) / np.linalg.norm(other.numpy())
        # Adam divides by the root of tiny second moments, which magnifies rounding in the first steps
        assert distance <= (1e-5 if optimizer == "sgd" else 1e-3), path


def records(trained):
    return pd.concat(
        [trained.records, trained.vectors.assign(value=[one.tobytes() for one in trained.vectors["value"]])]
    )


@pytest.mark.parametrize("model", [pytest.param(MLP, id="mlp"), pytest.param(CNN, id="cnn", marks=pytest.mark.slow)])
def test_same_run_twice_and_after_others_is_bit_identical(specify, model):
    common = (*model, "steps=60", "probe=[curves,activations,gradients]", "model.dropout=0.2")
    spec = specify(*common, "norm=batch", "seed=1")
    alone = train(spec, Programs(), lambda step, state: None, None)
    programs = Programs()
    train(
        specify(*common, "norm=batch", "seed=2", "optimizer.learning_rate=0.5"),
        programs,
        lambda step, state: None,
        None,
    )
    shared = programs._program[1]
    after_others = train(spec, programs, lambda step, state: None, None)
    assert programs._program[1] is shared, "the second run was meant to use the first one's program"
    pd.testing.assert_frame_equal(records(alone), records(after_others), check_exact=True)
    assert len(alone.records) > 50 and len(alone.vectors) > 10


STATEFUL = {
    "frozen_batch": ("norm=frozen_batch", "norm.warm_up=20"),
    "batch_renorm": ("norm=batch_renorm", "norm.warm_up=5", "norm.r_steps=20", "norm.d_steps=12"),
    "noisy_batch": ("norm=noisy_batch",),
    "noise": ("norm=noise",),
}


@pytest.mark.parametrize(
    "norm", [pytest.param(norm, marks=[] if norm == "batch_renorm" else pytest.mark.slow) for norm in STATEFUL]
)
@pytest.mark.parametrize("model", [pytest.param(MLP, id="mlp"), pytest.param(CNN, id="cnn", marks=pytest.mark.slow)])
def test_runs_that_start_differently_share_a_program_and_are_what_they_are_alone(specify, model, norm):
    """Initialisers, counters of steps and states of random numbers are values of variables, not part of the program."""
    common = (*model, *STATEFUL[norm], "steps=40", "probe=[curves,activations]", "model.dropout=0.2")
    others = (
        "model.initializer=normal", "model.initializer_scale=0.2", "model.initializer_bias=-0.3", "seed=2",
        "classes_per_batch=4",
    )  # fmt: skip
    spec, programs = specify(*common, "seed=1"), Programs()
    alone = train(spec, Programs(), lambda step, state: None, None)
    before = train(specify(*common, *others), programs, lambda step, state: None, None)
    program = programs._program[1]
    after_others = train(spec, programs, lambda step, state: None, None)
    assert programs._program[1] is program, "the second run was meant to use the first one's program"
    pd.testing.assert_frame_equal(records(alone), records(after_others), check_exact=True)
    assert not np.isin(before.records["value"].dropna(), alone.records["value"]).all()


@pytest.mark.parametrize("model", [MLP, CNN], ids=["mlp", "cnn"])
def test_arms_of_one_seed_share_kernels_and_batches(specify, model):
    arms = [specify(*model, *norm, "seed=5") for norm in NORMS]
    data = Programs().data(arms[0].dataset)
    networks = [build_network(spec, data) for spec in arms]
    kernels = [[layer.kernel.numpy() for layer in network.linear] for network in networks]
    for others in kernels[1:]:
        for one, other in zip(kernels[0], others, strict=True):
            np.testing.assert_array_equal(one, other)
    other_seed = build_network(specify(*model, "seed=6"), data)
    assert not np.array_equal(other_seed.linear[0].kernel.numpy(), kernels[0][0])
    assert len({one.tobytes() for one in kernels[0]}) == len(kernels[0])
    batches = [Batches(spec.seed, len(data.train), spec.batch_size).rows(0, 50) for spec in arms]
    for rows in batches[1:]:
        np.testing.assert_array_equal(batches[0], rows)


def test_arms_of_one_seed_share_dropout_masks(specify):
    """Masks are a function of (seed, layer, step): with inputs of one they are what the dropout layers put out."""
    common = (*MLP, "model.dropout=0.5", "seed=3")
    data = Programs().data(specify(*common).dataset)
    masks = []
    for norm in NORMS:
        network = build_network(specify(*common, *norm), data)
        layers = [layer for layer in network.model.layers if isinstance(layer, keras.layers.Dropout)]
        masks.append(
            [np.asarray(layer(np.ones((4, 100), np.float32), training=True)) for layer in layers for _ in range(2)]
        )
    assert 0.3 < (masks[0][0] == 0).mean() < 0.7 and not np.array_equal(masks[0][0], masks[0][1])
    for others in masks[1:]:
        for one, other in zip(masks[0], others, strict=True):
            np.testing.assert_array_equal(one, other)


def test_bias_goes_where_the_normalizer_replaces_it_and_stays_after_the_activation(specify):
    data = Programs().data(specify(*MLP).dataset)
    replacing = [(f"norm={name}",) for name in ("batch", "ghost_batch", "batch_renorm", "noisy_batch", "group")]
    keeping = [("norm=none",), ("norm=noise",), ("norm=group", "norm.center=false")]
    for norm in (*replacing, *keeping):
        for placement in ("before", "after") if norm != ("norm=none",) else (None,):
            network = build_network(specify(*MLP, *norm, *([f"norm.placement={placement}"] if placement else [])), data)
            expected = norm in keeping or placement == "after"
            assert [layer.use_bias for layer in network.linear] == [expected] * 3 + [True], (norm, placement)


@pytest.mark.parametrize(
    ("model", "norm"),
    [
        pytest.param(MLP, NORMS[1], id="mlp-before"),
        pytest.param(CNN, NORMS[0], id="cnn-none", marks=pytest.mark.slow),
        pytest.param(CNN, NORMS[2], id="cnn-after", marks=pytest.mark.slow),
    ],
)
def test_probes_leave_every_variable_alone(specify, model, norm):
    spec = specify(*model, *norm, "model.dropout=0.3", "probe=[curves,activations,gradients]", "steps=20")
    programs = Programs()
    train(spec, programs, lambda step, state: None, None)
    _, program, evaluator = programs._program
    everything = [*program.network.model.variables, *program.optimizer.variables]
    before = [variable.numpy() for variable in everything]
    python, numpy_state = keras.utils.set_random_seed(0), np.random.get_state()[1].tobytes()
    for final in (False, True):
        evaluation = Evaluation(evaluator, spec.batch_size, 2000, step=20, final=final)
        for probe in spec.probes:
            args = {key: value for key, value in probe.args.items() if key != "every"}
            measured = list(parts.call("probe", type(probe)(probe.name, args), program.network, evaluation))
            assert measured
    assert python is None and np.random.get_state()[1].tobytes() == numpy_state
    for variable, value in zip(everything, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, err_msg=variable.path)


def test_probing_changes_no_result(specify):
    common = (*MLP, "norm=batch", "model.dropout=0.3", "steps=60")
    plain, probed = Programs(), Programs()
    without = weights_after(specify(*common, "probe=[]"), plain)
    with_probes = weights_after(specify(*common, "probe=[curves,activations,gradients]"), probed)
    for path, value in without.items():
        np.testing.assert_array_equal(with_probes[path], value, err_msg=path)


def test_divergence_is_a_result_with_its_step(specify):
    spec = specify("dataset=digits", "norm=none", "model.activation=relu", "optimizer.learning_rate=1e6", "steps=100")
    noted = []
    trained = train(spec, Programs(), lambda step, state: noted.append(step), None)
    assert 1 <= trained.diverged_at <= 10
    assert noted[-1] == trained.diverged_at
    assert trained.records["step"].max() < trained.diverged_at


def test_a_run_that_its_last_update_destroys_has_diverged(specify):
    common = ("dataset=digits", "norm=none", "model.activation=relu")
    for overrides in (("steps=2", "optimizer.learning_rate=1e6"), ("steps=2", "optimizer.learning_rate=1e9")):
        spec = specify(*common, *overrides)
        assert train(spec, Programs(), lambda step, state: None, None).diverged_at == spec.steps


def test_zero_steps_measure_the_initial_network(specify):
    trained = train(specify(*MLP, "steps=0"), Programs(), lambda step, state: None, None)
    assert set(trained.records["step"]) == {0} and trained.diverged_at is None


def test_batches_are_permutations_of_each_epoch():
    batches = Batches(seed=3, examples=103, batch_size=10)
    assert batches.per_epoch == 10
    first, second = batches.rows(0, 10).ravel(), batches.rows(10, 10).ravel()
    assert len(set(first)) == len(set(second)) == 100 and not np.array_equal(first, second)
    np.testing.assert_array_equal(Batches(3, 103, 10).rows(7, 6), batches.rows(0, 20)[7:13])


LABELS = np.repeat([7, 0, 3, 5], [40, 32, 28, 6])


def test_batches_of_few_classes_hold_them_in_equal_shares():
    batches = ClassBatches(seed=3, labels=LABELS, batch_size=12, classes=3)
    rows = batches.rows(0, 400)
    chosen = LABELS[rows]
    assert batches.per_epoch == 106 // 12 and rows.dtype == np.int32
    for batch, labels in zip(rows, chosen, strict=True):
        values, counts = np.unique(labels, return_counts=True)
        assert len(values) == 3 and set(counts) == {4}
        assert len(set(batch)) == 12 or 5 in values, "only a rare class may end within a batch"
        assert (labels.reshape(4, 3) == labels[:3]).all(), "classes take turns"
    share = np.array([(chosen == label).any(1).mean() for label in (7, 0, 3, 5)])
    np.testing.assert_allclose(share, 0.75, atol=0.08)
    pairs = {tuple(sorted(set(labels))) for labels in chosen}
    assert len(pairs) == 4, "every choice of classes occurs"


def test_a_class_gives_all_its_examples_before_one_comes_again():
    batches = ClassBatches(seed=3, labels=LABELS, batch_size=12, classes=3)
    orders = []
    for epoch in range(20):
        rows = batches.rows(8 * epoch, 8).reshape(-1)
        for label in np.unique(LABELS):
            given, members = rows[LABELS[rows] == label], np.flatnonzero(label == LABELS)
            for start in range(0, len(given), len(members)):
                lap = given[start : start + len(members)]
                assert len(set(lap)) == len(lap) and set(lap) <= set(members)
                orders.append(tuple(lap))
    assert len(set(orders)) > len(orders) * 0.95, "another order each time"


def test_batches_of_few_classes_are_a_function_of_seed_and_step(specify):
    one, other, third = (ClassBatches(seed, LABELS, 12, 2) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.rows(11, 9), other.rows(0, 30)[11:20])
    assert not np.array_equal(one.rows(0, 8), third.rows(0, 8))
    data = Programs().data(specify("dataset=digits").dataset)
    plain = of_run(specify("dataset=digits", "seed=2"), data.train)
    np.testing.assert_array_equal(plain.rows(0, 5), Batches(2, len(data.train), 60).rows(0, 5))
    rows = of_run(specify("dataset=digits", "classes_per_batch=5"), data.train).rows(0, 50)
    assert {len(set(batch)) for batch in data.train.targets[rows]} == {5}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("batch_size=2000",), "batch_size=2000: dataset=digits has .* training examples"),
        (("norm=ghost_batch", "norm.group_size=7"), "norm.group_size=7: batch_size=60 is no multiple"),
        (("norm=batch_renorm", "norm.group_size=8"), "norm.group_size=8: batch_size=60 is no multiple"),
        (("classes_per_batch=7",), "classes_per_batch=7: batch_size=60 is no multiple"),
        (("classes_per_batch=12",), "classes_per_batch=12: dataset=digits has 10 classes"),
        (("classes_per_batch=1", "batch_size=300"), "a share of 300 examples is more than the rarest class"),
        (("dataset=toy_regression", "classes_per_batch=2"), "dataset=toy_regression has no classes"),
    ],
)
def test_batches_that_cannot_be_made_are_refused_before_training(specify, overrides, message):
    with pytest.raises(UsageError, match=message):
        check_data([specify("dataset=digits", *overrides)])
    assert check_data([specify("dataset=digits", "norm=ghost_batch", "classes_per_batch=5")]) == []


def test_learning_rate_drops_at_fractions_of_the_run(specify):
    spec = specify(
        "steps=100", "optimizer.learning_rate=0.4", "optimizer.decay_at=[0.5,0.75]", "optimizer.decay_factor=0.1"
    )
    rates = learning_rates(spec, 0, 100)
    np.testing.assert_allclose(rates[[0, 49, 50, 74, 75, 99]], [0.4, 0.4, 0.04, 0.04, 0.004, 0.004], rtol=1e-6)
    np.testing.assert_array_equal(learning_rates(spec, 40, 20), rates[40:60])


def test_learning_rate_rises_and_falls_as_half_a_cosine(specify):
    options = "steps=100", "optimizer.learning_rate=0.4", "optimizer.warm_up=0.2"
    rates = learning_rates(specify(*options, "optimizer.cosine=true"), 0, 100)
    np.testing.assert_allclose(rates[:20], 0.4 * np.arange(1, 21) / 20, rtol=1e-6)
    np.testing.assert_allclose(rates[[20, 60, 99]], [0.4, 0.2, 0.4 * np.sin(np.pi / 160) ** 2], rtol=1e-4)
    assert (np.diff(rates[20:]) < 0).all()
    np.testing.assert_allclose(learning_rates(specify(*options), 0, 100)[20:], 0.4, rtol=1e-6)


def test_learning_rate_of_the_schedule_reaches_the_weights(specify):
    """A rate too small to move a float32 from the middle on leaves the weights where half the steps left them."""
    common = (*MLP, "probe=[]")
    dropped = weights_after(
        specify(*common, "steps=40", "optimizer.decay_at=[0.5]", "optimizer.decay_factor=1e-30"), Programs()
    )
    half = weights_after(specify(*common, "steps=20"), Programs())
    for path, value in half.items():
        np.testing.assert_array_equal(dropped[path], value, err_msg=path)


def test_measuring_points_are_log_spaced_with_both_ends(specify):
    spec = specify("steps=15000", "schedule=log60", "probe=[curves,activations]", "probe.activations.every=4000")
    points = dict(measuring_points(spec))
    curves = [step for step, probes in points.items() if "curves" in [probe.name for probe in probes]]
    assert curves[0] == 0 and curves[1] == 50 and curves[-1] == 15000 and len(curves) == 61
    ratios = np.array(curves[2:]) / np.array(curves[1:-1])
    assert ratios.max() < 1.13 and ratios.min() > 1.07
    activations = [step for step, probes in points.items() if "activations" in [probe.name for probe in probes]]
    assert activations == [0, 4000, 8000, 12000, 15000]


def test_python_is_awake_between_chunks(specify):
    noted = []
    train(specify(*MLP, "steps=1200", "probe=[]"), Programs(), lambda step, state: noted.append(step), None)
    assert noted == [500, 1000, 1200]
    assert loop.train.__doc__
