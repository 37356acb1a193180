"""Parts by name: which there are, what arguments they take, and a run made of checked ones.

A part is a file in a part folder. Its arguments are the keyword-only parameters of one function, read by parsing the
source: importing a layer or a probe would import TensorFlow, which takes seconds and is not needed to check a number.
"""

import ast
import difflib
import importlib
import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, create_model, field_validator

from bn_study.errors import UsageError
from bn_study.plan import types
from bn_study.plan.spec import Part, RunSpec

PACKAGE = Path(__file__).resolve().parent.parent
FEW = 15  # names that a message lists
FUNCTIONS = {
    "dataset": "training/load",
    "model": "training/build",
    "norm": "training/layer",
    "probe": "training/record",
    "figure": "analysis/draw",
    "mirror": "analysis/export",
    "measure": "analysis/measure",
}
"""Kind of part -> the half it belongs to and the function that its files define."""

_STRICT = ConfigDict(extra="forbid", strict=True)


@cache
def names(kind: str) -> list[str]:
    """The parts of a kind that have a file, sorted."""
    half, _ = FUNCTIONS[kind].split("/")
    return sorted(path.stem for path in (PACKAGE / half / kind).glob("*.py") if not path.stem.startswith("_"))


def find(kind: str, name: str) -> ModuleType:
    """Import a part's file."""
    half, _ = FUNCTIONS[kind].split("/")
    return importlib.import_module(f"bn_study.{half}.{kind}.{name}")


def call(kind: str, part: Part, *positional: Any) -> Any:
    """Call a part's function with its checked arguments."""
    _, function = FUNCTIONS[kind].split("/")
    return getattr(find(kind, part.name), function)(*positional, **part.args)


@cache
def parameters(kind: str, name: str) -> dict[str, Any]:
    """Keyword-only parameters of a part's function and their annotations, by parsing its source."""
    half, function = FUNCTIONS[kind].split("/")
    source = (PACKAGE / half / kind / f"{name}.py").read_text(encoding="utf-8")
    definition = next(
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == function
    )
    vocabulary = vars(types)
    return {
        argument.arg: eval(ast.unparse(argument.annotation), {"__builtins__": __builtins__}, vocabulary)
        for argument in definition.args.kwonlyargs
        if argument.annotation is not None
    }


@cache
def _schema(kind: str, name: str) -> type[BaseModel]:
    fields: Any = {key: (annotation, ...) for key, annotation in parameters(kind, name).items()}
    return create_model(f"{kind} {name}", __config__=_STRICT, **fields)


def checked(kind: str, name: str, args: Mapping[str, Any], prefix: str | None = None) -> Part:
    """A part with coerced arguments.

    Raises UsageError for an unknown part or option (with the nearest name), a wrong type or a value out of range.
    """
    if name not in names(kind):
        raise UsageError(unknown(kind, name, names(kind)))
    return Part(name, _validate(_schema(kind, name), args, prefix or kind))


_SETTINGS = {
    "steps": types.Natural,
    "batch_size": types.Count,
    "classes_per_batch": types.Count | None,
    "seed": types.Natural,
}
"""The settings that belong to no part."""


class _Schedule(BaseModel):
    """When to measure: `points` steps, evenly spaced on a log scale from step `first` to the end, and step 0.

    reestimate: training images from which a normaliser's statistics are re-estimated before measuring.
    """

    model_config = _STRICT
    points: types.Count
    first: types.Count
    reestimate: types.Count


class _Slurm(BaseModel):
    """The options of conf/launcher/slurm.yaml, which explains them."""

    model_config = _STRICT
    array: types.Count
    parallel: types.Count | None
    partition: str | None
    account: str | None
    time: types.Count
    grace: types.Count
    requeue: types.Natural
    cpus: types.Count | None
    memory: types.Positive
    poll: types.Positive
    extra: dict[str, str | int | float | bool]

    @field_validator("grace")
    @classmethod
    def _leaves_time(cls, value: int, others: ValidationInfo) -> int:
        if value >= 60 * others.data.get("time", math.inf):
            raise ValueError("should be less than the seconds of launcher.time, or no worker gets to work")
        return value


_LAUNCHERS = {"slurm": _Slurm}


def launcher(options: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options of a launcher, whose name is among them. Raises UsageError."""
    own = {key: value for key, value in options.items() if key != "name"}
    schema = _LAUNCHERS.get(options["name"]) or create_model(f"launcher {options['name']}", __config__=_STRICT)
    return _validate(schema, own, "launcher")


_OPTIMIZER_RANGES = {
    "learning_rate": types.Positive,
    "momentum": types.BelowOne,
    "beta_1": types.BelowOne,
    "beta_2": types.BelowOne,
    "epsilon": types.Positive,
    "decay_at": list[types.Fraction],
    "decay_factor": types.Positive,
}
_OPTIMIZER_TYPES = {bool: bool, int: types.Number, float: types.Number, str: str}


def _optimizer(args: Mapping[str, Any]) -> Part:
    """An optimizer is any class of Keras: its file in conf/ names the class, and its arguments keep their types."""
    schema = _optimizer_schema(args["name"], tuple((key, type(value)) for key, value in args.items()))
    coerced = _validate(schema, args, "optimizer")
    return Part(coerced.pop("name"), coerced)


@cache
def _optimizer_schema(name: str, given: tuple[tuple[str, type], ...]) -> type[BaseModel]:
    fields: Any = {key: (_OPTIMIZER_RANGES.get(key, _OPTIMIZER_TYPES.get(kind, Any)), ...) for key, kind in given}
    return create_model(f"optimizer {name}", __config__=_STRICT, **fields)


@cache
def _setting_schema(name: str) -> type[BaseModel]:
    field: Any = {name: (_SETTINGS[name], ...)}
    return create_model(name, __config__=_STRICT, **field)


FIELDS = ("dataset", "model", "norm", "optimizer", "probe", "schedule", *_SETTINGS)
"""The entries of a configuration that decide a run; each is checked on its own, so that runs may share it."""


def specify(config: Mapping[str, Any]) -> RunSpec:
    """A complete nested configuration -> the run it describes.

    Raises UsageError where a value has the wrong type or is out of range.
    """
    return assembled({field: checked_field(field, config[field]) for field in FIELDS})


def assembled(fields: Mapping[str, Any]) -> RunSpec:
    """The run of checked entries of a configuration."""
    return RunSpec(probes=fields["probe"], **{key: value for key, value in fields.items() if key != "probe"})


def checked_field(field: str, value: Any) -> Any:
    """An entry of a configuration as the field of a RunSpec. Raises UsageError as `specify` does."""
    if field in _SETTINGS:
        return _validate(_setting_schema(field), {field: value}, None)[field]
    if field == "optimizer":
        return _optimizer(value)
    if field == "probe":
        return tuple(_probe(name, options) for name, options in sorted(value.items()))
    if field == "schedule":
        return _validate(_Schedule, value, "schedule")
    return checked(field, value["name"], {key: one for key, one in value.items() if key != "name"})


def _probe(name: str, options: Mapping[str, Any]) -> Part:
    """A probe's own arguments, and `every`, which belongs to whoever owns the loop (see training/train.py)."""
    own = {key: value for key, value in options.items() if key != "every"}
    every = _validate(_Every, {"every": options.get("every")}, f"probe.{name}")
    part = checked("probe", name, own, f"probe.{name}")
    return Part(name, dict(part.args) | every)


class _Every(BaseModel):
    model_config = _STRICT
    every: types.Count | None


def _validate(schema: type[BaseModel], values: Mapping[str, Any], prefix: str | None) -> dict[str, Any]:
    for key, value in values.items():
        if value == "???":  # Hydra's mark of a value that has no default
            raise UsageError(f"{prefix}.{key} has no value; give one, as {prefix}.{key}=...")
    try:
        model = schema.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([*([prefix] if prefix else []), *(str(one) for one in first["loc"] if isinstance(one, str))])
        if first["type"] == "extra_forbidden":
            raise UsageError(unknown("option", key, [f"{prefix}.{name}" for name in schema.model_fields])) from None
        if first["type"] == "missing":
            raise UsageError(f"{key} has no value; give one, as {key}=...") from None
        raise UsageError(f"{key}={_shown(first['input'])}: {_reason(first)}") from None
    return {key: getattr(model, key) for key in schema.model_fields}


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _reason(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return message[0].lower() + message[1:]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist: the nearest that does, and all that do (or some, if none is near)."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint, there = (f"did you mean {near[0]}?", " There") if near else ("", "there")
    if not known:
        rest = "there are none here"
    elif len(known) <= FEW:
        rest = f"{there} are: {', '.join(known)}"
    else:
        rest = "" if near else f"there are, among others: {', '.join(known[:FEW])}"
    return f"unknown {what} {name!r}; {hint}{rest}"
