"""Experiment files: YAML, read through OmegaConf and checked field by field. `compose` interprets them."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import MarkedYAMLError, YAMLError

from bn_study.errors import Faults, UsageError
from bn_study.plan import parts, places, secrets
from bn_study.plan.experiment import ADHOC, Claim, Factors, Tune
from bn_study.plan.experiment_file import ExperimentFile
from bn_study.plan.renamed import EXPERIMENTS, SECTIONS

ADHOC_FIGURES = {name: {"kind": "curves", "grid": "sweep", "metric": f"test/{name}"} for name in ("accuracy", "loss")}
"""The report draws those that the runs recorded: a regression has no accuracy."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
NAME_RULE = "names consist of letters, digits, _ and -"
RESERVED = ("runs", "local", "bench", "replications", "statements", ADHOC)
"""Folders of results/ that belong to no experiment."""
Stated = TypeVar("Stated", Tune, Claim)


def experiment_names(home: Path) -> list[str]:
    """The files in experiments/, sorted: the study's own, and the package's beneath them."""
    return list(places.experiments(home))


def current_experiment(home: Path, name: str) -> str:
    """The current name of an experiment, which may be given by a former one."""
    return name if name in experiment_names(home) else EXPERIMENTS.get(name, name)


def experiment_question(home: Path, name: str) -> str:
    """The question of an experiment file; "" if it has none."""
    return str(read_experiment(home, name).get("question") or "")


def read_experiment(home: Path, name: str) -> dict[str, Any]:
    """The content of an experiment file. Raises UsageError with the nearest name if there is no such file."""
    known = places.experiments(home)
    if name not in known:
        if (home / "experiments" / f"{name}.yml").exists():
            raise UsageError(f"experiments/{name}.yml: name it {name}.yaml")
        raise UsageError(parts.unknown("experiment", name, known))
    if name in RESERVED or not NAME.fullmatch(name):
        raise UsageError(f"experiments/{name}.yaml: an experiment cannot be called so; {NAME_RULE}")
    content = load(known[name], f"experiments/{name}.yaml")
    return {SECTIONS.get(key, key): value for key, value in content.items()}


def load(path: Path, where: str) -> dict[str, Any]:
    """A YAML file, read through OmegaConf, which takes `1e-3` for a number (plain YAML 1.1 takes it for text)."""
    try:
        content: Any = OmegaConf.to_container(_parsed(_File(path.read_text(encoding="utf-8"), path)), resolve=True)
    except (OmegaConfBaseException, OSError, RecursionError, ValueError, YAMLError) as error:
        raise UsageError(f"{where}: {unreadable(error)}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{where}: expected `key: value` lines")
    _check_keys(content, where)
    return content


@dataclass(frozen=True)
class _File:
    """A file by its text, wherever it lies."""

    text: str
    path: Path = field(compare=False)


@lru_cache(maxsize=256)
def _parsed(file: _File) -> Any:
    """A file as OmegaConf has it. Parsing is slow, and reports read the same files for every experiment."""
    stream: Any = StringIO(file.text)
    stream.name = str(file.path)  # as errors name it
    return OmegaConf.load(stream)


def unreadable(error: Exception) -> str:
    """One line that says why a file cannot be read; for a YAML error, with file and line number."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return f"{'not readable as YAML: ' if isinstance(error, YAMLError) else ''}{' '.join(str(error).split())}"
    mark, duplicate = error.problem_mark, (error.problem or "").partition("found duplicate key ")[2]
    where = f"line {mark.line + 1} of {mark.name}"
    if duplicate:
        return f"{where}: the key {duplicate} is there twice; remove one"
    return f"{where}: not readable as YAML: {error.problem}"


def _check_keys(content: dict[Any, Any], where: str) -> None:
    for key, value in content.items():
        if not isinstance(key, str):
            raise UsageError(f"{where}: {key!r} is not a name; names are texts")
        secrets.refuse(key, where)
        if isinstance(value, dict):
            _check_keys(value, f"{where}: {key}")


class Sections:
    """The top level of an experiment file."""

    NAMES = tuple(ExperimentFile.model_fields)

    def __init__(self, where: str, content: dict[str, Any]) -> None:
        self.where = where
        self.content = content

    def nothing_else(self) -> None:
        for key in self.content:
            if key not in self.NAMES:
                raise UsageError(f"{self.where}: {parts.unknown('section', key, self.NAMES)}")

    def text(self, key: str) -> str:
        text = self.content.get(key)
        if text is not None and not isinstance(text, str):
            raise UsageError(f"{self.where}: {key}: expected text")
        return text or ""

    def flag(self, key: str) -> bool:
        value = self.content.get(key, False)
        if not isinstance(value, bool):
            raise UsageError(f"{self.where}: {key}: expected true or false")
        return value

    def section(self, key: str) -> dict[str, Any]:
        section = self.content.get(key) or {}
        if not isinstance(section, dict):
            raise UsageError(f"{self.where}: {key}: expected `name: value` lines")
        return section

    def grids(self) -> dict[str, dict[str, Any]]:
        found = self.entries("grids", like=True)
        if not found:
            raise UsageError(f"{self.where}: grids: there are none; name at least one")
        return found

    def entries(self, key: str, like: bool = False) -> dict[str, dict[str, Any]]:
        """The named entries of a section; with `like`, an entry may start from another one."""
        entries: dict[str, dict[str, Any]] = {}
        for name, entry in self.section(key).items():
            if not NAME.fullmatch(name):
                raise UsageError(f"{self.where}: {key}.{name}: {NAME_RULE}")
            if not isinstance(entry, dict):
                raise UsageError(f"{self.where}: {key}.{name}: expected `setting: value`")
            entry = copy.deepcopy(entry)
            if like and "like" in entry:
                model = entry.pop("like")
                if not isinstance(model, str) or model not in entries:
                    raise UsageError(
                        f"{self.where}: {key}.{name}: {parts.unknown('entry before it', str(model), entries)}"
                    )
                entry = copy.deepcopy(entries[model]) | entry
            entries[name] = entry
        return entries


def read_entries(model: type[Stated], where: str, entries: Factors, told: Faults) -> dict[str, Stated]:
    """The entries of a section that can be read; `told` gets the errors of the others."""
    found = {}
    for key, entry in entries.items():
        with told.at():
            found[key] = checked(model, f"{where}.{key}", entry)
    return found


def unread_entries(section: str, written: Factors, read: Mapping[str, Any]) -> list[str]:
    """The entries of a section that could not be read, as `claims.<name>`."""
    return [f"{section}.{one}" for one in written if one not in read]


def factors_of(entries: Factors) -> dict[str, Tune]:
    """Tuning entries that may have errors, as far as grids look at them: a factor with such a name waits for it."""
    known = {key: one["factors"] for key, one in entries.items() if isinstance(one.get("factors"), list)}
    return {key: Tune.model_construct(grid=[], factors=factors) for key, factors in known.items()}


def checked(model: type[Stated], where: str, entry: dict[str, Any]) -> Stated:
    """An entry as a Tune or Claim. Raises UsageError with a line for each missing, unknown or wrong field."""
    if "statements" in entry:
        raise UsageError(f"{where}: statements: a claim is attached to statements in statements.yaml, not here")
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        lines = (f"{where}: {_fault(model, one)}" for one in error.errors())
        raise UsageError("\n".join(dict.fromkeys(lines))) from None


def _fault(model: type[Stated], error: Any) -> str:
    key = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{key} is missing; state it"
    if error["type"] == "extra_forbidden":
        return parts.unknown("field", key, model.model_fields)
    return f"{key}: {error['msg'].removeprefix('Value error, ')}"


def asked_sections(home: Path, name: str | None) -> Sections:
    """The sections of an experiment's file; without a name, of the one grid that a command line describes."""
    if name is None:
        return Sections("command line", {"grids": {"sweep": {}}, "figures": ADHOC_FIGURES})
    return Sections(f"experiments/{name}.yaml", read_experiment(home, name))
