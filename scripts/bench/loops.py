"""The loops that `sweep` is compared with, as usually written: a network per seed, with and without batch
normalization, with its test curve in a CSV file.

    python loops.py keras|torch FOLDER STEPS SEED ...
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from bn_study.training.files import locate

BATCH, WIDTHS, CLASSES, RATE = 60, (100, 100, 100), 10, 0.1


def mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    with np.load(locate("mnist", ["mnist.npz"], ["mnist.npz"])) as file:
        images = [file[name].reshape(-1, 784).astype(np.float32) / 255 for name in ("x_train", "x_test")]
        labels = [file[name].astype(np.int64) for name in ("y_train", "y_test")]
    return images[0], labels[0], images[1], labels[1]


def keras_run(data, seed: int, norm: str, steps: int) -> pd.DataFrame:
    import keras

    x, y, x_test, y_test = data
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((784,))]
    for width in WIDTHS:
        layers.append(keras.layers.Dense(width, kernel_initializer=keras.initializers.RandomNormal(stddev=0.1)))
        layers += [keras.layers.BatchNormalization(momentum=0.9)] if norm == "batch" else []
        layers.append(keras.layers.Activation("sigmoid"))
    model = keras.Sequential([*layers, keras.layers.Dense(CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE), loss, metrics=["accuracy"])
    epochs = steps * BATCH // len(x)  # 1,000 steps each
    history = model.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=(x_test, y_test), verbose=0)
    return pd.DataFrame(history.history)


def torch_run(data, seed: int, norm: str, steps: int) -> pd.DataFrame:
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    x, y, x_test, y_test = (torch.from_numpy(one) for one in data)
    torch.manual_seed(seed)
    layers, inputs = [], 784
    for width in WIDTHS:
        linear = torch.nn.Linear(inputs, width)
        torch.nn.init.normal_(linear.weight, std=0.1)
        layers += [linear, *([torch.nn.BatchNorm1d(width)] if norm == "batch" else []), torch.nn.Sigmoid()]
        inputs = width
    model = torch.nn.Sequential(*layers, torch.nn.Linear(inputs, CLASSES))
    optimizer, criterion = torch.optim.SGD(model.parameters(), RATE), torch.nn.CrossEntropyLoss()
    rows = []
    for _ in range(steps * BATCH // len(x)):
        model.train()
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss = criterion(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            outputs = model(x_test)
        accuracy = (outputs.argmax(1) == y_test).float().mean()
        rows.append(
            {"loss": float(loss), "val_loss": float(criterion(outputs, y_test)), "val_accuracy": float(accuracy)}
        )
    return pd.DataFrame(rows)


def main(library: str, folder: str, steps: str, *seeds: str) -> None:
    data = mnist()
    run = {"keras": keras_run, "torch": torch_run}[library]
    for seed in seeds:
        for norm in ("none", "batch"):
            run(data, int(seed), norm, int(steps)).to_csv(Path(folder) / f"{norm}-{seed}.csv", index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
