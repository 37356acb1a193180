"""The contestants of `steps` (our loop, Keras `fit` as usually written and tuned, PyTorch eager and compiled) and those
of `inference`."""

import os
from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import tensorflow as tf
import torch
from _common import seconds
from case import CLASSES, CNN, GPU_STEPS, OURS, STEPS, Case, Contestant

from bn_study import study
from bn_study.plan import device
from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.training.batches import Batches, learning_rates
from bn_study.training.train import Programs

EPSILON, MOMENTUM = 1e-3, 0.9
DEVICE = "cuda" if device.on_gpu() else "cpu"
torch._dynamo.config.recompile_limit = 1000  # every case compiles a new network


class Shared:
    """A case: our program, its initial weights, the data, and the batches that all contestants train on first."""

    def __init__(self, case: Case, steps: int) -> None:
        self.case = case
        experiment, _ = compose(study.locate().home, None, case.overrides)
        self.spec = expand(experiment, {})[0][0].spec
        programs = Programs()
        self.data = programs.data(self.spec.dataset)
        self.program, _ = programs.start(self.spec)
        self.batches = Batches(self.spec.seed, len(self.data.train), self.spec.batch_size)
        self.rows = self.batches.rows(0, steps)
        self.held = slice(0, 1000)
        self.steps = (GPU_STEPS if device.on_gpu() else STEPS)[case.shape]
        layers = self.program.network.model.layers
        self.weights = weights(self)
        # ours are (units, inputs) in a fully connected layer
        self.kinds = [type(layer).__name__ for layer in layers if layer.weights]
        self.inputs, self.targets = self.data.train.inputs, self.data.train.targets.astype(np.int64)

    def rates(self) -> np.ndarray:
        return learning_rates(self.spec, 0, len(self.rows))

    def loss(self, logits: np.ndarray) -> float:
        """Mean cross-entropy over the held-out examples."""
        logits, targets = logits.astype(np.float64), self.targets[self.held]
        logits -= logits.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(targets)), targets]))


def weights(shared: Shared) -> list[list[np.ndarray]]:
    """Of the layers that have any, in order. Those of a normalizer are gamma, beta and the moving averages."""
    layers = shared.program.network.model.layers
    return [[one.numpy() for one in layer.weights] for layer in layers if layer.weights]


def assign(shared: Shared) -> None:
    """Give its network the weights in `shared.weights`."""
    layers = [layer for layer in shared.program.network.model.layers if layer.weights]
    for layer, values in zip(layers, shared.weights, strict=True):
        layer.set_weights(values)


def field(case: Case, steps: int) -> dict[str, Contestant]:
    """All contestants for a case, ours first. On a GPU PyTorch takes part if it is a build for CUDA."""
    shared = Shared(case, steps)
    contestants = {
        OURS: _ours(shared),
        "fit": _fit(shared, tuned=False, reshuffled=True),
        "fit tuned": _fit(shared, tuned=True, reshuffled=True),
    }
    if DEVICE == "cuda" and not torch.cuda.is_available():
        return contestants
    contestants["pytorch"] = _torch(shared, channels_last=False, compiled=False)
    if case.model == "mlp":
        contestants["fit tuned, same batches"] = _fit(shared, tuned=True, reshuffled=False)
    if case.model == "cnn":
        contestants["pytorch channels_last"] = _torch(shared, channels_last=True, compiled=False)
    contestants["torch.compile"] = _torch(shared, channels_last=case.model == "cnn", compiled=True)
    return contestants


# --- ours -------------------------------------------------------------------------------------------------------------


def _ours(shared: Shared) -> Contestant:
    program, spec = shared.program, shared.spec

    def loss() -> float:
        return shared.loss(program.network.model(shared.inputs[shared.held], training=True).numpy())

    def train() -> None:
        program.advance(shared.rows, shared.rates(), None)

    def advance(steps: int) -> None:
        for start in range(0, steps, program.chunk):
            count = min(program.chunk, steps - start)
            program.advance(shared.batches.rows(start, count), learning_rates(spec, start, count), None)

    def time() -> float:
        return seconds(lambda: advance(shared.steps)) / shared.steps

    return Contestant(loss, train, time)


# --- Keras `fit` ------------------------------------------------------------------------------------------------------


def _fit(shared: Shared, tuned: bool, reshuffled: bool) -> Contestant:
    case, spec = shared.case, shared.spec
    batch = spec.batch_size
    model = _keras_model(shared)
    tf.random.set_seed(0)  # on a GPU operations are deterministic here, and shuffling without a seed is an error
    # a CNN is tuned without XLA, which makes convolutions many times slower on a CPU
    compiled = case.model == "mlp" or device.on_gpu()
    options = {"jit_compile": compiled, "steps_per_execution": 100 if compiled else 8}
    model.compile(
        keras.optimizers.SGD(spec.optimizer.args["learning_rate"]),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **(options if tuned else {}),
    )
    steps = shared.steps
    inputs, targets = shared.inputs[: steps * batch], shared.targets[: steps * batch]
    examples = tf.data.Dataset.from_tensor_slices((inputs, targets))
    if reshuffled:
        examples = examples.cache().shuffle(len(inputs)).batch(batch, drop_remainder=True)
    else:
        examples = examples.batch(batch, drop_remainder=True).cache()
    examples = examples.prefetch(tf.data.AUTOTUNE)

    def loss() -> float:
        return shared.loss(model(shared.inputs[shared.held], training=True).numpy())

    def train() -> None:
        order = shared.rows.reshape(-1)
        model.fit(shared.inputs[order], shared.targets[order], batch_size=batch, shuffle=False, verbose=0)

    def time() -> float:
        if tuned:
            return seconds(lambda: model.fit(examples, epochs=1, verbose=0)) / steps
        return seconds(lambda: model.fit(inputs, targets, batch_size=batch, epochs=1, verbose=0)) / steps

    return Contestant(loss, train, time)


def _keras_model(shared: Shared) -> keras.Model:
    """The network in Keras' own layers."""
    case = shared.case
    layers: list[keras.layers.Layer] = []

    def hidden(make) -> None:
        batch_norm = partial(keras.layers.BatchNormalization, momentum=MOMENTUM, epsilon=EPSILON)
        layers.append(make(use_bias=case.norm != "before"))
        if case.norm == "before":
            layers.append(batch_norm())
        layers.append(keras.layers.Activation(case.activation))
        if case.norm == "after":
            layers.append(batch_norm())

    if case.model == "mlp":
        layers.append(keras.layers.Flatten())
        for _ in range(int(case.shape)):
            hidden(partial(keras.layers.Dense, 100))
    else:
        for block in CNN[case.shape]:
            for filters in block:
                hidden(partial(keras.layers.Conv2D, filters, 3, padding="same"))
            layers.append(keras.layers.MaxPooling2D(2))
        layers.append(keras.layers.Flatten())
        hidden(partial(keras.layers.Dense, 64))
    layers.append(keras.layers.Dense(CLASSES))
    model = keras.Sequential([keras.Input(shared.data.shape), *layers])
    with_weights = [layer for layer in model.layers if layer.weights]
    for layer, kind, weights in zip(with_weights, shared.kinds, shared.weights, strict=True):
        layer.set_weights([weights[0].T, *weights[1:]] if kind == "Dense" else weights)
    return model


# --- PyTorch ----------------------------------------------------------------------------------------------------------


def _torch(shared: Shared, channels_last: bool, compiled: bool) -> Contestant:
    case, spec = shared.case, shared.spec
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = _torch_model(shared).to(DEVICE)
    inputs = torch.from_numpy(shared.inputs).to(DEVICE)
    if case.model == "cnn":
        inputs = inputs.permute(0, 3, 1, 2)
        layout = torch.channels_last if channels_last else torch.contiguous_format
        inputs, model = inputs.contiguous(memory_format=layout), model.to(memory_format=layout)
    else:
        inputs = inputs.reshape(len(inputs), -1)
    targets = torch.from_numpy(shared.targets).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), spec.optimizer.args["learning_rate"])
    criterion = torch.nn.CrossEntropyLoss()
    forward = torch.compile(model) if compiled else model

    def train(rows: np.ndarray) -> None:
        for batch in torch.from_numpy(rows).to(DEVICE):
            optimizer.zero_grad(set_to_none=True)
            criterion(forward(inputs[batch]), targets[batch]).backward()
            optimizer.step()

    def finished(rows: np.ndarray) -> None:
        train(rows)
        if DEVICE == "cuda":
            torch.cuda.synchronize()  # steps are only queued until then

    def loss() -> float:
        model.train()
        with torch.no_grad():
            return shared.loss(model(inputs[shared.held]).cpu().numpy())

    def time() -> float:
        rows = shared.batches.rows(0, shared.steps)
        return seconds(lambda: finished(rows)) / len(rows)

    return Contestant(loss, lambda: train(shared.rows), time)


def _torch_model(shared: Shared) -> torch.nn.Module:
    case = shared.case
    activation = {"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU}[case.activation]
    layers: list[torch.nn.Module] = []

    def hidden(linear: torch.nn.Module, norm: type[torch.nn.Module], features: int) -> None:
        make_norm = partial(norm, features, eps=EPSILON, momentum=1 - MOMENTUM)
        layers.append(linear)
        if case.norm == "before":
            layers.append(make_norm())
        layers.append(activation())
        if case.norm == "after":
            layers.append(make_norm())

    bias = case.norm != "before"
    if case.model == "mlp":
        features = int(np.prod(shared.data.shape))
        for _ in range(int(case.shape)):
            hidden(torch.nn.Linear(features, 100, bias=bias), torch.nn.BatchNorm1d, 100)
            features = 100
    else:
        side, _, features = shared.data.shape
        for block in CNN[case.shape]:
            for filters in block:
                conv = torch.nn.Conv2d(features, filters, 3, padding=1, bias=bias)
                hidden(conv, torch.nn.BatchNorm2d, filters)
                features = filters
            layers.append(torch.nn.MaxPool2d(2))
            side //= 2
        layers.append(torch.nn.Flatten())
        hidden(torch.nn.Linear(side**2 * features, 64, bias=bias), torch.nn.BatchNorm1d, 64)
        features = 64
    layers.append(torch.nn.Linear(features, CLASSES))
    model = torch.nn.Sequential(*layers)
    with_weights = [layer for layer in layers if list(layer.parameters())]
    flattened_channels = None
    with torch.no_grad():
        for layer, weights in zip(with_weights, shared.weights, strict=True):
            kernel = weights[0]
            if isinstance(layer, torch.nn.Conv2d):
                kernel = kernel.transpose(3, 2, 0, 1)
                flattened_channels = kernel.shape[0]
            elif isinstance(layer, torch.nn.Linear) and flattened_channels is not None:
                # images are flattened here with channels first
                kernel = kernel.reshape(len(kernel), -1, flattened_channels).transpose(0, 2, 1).reshape(len(kernel), -1)
                flattened_channels = None
            for parameter, value in zip(layer.parameters(), [kernel, *weights[1:]], strict=False):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return model


# --- inference --------------------------------------------------------------------------------------------------------


def ours_at_inference(shared: Shared, inputs: np.ndarray) -> Callable[[], np.ndarray]:
    """Logits of a batch, by one call of a TensorFlow graph."""
    model, batch = shared.program.network.model, tf.constant(inputs)
    compiled = tf.function(lambda images: model(images, training=False))
    return lambda: compiled(batch).numpy()


def torch_at_inference(shared: Shared, inputs: np.ndarray) -> Callable[[], np.ndarray]:
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model, batch = _torch_model(shared).eval(), torch.from_numpy(inputs)
    averages = (values[2:] for values in shared.weights if len(values) == 4)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            for buffer, value in zip((layer.running_mean, layer.running_var), next(averages), strict=True):
                buffer.copy_(torch.from_numpy(value))
    if shared.case.model == "cnn":
        batch = batch.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        model = model.to(memory_format=torch.channels_last)
    else:
        batch = batch.reshape(len(batch), -1)

    def call() -> np.ndarray:
        with torch.inference_mode():
            return model(batch).numpy()

    return call
