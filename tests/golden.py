"""Short runs whose records are the same, bit for bit, on every x86-64 processor with AVX2 (portable numerics).

    python tests/golden.py [NAME ...]        prints their checksums as JSON
    python tests/golden.py --check NAME ...  compares them with golden.json
    python tests/golden.py --write           writes golden.json, after a change of RECIPE or of a locked library

`test_golden.py` compares. All need nothing but scikit-learn's digits.
"""

import hashlib
import json
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FILE = Path(__file__).with_name("golden.json")
HOME = Path(__file__).resolve().parent.parent
LIBRARIES = ("tensorflow", "keras", "numpy", "scipy")
_MLP = ["model=mlp", "model.widths=[20,15]", "batch_size=30", "steps=40", "optimizer.learning_rate=0.3"]
_CNN = ["model=cnn", "model.blocks=[[4],[8]]", "model.dense=[10]", "batch_size=16", "steps=12"]
_RESNET = [
    *("model=resnet", "model.filters=[4,8]", "model.blocks=1", "batch_size=16", "steps=12", "optimizer=momentum"),
    *("optimizer.nesterov=true", "optimizer.cosine=true", "optimizer.warm_up=0.2", "optimizer.weight_decay=0.01"),
    *("dataset.flip=true", "dataset.shift=1"),
]
_LSTM = [
    *("model=recurrent", "model.cell=lstm", "model.units=[10]", "model.normalize=hidden_to_hidden"),
    *("model.statistics=step", "batch_size=16", "steps=12"),
]
_PROBES = "curves,activations,drift,gradients,saturation,histograms,unit,discrepancy,landscape,one_step,predictions"
_LOOKS = ["schedule.points=3", "schedule.reestimate=200", "probe=[curves,activations,gradients]"]
_ADAM = ["optimizer=adam", "optimizer.learning_rate=0.01", "model.dropout=0.3"]
RUNS = {
    "mlp": [*_MLP, *_LOOKS, "norm=none", f"probe=[{_PROBES}]"],
    "mlp before": [*_MLP, *_LOOKS, "norm=batch", f"probe=[{_PROBES}]"],
    "mlp after, adam, dropout": [*_MLP, *_LOOKS, *_ADAM, "norm=batch", "norm.placement=after", "model.activation=relu"],
    "mlp renorm": [*_MLP, *_LOOKS, "norm=batch_renorm", "norm.warm_up=5", "norm.r_steps=20", "norm.d_steps=20"],
    "mlp group": [*_MLP, *_LOOKS, "norm=group", "norm.groups=5", "model.activation=tanh"],
    "mlp noisy": [*_MLP, *_LOOKS, "norm=noisy_batch"],
    "identities": [*_MLP[:3], "steps=0", "norm=batch", "probe=[identities]"],
    "cnn": [*_CNN, *_LOOKS, "norm=none"],
    "cnn before": [*_CNN, *_LOOKS, "norm=batch", "probe=[curves,activations,gradients,discrepancy,landscape]"],
    "cnn after, adam, dropout": [*_CNN, *_LOOKS, *_ADAM, "norm=batch", "norm.placement=after"],
    "cnn ghost": [*_CNN, *_LOOKS, "norm=ghost_batch", "norm.group_size=4"],
    "resnet": [*_RESNET, *_LOOKS, "norm=batch", "model.branch=skip_init"],
    "lstm by step": [*_LSTM, *_LOOKS, "norm=batch", "probe=[curves,gradients]"],
}


def checksum(name: str) -> str:
    """Of all that a run records: steps, names, sites and the bits of every value."""
    from bn_study.plan.compose import compose
    from bn_study.plan.expand import expand
    from bn_study.training.train import Programs, train

    (run,), _ = expand(compose(HOME, None, words(name))[0], {})
    trained = train(run.spec, Programs(), lambda step, state: None, None)
    assert trained.diverged_at is None
    return digest(trained.records, trained.vectors)


def words(name: str) -> list[str]:
    """What is behind `bn-study run` to train one of them."""
    return list({word.partition("=")[0]: word for word in [*RUNS[name], "dataset=digits", "seed=3"]}.values())


def digest(records: "pd.DataFrame", vectors: "pd.DataFrame") -> str:
    """Sixteen hex digits of a run's tables."""
    digest = hashlib.sha256()
    for table in (records, vectors):
        for step, record, site, value in table.itertuples(index=False):
            bits = value.hex() if isinstance(value, float) else value.tobytes().hex()
            digest.update(f"{step} {record} {site} {bits}\n".encode())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}


def main(names: list[str]) -> None:
    option = names.pop(0) if names and names[0] in ("--write", "--check") else ""
    found = {name: checksum(name) for name in names or RUNS}
    if option == "--write":
        FILE.write_text(json.dumps({"versions": versions(), "records": found}, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found))
    committed = json.loads(FILE.read_text(encoding="utf-8"))
    alike = committed["versions"] == versions()
    if option == "--check" and alike and not found.items() <= committed["records"].items():
        raise SystemExit(f"not the records of {FILE.name}")


if __name__ == "__main__":
    from bn_study.plan import numerics

    one = dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"), "1")
    os.environ.update(numerics.environment(os.environ, "portable") | one)
    main(sys.argv[1:])
