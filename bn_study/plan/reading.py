"""Experiment files: YAML, read through OmegaConf and checked field by field. `compose` interprets them."""

import copy
import re
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import MarkedYAMLError, YAMLError

from bn_study.errors import UsageError
from bn_study.plan import parts, secrets
from bn_study.plan.experiment import ADHOC, Claim, Tune
from bn_study.plan.renamed import EXPERIMENTS, SECTIONS

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
NAME_RULE = "names are of letters, digits, _ and -"
RESERVED = ("runs", "local", "bench", "replications", "statements", ADHOC)
"""Folders of results/ that belong to no experiment."""
Stated = TypeVar("Stated", Tune, Claim)


def experiment_names(home: Path) -> list[str]:
    """The files in experiments/, sorted."""
    return sorted(path.stem for path in (home / "experiments").glob("*.yaml"))


def current_experiment(home: Path, name: str) -> str:
    """The current name of an experiment, which may be given by a former one."""
    return name if name in experiment_names(home) else EXPERIMENTS.get(name, name)


def experiment_question(home: Path, name: str) -> str:
    """The question of an experiment file; "" if it has none."""
    return str(read_experiment(home, name).get("question") or "")


def read_experiment(home: Path, name: str) -> dict[str, Any]:
    """The content of an experiment file. Raises UsageError with the nearest name if there is no such file."""
    known = experiment_names(home)
    if name not in known:
        if (home / "experiments" / f"{name}.yml").exists():
            raise UsageError(f"experiments/{name}.yml: name it {name}.yaml")
        raise UsageError(parts.unknown("experiment", name, known))
    if name in RESERVED or not NAME.fullmatch(name):
        raise UsageError(f"experiments/{name}.yaml: an experiment cannot be called so; {NAME_RULE}")
    content = load(home / "experiments" / f"{name}.yaml", f"experiments/{name}.yaml")
    return {SECTIONS.get(key, key): value for key, value in content.items()}


def load(path: Path, where: str) -> dict[str, Any]:
    """A YAML file, read through OmegaConf, which takes `1e-3` for a number (plain YAML 1.1 takes it for text)."""
    try:
        content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OmegaConfBaseException, OSError, ValueError, YAMLError) as error:
        raise UsageError(f"{where}: {unreadable(error)}") from None
    if not isinstance(content, dict):
        raise UsageError(f"{where}: expected `key: value` lines")
    _check_keys(content, where)
    return content


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

    NAMES = ("question", "source", "base", "grids", "tune", "claims", "figures", "discussion", "sanity_check")

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
                if model not in entries:
                    raise UsageError(
                        f"{self.where}: {key}.{name}: {parts.unknown('entry before it', str(model), entries)}"
                    )
                entry = copy.deepcopy(entries[model]) | entry
            entries[name] = entry
        return entries


def checked(model: type[Stated], where: str, entry: dict[str, Any]) -> Stated:
    """An entry as a Tune or Claim. Raises UsageError that names the missing, unknown or wrong field."""
    if "statements" in entry:
        raise UsageError(f"{where}: statements: a claim is attached to statements in statements.yaml, not here")
    try:
        return model.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise UsageError(f"{where}: {key} is missing; state it") from None
        if first["type"] == "extra_forbidden":
            raise UsageError(f"{where}: {parts.unknown('field', key, model.model_fields)}") from None
        raise UsageError(f"{where}: {key}: {first['msg'].removeprefix('Value error, ')}") from None
