"""What a part declares of itself, read from its source: importing a probe would import TensorFlow, which takes seconds.

A declaration is a function or a literal constant of the part's file. It may use the file's other literal constants,
builtins, and `Record` and `layer_sites` from here, nothing else; its annotations are not looked at.
"""

import __future__

import ast
import math
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.activations import RANGES, STEEPEST
from bn_study.plan.own_parts import remembered
from bn_study.plan.spec import Part
from bn_study.plan.types import Source

SITES = ("linear", "pre", "post", "out")
"""Of a hidden layer, as training/network.py explains them."""
SOURCES: tuple[str, ...] = get_args(Source)
"""Where a normalizer's statistics come from at inference, as training/evaluation.py explains them."""
RATE_OPTIONS = ("learning_rate", "decay_at", "decay_factor", "warm_up", "cosine")
"""Options of any optimizer that only set the rate of a step: the compiled training loop gets rates as values."""
START_OPTIONS = ("initializer", "initializer_scale", "initializer_bias", "recurrent_initializer")
"""Options of any model that only decide the values that a network starts from."""


@dataclass(frozen=True)
class Record:
    """A series that a probe records. site: "" for none. vector: whether a value is an array.

    low, high: no value lies outside. better: whether more of it is better, or less; "" where neither is. `plan` refuses
    claims and tunings that make no sense for such values.
    """

    name: str
    site: str = ""
    vector: bool = False
    low: float = field(default=-math.inf, compare=False)
    high: float = field(default=math.inf, compare=False)
    better: Literal["more", "less", ""] = field(default="", compare=False)


@dataclass(frozen=True)
class Observed:
    """What a probe observes, as far as its records depend on it.

    sites: of the hidden layers and of projections beside them, as the model declares them. normalizers: the sites of
    those that have statistics, such as `layer1/norm`. norm: the normalizer's name. task: `either` where only the
    data tell.
    """

    sites: tuple[str, ...]
    normalizers: tuple[str, ...]
    norm: str
    activation: str
    task: Literal["classification", "regression", "either"]
    factors: bool

    @property
    def bounded(self) -> bool:
        """Whether the nonlinearity has a range at whose ends it saturates."""
        return self.activation in RANGES

    @property
    def curved(self) -> bool:
        """Whether the nonlinearity's slope changes and has a largest value."""
        return self.activation in STEEPEST

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of statistics that the network distinguishes."""
        return SOURCES if self.normalizers else SOURCES[:1]


def layer_sites(layers: int, shortcuts: Collection[int] = (), normalized: bool = True) -> list[str]:
    """All sites of a number of hidden layers, and of the projections that are added to some of these layers.

    shortcuts: the numbers of these layers. normalized: whether a normalizer follows the projections.
    """
    found = []
    for layer in range(1, layers + 1):
        if layer in shortcuts:
            found += [f"shortcut{layer}/{site}" for site in ("linear", "out") if site == "linear" or normalized]
        found += [f"layer{layer}/{site}" for site in SITES]
    return found


def layers(model: str, options: Mapping[str, Any]) -> int:
    """The number of hidden layers that a model declares for its options."""
    found = {match[1] for one in sites(model, options) if (match := re.match(r"layer(\d+)/", one))}
    return len(found)


def sites(model: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The sites of the hidden layers that a model declares for its options."""
    return tuple(_called("model", model, "sites", (), options))


def observed(dataset: Part, model: Part, norm: Part) -> Observed:
    """What the probes of a run observe."""
    places = sites(model.name, model.args)
    normalizers: list[str] = []
    if parts.declared("norm", norm.name, "STATISTICS"):
        normalizers += ["input/norm"] if model.args.get("normalize_input") else []
        if model.args.get("normalize_input") != "only":
            normalizers += dict.fromkeys(f"{one.partition('/')[0]}/norm" for one in places if one.endswith("/out"))
    task = parts.declared("dataset", dataset.name, "TASK")
    activation, factors = str(model.args.get("activation", "")), dataset.args.get("factors") is not None
    return Observed(places, tuple(normalizers), norm.name, activation, task, factors)


def records(probe: Part, seen: Observed) -> list[Record]:
    """What a probe records of a network, as it declares it."""
    options = {key: value for key, value in probe.args.items() if key != "every"}
    return _called("probe", probe.name, "records", (seen,), options)


def _called(kind: str, name: str, what: str, positional: tuple[Any, ...], options: Mapping[str, Any]) -> list[Any]:
    """All that a declared function yields. Raises UsageError if it fails."""
    try:
        return list(function(kind, name, what)(*positional, **options))
    except (TypeError, NameError, ValueError, LookupError, AttributeError) as error:
        raise UsageError(f"{parts.file(kind, name)}: {what} fails: {error}") from None


@remembered
def function(kind: str, name: str, what: str) -> Any:
    """A function that a part's file declares, made without importing the file. Raises UsageError if there is none."""
    parts.check(kind, name)
    definitions = parts.definitions(kind, name)
    definition = definitions[what]
    if not isinstance(definition, ast.FunctionDef):
        raise UsageError(f"{parts.file(kind, name)}: {what} must be a function")
    scope: dict[str, Any] = {"Record": Record, "layer_sites": layer_sites}
    for constant, node in definitions.items():
        with suppress(ValueError):  # not a literal
            scope[constant] = ast.literal_eval(node)
    module = ast.Module([definition], [])
    unread = __future__.annotations.compiler_flag  # annotations name types that are not in scope
    exec(compile(module, parts.file(kind, name), "exec", flags=unread), scope)
    return scope[what]
