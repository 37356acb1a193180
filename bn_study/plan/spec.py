"""A run, fully described, and its identity."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from bn_study.plan.renamed import former, former_option
from bn_study.plan.types import FileContent

RECIPE = 2
"""Bumped when the mathematics or the random streams of training change; CHANGELOG.md says why."""


CODE = ("recipe", "own")
"""Fields of a run that stand for the code that trains it, not for what is asked for."""


@dataclass(frozen=True)
class Part:
    """One chosen part of a run: a file in a part folder, and its checked arguments."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def canonical(self) -> str:
        """The part's share of the hashed text. It is cached, because the runs of a sweep share most parts."""
        return _json(_without_nulls(_identity(self)))

    @cached_property
    def listed(self) -> str:
        """The same for a part in a list, such as a probe. There nulls have always been hashed."""
        return _json(_identity(self))


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's numbers, and nothing else.

    `plan/parts.py` has coerced the values, so `1`, `1.0` and `1e0` give the same learning rate and the same id.
    `probes` and `schedule` belong to the identity because they decide what is recorded. classes_per_batch: how many
    classes each training batch is drawn from; None draws from all examples alike. own: `kind/name` of each part that is
    the study's own -> a hash of its code, so that an edited part trains anew; None without such parts. It is to them
    what the recipe is to the package: no part of what a claim asks for.
    """

    dataset: Part
    model: Part
    norm: Part
    optimizer: Part
    steps: int
    batch_size: int
    seed: int
    probes: tuple[Part, ...]
    schedule: Mapping[str, Any]
    recipe: int = RECIPE
    classes_per_batch: int | None = None
    own: Mapping[str, str] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """The run as command-line settings: `{"norm": "batch", "norm.momentum": 0.9, "seed": 3, ...}`."""
        flat: dict[str, Any] = {}
        for kind in ("dataset", "model", "norm", "optimizer"):
            part = getattr(self, kind)
            flat[kind] = part.name
            flat |= {f"{kind}.{key}": _plain(value) for key, value in part.args.items()}
        flat |= {"steps": self.steps, "batch_size": self.batch_size, "seed": self.seed}
        flat["classes_per_batch"] = self.classes_per_batch
        flat["probe"] = [probe.name for probe in self.probes]
        for probe in self.probes:
            flat |= {f"probe.{probe.name}.{key}": _plain(value) for key, value in probe.args.items()}
        flat |= {f"schedule.{key}": value for key, value in self.schedule.items()}
        return flat

    def canonical(self) -> str:
        """The JSON text that is hashed: sorted keys, no nulls (a null means "as before the option existed").

        It joins the cached texts of the parts, which makes large plans cheap.
        """
        return _object({name: _text(getattr(self, attribute)) for name, attribute in _HASHED.items()})

    @cached_property
    def asked(self) -> str:
        """`asked_text` of the run, without the code (recipe, own): what a claim asks for."""
        return asked_text({name: getattr(self, attribute) for name, attribute in _HASHED.items() if name not in CODE})

    @cached_property
    def training(self) -> str:
        """Ten hex digits of what is trained: settings and seed, without the code, probes and measuring schedule.

        Training the same again with new code, or measuring more, is no new evidence. Such runs share this value.
        """
        return training_of(self.canonical())

    @cached_property
    def id(self) -> str:
        """`<norm>-<model>-<dataset>-s<seed>-<10 hex digits>`: readable in front, the hash of `canonical()` behind."""
        digest = hashlib.sha256(self.canonical().encode()).hexdigest()[:10]
        return f"{self.norm.name}-{self.model.name}-{self.dataset.name}-s{self.seed}-{digest}"


_HASHED = dict(sorted((former(attribute.name), attribute.name) for attribute in fields(RunSpec)))
"""Hashed name of each field, in order -> its current name."""


def training_of(canonical: str) -> str:
    """`RunSpec.training` of the run with this canonical text, which may be of any version."""
    fields = {key: value for key, value in json.loads(canonical).items() if key not in (*CODE, "probes", "measure")}
    return hashlib.sha256(_json(_without_nulls(fields)).encode()).hexdigest()[:10]


def asked_text(fields: Mapping[str, Any]) -> str:
    """Fields of a run as JSON in the order of their names: sorted keys, and no nulls anywhere.

    A field is a checked value, or plain values of a configuration that is not complete yet. A null means "as before the
    option existed", so a later option that is null changes no text.
    """
    texts = {former(name): _asked(value) for name, value in fields.items()}
    return _object(dict(sorted(texts.items())))


def _asked(value: Any) -> str:
    if isinstance(value, Part):
        return value.canonical
    if isinstance(value, tuple):
        return f"[{','.join(part.canonical for part in value)}]"
    return _json(by_value(_identity(value)))


def by_value(value: Any) -> Any:
    """The value without nulls in mappings, and with whole numbers as integers: `3`, `3.0` and `3e0` are equal."""
    if isinstance(value, Mapping):
        return {key: by_value(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, (list, tuple)):
        return [by_value(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _object(texts: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if text != "null") + "}"


def _text(value: Any) -> str:
    """A field's share of the hashed text."""
    if isinstance(value, Part):
        return value.canonical
    if isinstance(value, tuple):
        return f"[{','.join(part.listed for part in value)}]"
    return _json(_without_nulls(_identity(value)))


_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _identity(value: Any) -> Any:
    if isinstance(value, Part):
        return {"name": value.name} | {former_option(key): _identity(argument) for key, argument in value.args.items()}
    if isinstance(value, FileContent):
        return {"sha256": value.sha256}
    if isinstance(value, Mapping):
        return {former_option(key): _identity(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_identity(entry) for entry in value]
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(entry) for key, entry in value.items() if entry is not None}
    return value


def _plain(value: Any) -> Any:
    return value.path if isinstance(value, FileContent) else value
