"""Each part declares what the plan needs to know of it, and what is trained agrees with that."""

import numpy as np
import pytest

from bn_study.analysis import interval
from bn_study.errors import UsageError
from bn_study.plan import declared, parts
from bn_study.plan.declared import Record
from bn_study.training.program import build_network
from bn_study.training.train import Programs

PROBES = parts.names("probe")
EITHER = ("map_", "unit_", "shift_equivariance")
"""Facts of images and of vectors: the plan does not know which of the two enters a normalizer."""


MODELS = [
    (["model=mlp", "model.widths=[6,6]", "model.normalize_input=true"], "digits"),
    (["model=mlp", "model.widths=[6,6]", "model.normalize_input=only"], "digits"),
    (["model=cnn", "model.blocks=[[4]]", "model.dense=[6]", "dataset.factors=[0.1,10]"], "digits"),
    (["model=mlp", "model.widths=[6]", "model.activation=relu"], "toy_regression"),
    (["model=recurrent", "model.units=[6,5]", "model.statistics=step"], "digits"),
    (["model=recurrent", "model.units=[6]", "model.cell=lstm", "model.normalize=hidden_to_hidden"], "digits"),
    (["model=recurrent", "model.units=[6]", "model.cell=gru"], "digits"),
    (["model=resnet", "model.filters=[4,6]", "model.blocks=1", "dataset.factors=[0.1,10]"], "digits"),
    (["model=resnet", "model.filters=[4,6]", "model.blocks=1", "model.branch=skip_init"], "digits"),
]
NORMS = ["batch", "none", "group", "noisy_batch"]
LEFT_OUT = [
    (5, "group"),
    (6, "noisy_batch"),
    (7, "group"),
    (7, "noisy_batch"),
    (8, "batch"),
    (8, "group"),
    (8, "noisy_batch"),
]
"""Where another model has that normalizer: its records are those of its place, not of the cell or block around it."""
QUICK = [(0, "batch"), (2, "none"), (3, "group")]
"""Of each number of dimensions one. The others are slow, because every probe compiles something of every network."""


@pytest.mark.parametrize(
    ("model", "dataset", "norm"),
    [
        pytest.param(*one, norm, marks=[] if (place, norm) in QUICK else pytest.mark.slow)
        for place, one in enumerate(MODELS)
        for norm in NORMS
        if (place, norm) not in LEFT_OUT
    ],
)
def test_a_probe_records_what_it_declares(specify, looked_at, model, dataset, norm):
    """Of a network as it is initialized: what there is to record does not depend on its training."""
    groups = ["norm.groups=1"] if norm == "group" else []
    overrides = [*model, *groups, f"dataset={dataset}", f"norm={norm}", "steps=0", "batch_size=20"]
    spec = specify(*overrides, f"probe=[{','.join(PROBES)}]")
    network, evaluation = looked_at(*overrides)
    seen = declared.observed(spec.dataset, spec.model, spec.norm)
    for probe in spec.probes:
        args = {key: value for key, value in probe.args.items() if key != "every"}
        measured = parts.call("probe", type(probe)(probe.name, args), network, evaluation)
        measured = list(measured)
        found = {Record(name, site, getattr(value, "ndim", 0) > 0) for name, site, value in measured}
        said = {one: one for one in declared.records(probe, seen)}
        assert {one.name for one in said if (one.low, one.high) == (0, 1)} == {
            one.name for one in said if interval.is_share(one.name)
        }
        for name, site, value in measured:
            one = said.get(Record(name, site))
            assert one is None or np.isnan(value) or one.low - 1e-6 <= value <= one.high + 1e-6, (name, site)
        said = set(said)
        assert found <= said, probe.name
        missing = {one for one in said - found if not one.name.removeprefix("identity/").startswith(EITHER)}
        assert not missing, probe.name


@pytest.mark.parametrize(
    ("kind", "what"), [("probe", "records"), ("model", "sites"), ("norm", "STATISTICS"), ("dataset", "TASK")]
)
def test_every_part_declares(kind, what):
    for name in parts.names(kind):
        if what.isupper():
            assert parts.declared(kind, name, what) is not None
        else:
            assert callable(declared.function(kind, name, what))


def test_a_model_with_other_sites_than_it_declares_is_refused(specify, monkeypatch):
    spec = specify("model=mlp", "model.widths=[6]", "dataset=digits")
    monkeypatch.setattr(declared, "sites", lambda model, options: ("layer1/pre",))
    with pytest.raises(UsageError, match=r"model=mlp: .* differ in .*layer1/linear"):
        build_network(spec, Programs().data(spec.dataset))


def test_a_declaration_that_fails_is_said_in_a_line(monkeypatch):
    monkeypatch.setattr(declared, "function", lambda kind, name, what: lambda *, widths: [])
    with pytest.raises(UsageError, match=r"bn_study/training/model/mlp\.py: sites fails: .*'dropout'"):
        declared.sites("mlp", {"widths": [6], "dropout": 0.0})
