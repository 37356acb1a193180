"""A complete configuration -> the run it describes. Each entry is checked once, because many runs share it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from bn_study.errors import UsageError
from bn_study.plan import own_parts, parts, trains, types
from bn_study.plan.spec import Part, RunSpec

_SETTINGS = {
    "steps": types.Natural,
    "batch_size": types.Count,
    "classes_per_batch": types.Count | None,
    "seed": types.Natural,
}
"""The settings that belong to no part."""


class _Schedule(BaseModel):
    """When to measure: `points` steps, evenly spaced on a log scale from step `first` to the end, and step 0.

    reestimate: training images from which a normalizer's statistics are re-estimated before measuring.
    """

    model_config = parts.STRICT
    points: types.Count
    first: types.Count
    reestimate: types.Count


_OPTIMIZER_RANGES = {
    "learning_rate": types.Positive,
    "momentum": types.BelowOne,
    "nesterov": bool,
    "beta_1": types.BelowOne,
    "beta_2": types.BelowOne,
    "epsilon": types.Positive,
    "decay_at": list[types.Fraction],
    "decay_factor": types.Positive,
    "warm_up": types.BelowOne | None,
    "cosine": bool | None,
    "weight_decay": types.NonNegative | None,
    "weight_decay_on": types.Literal["kernels"] | None,
    "trains": types.Literal["normalizers", "as_many_weights"] | None,
}
_OPTIMIZER_TYPES = {bool: bool, int: types.Number, float: types.Number, str: str}


def _optimizer(args: Mapping[str, Any]) -> Part:
    """An optimizer is any class of Keras: its file in conf/ names the class, and its arguments keep their types.

    Raises UsageError where an option is missing that the loop needs.
    """
    if missing := [one for one in ("keras", "learning_rate", "decay_at", "decay_factor") if one not in args]:
        raise UsageError(f"optimizer={args['name']}: its file lacks {', '.join(missing)}; see conf/optimizer/sgd.yaml")
    schema = _optimizer_schema(args["name"], tuple((key, type(value)) for key, value in args.items()))
    coerced = parts.validated(schema, args, "optimizer")
    return Part(coerced.pop("name"), coerced)


@cache
def _optimizer_schema(name: str, given: tuple[tuple[str, type], ...]) -> type[BaseModel]:
    fields: Any = {key: (_OPTIMIZER_RANGES.get(key, _OPTIMIZER_TYPES.get(kind, Any)), ...) for key, kind in given}
    return create_model(f"optimizer {name}", __config__=parts.STRICT, **fields)


@cache
def _setting_schema(name: str) -> type[BaseModel]:
    field: Any = {name: (_SETTINGS[name], ...)}
    return create_model(name, __config__=parts.STRICT, **field)


FIELDS = ("dataset", "model", "norm", "optimizer", "probe", "schedule", *_SETTINGS)
"""The entries of a configuration that decide a run; each is checked on its own, so that runs may share it."""


def specify(config: Mapping[str, Any]) -> RunSpec:
    """A complete nested configuration -> the run it describes.

    Raises UsageError where a value has the wrong type or is out of range.
    """
    return assembled({field: checked_field(field, config[field]) for field in FIELDS})


def assembled(fields: Mapping[str, Any]) -> RunSpec:
    """The run of checked entries of a configuration. Raises UsageError where they do not go together."""
    trains.check(fields["optimizer"], fields["model"], fields["norm"])
    of_run = {key: value for key, value in fields.items() if key != "probe"}
    chosen = [(kind, fields[kind].name) for kind in ("dataset", "model", "norm")]
    chosen += [("probe", probe.name) for probe in fields["probe"]]
    own = {f"{kind}/{name}": own_parts.code(kind, name) for kind, name in chosen if parts.is_own(kind, name)}
    return RunSpec(probes=fields["probe"], own=own or None, **of_run)


def checked_field(field: str, value: Any) -> Any:
    """An entry of a configuration as the field of a RunSpec. Raises UsageError as `specify` does."""
    if field in _SETTINGS:
        return parts.validated(_setting_schema(field), {field: value}, None)[field]
    if field == "optimizer":
        return _optimizer(value)
    if field == "probe":
        return tuple(_probe(name, options) for name, options in sorted(value.items()))
    if field == "schedule":
        return parts.validated(_Schedule, value, "schedule")
    return parts.checked(field, value["name"], {key: one for key, one in value.items() if key != "name"})


def _probe(name: str, options: Mapping[str, Any]) -> Part:
    """A probe's own arguments, and `every`, which belongs to whoever owns the loop (see training/train.py)."""
    own = {key: value for key, value in options.items() if key != "every"}
    every = parts.validated(_Every, {key: one for key, one in options.items() if key == "every"}, f"probe.{name}")
    part = parts.checked("probe", name, own, f"probe.{name}")
    return Part(name, dict(part.args) | every)


class _Every(BaseModel):
    model_config = parts.STRICT
    every: types.Count | None
