"""The annotations that part functions may use: what a YAML value must be before a run is planned.

A part function annotates every keyword with one of these names, a builtin or a `Literal`. `plan/parts.py` reads the
annotations from the source and checks values against them, so a wrong value is refused before TensorFlow is imported.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from bn_study.plan import activations


def _whole(value: Any) -> Any:
    """YAML reads `1e3` as a float; as a count it means 1000."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _ascending(value: list[float]) -> list[float]:
    if value[0] >= value[1]:
        raise ValueError(f"{value[0]:g} is not below {value[1]:g}; give the lower end first")
    return value


LARGEST = 2**31 - 1  # largest whole number: it fits a 32-bit step counter
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
AtLeastOne = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=LARGEST)]
Natural = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=LARGEST)]
Counts = Annotated[list[Count], Field(min_length=1)]
Positives = Annotated[list[Positive], Field(min_length=1)]
Range = Annotated[list[Number], Field(min_length=2, max_length=2), AfterValidator(_ascending)]
"""Two ends, the lower one first."""
Quantiles = Annotated[list[Annotated[float, Field(ge=0, le=100)]], Field(min_length=1)]
"""Percentiles, 0 to 100, as in the names of the records: 15 is `activation/unit_q15`."""
Source = Literal["reestimated", "moving", "moving_unbiased", "batch"]
"""Where a normalizer's statistics come from at inference; training/evaluation.py explains each."""


def _first_name(name: Any) -> Any:
    if first := activations.ALIASES.get(str(name)):
        raise ValueError(f"the name used here is {first}")
    return name


Activation = Annotated[activations.Name, BeforeValidator(_first_name)]
"""A nonlinearity of hidden layers: any name of plan/activations.py."""


@dataclass(frozen=True)
class FileContent:
    """A user's file. Its content is part of a run's identity; its path is not."""

    path: str
    sha256: str


def _read(value: Any) -> FileContent:
    if isinstance(value, FileContent):
        return value
    path = Path(os.path.expanduser(str(value)))  # Path.expanduser raises for an unknown user
    if not os.path.isfile(path):
        raise ValueError(f"no file at {path}; give the path of an existing file")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{path} cannot be read; check its permissions")
    with open(path, "rb") as file:
        return FileContent(str(path.resolve()), hashlib.file_digest(file, "sha256").hexdigest())


File = Annotated[FileContent, PlainValidator(_read)]

__all__ = [
    "Activation",
    "AtLeastOne",
    "BelowOne",
    "Count",
    "Counts",
    "File",
    "FileContent",
    "Fraction",
    "Literal",
    "Natural",
    "NonNegative",
    "Number",
    "Positive",
    "Positives",
    "Quantiles",
    "Range",
    "Source",
]
