"""Names of settings that were once others. Old ones are read for ever, and what is hashed keeps them, so no id changes.

A run's canonical text and a claim's hash are made with the old names; files of experiments, overrides, spec.json and
runs.csv may say either.
"""

from collections.abc import Mapping
from typing import Any

FIELDS = {"measure": "schedule", "probes": "probe", "silence": "heartbeat_timeout"}
"""Settings, by their first word: old name -> new name."""
OPTIONS = {"binarise": "binarize", "normalise_input": "normalize_input"}
"""Options of parts."""
SECTIONS = {"oracle": "sanity_check"}
"""Of an experiment file."""
EXPERIMENTS = {"oracles": "sanity_checks", "initialisation": "initialization"}
"""Experiments of this project."""
_FORMER_FIELDS = {new: old for old, new in FIELDS.items()}
_FORMER_OPTIONS = {new: old for old, new in OPTIONS.items()}


def current(setting: str) -> str:
    """A setting's dotted name as it is now: `measure.points` is `schedule.points`."""
    return _translated(setting, FIELDS, OPTIONS)


def former(setting: str) -> str:
    """The same as it was, which is how it is hashed."""
    return _translated(setting, _FORMER_FIELDS, _FORMER_OPTIONS)


def former_option(name: str) -> str:
    """A part's option as it is hashed."""
    return _FORMER_OPTIONS.get(name, name)


def current_words(value: Any) -> Any:
    """A claim, a tuning entry or a figure in which dotted settings, alone or in selectors, have their new names."""
    return _words(value, current)


def former_words(value: Any) -> Any:
    """The same with their old names."""
    return _words(value, former)


def _translated(setting: str, fields: Mapping[str, str], options: Mapping[str, str]) -> str:
    first, dot, rest = setting.partition(".")
    return fields.get(first, first) + dot + options.get(rest, rest)


def _words(value: Any, translate: Any) -> Any:
    if isinstance(value, Mapping):
        return {_words(key, translate): _words(one, translate) for key, one in value.items()}
    if isinstance(value, list):
        return [_words(one, translate) for one in value]
    if not isinstance(value, str):
        return value
    words = []
    for word in value.split(" "):
        setting, equals, chosen = word.partition("=")
        named = equals or setting.partition(".")[2]
        words.append((translate(setting) if named else setting) + equals + chosen)
    return " ".join(words)
