"""Arguments that an experiment's YAML gives a function, checked against the function's own annotations."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bn_study.errors import UsageError
from bn_study.plan import parts

LEVEL = "level"
"""The level depends on the data set, so the claim or the tuning entry gives it."""


def checked(name: str, function: Callable[..., float], given: Mapping[str, Any]) -> dict[str, Any]:
    """Coerce the keyword-only arguments of a function, except its level. Raises UsageError that calls it `name`."""
    arguments = _arguments(function)
    try:
        return arguments.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        raise UsageError(f"{name} needs the argument {path}")
    if first["type"] == "extra_forbidden" and path == LEVEL and takes_level(function):
        raise UsageError(f"{name}: give the level in `level`, for each data set")
    if first["type"] == "extra_forbidden":
        raise UsageError(parts.unknown(f"argument of {name}", path, arguments.model_fields))
    raise UsageError(f"{name}: {path}={first['input']!r}: {first['msg'].lower()}")


def takes_level(function: Callable[..., float]) -> bool:
    return LEVEL in inspect.signature(function).parameters


@cache
def _arguments(function: Callable[..., float]) -> type[BaseModel]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    fields: Any = {
        one.name: (one.annotation, ...) for one in parameters if one.kind is one.KEYWORD_ONLY and one.name != LEVEL
    }
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid", strict=True), **fields)
