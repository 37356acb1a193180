"""Settings that were renamed. The old names stay readable, and hashes keep them, so no id changes.

A run's canonical text and a claim's hash use the old names. Experiment files, overrides, spec.json and runs.csv may use
either.
"""

from collections.abc import Mapping
from typing import Any

FIELDS = {"measure": "schedule", "probes": "probe", "silence": "heartbeat_timeout"}
"""Settings, by their first word: old name -> new name."""
OPTIONS = {"binarise": "binarize", "normalise_input": "normalize_input"}
"""Options of parts that a run is made of."""
FIGURE_OPTIONS = {"colour": "color"}
"""Options of figures, which are not hashed."""
SECTIONS = {"oracle": "sanity_check"}
"""Sections of an experiment file."""
EXPERIMENTS = {"oracles": "sanity_checks", "initialisation": "initialization"}
"""Experiments of this project."""
_FORMER_FIELDS = {new: old for old, new in FIELDS.items()}
_FORMER_OPTIONS = {new: old for old, new in OPTIONS.items()}


def current(setting: str) -> str:
    """The current dotted name of a setting: `measure.points` -> `schedule.points`."""
    return _translated(setting, FIELDS, OPTIONS)


def former(setting: str) -> str:
    """The former dotted name, which is hashed."""
    return _translated(setting, _FORMER_FIELDS, _FORMER_OPTIONS)


def former_option(name: str) -> str:
    """The former name of a part's option, which is hashed."""
    return _FORMER_OPTIONS.get(name, name)


def current_words(value: Any) -> Any:
    """A claim, tuning entry or figure with the current names of dotted settings, alone or in selectors."""
    return _words(value, current)


def former_words(value: Any) -> Any:
    """The same with the former names."""
    return _words(value, former)


def _translated(setting: str, fields: Mapping[str, str], options: Mapping[str, str]) -> str:
    first, dot, rest = setting.partition(".")
    return fields.get(first, first) + dot + options.get(rest, rest)


def _words(value: Any, translate: Any) -> Any:
    if isinstance(value, Mapping):
        return {_words(key, translate): _words(entry, translate) for key, entry in value.items()}
    if isinstance(value, list):
        return [_words(entry, translate) for entry in value]
    if not isinstance(value, str):
        return value
    words = []
    for word in value.split(" "):
        setting, equals, chosen = word.partition("=")
        named = equals or setting.partition(".")[2]
        words.append((translate(setting) if named else setting) + equals + chosen)
    return " ".join(words)
