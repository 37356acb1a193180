"""conf/ + experiments/ + overrides -> Experiment. The only module that imports Hydra.

A factor is a setting by its dotted name. A later source wins: the experiment's base, the grid, the profile, the command
line. In a grid, a profile and a sweep of the command line a list is an axis; there, a setting that is itself a list
(`model.widths`) is written as a list of lists. An override of `seed` does not change tuning grids, so values are never
tuned on reported seeds.
"""

import copy
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from threading import RLock
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, Transformer
from hydra.core.utils import JobRuntime
from hydra.errors import HydraException
from hydra.version import VersionBase
from omegaconf import OmegaConf
from yaml import YAMLError

from bn_study.errors import Faults, UsageError
from bn_study.plan import call_settings, choice, parts, places, secrets
from bn_study.plan.call_settings import CallSettings
from bn_study.plan.experiment import ADHOC, Claim, Experiment, Tune
from bn_study.plan.grids import GROUPS, Axes, GridBuilder, dotted
from bn_study.plan.reading import (
    asked_sections,
    current_experiment,
    factors_of,
    load,
    read_entries,
    unread_entries,
    unreadable,
)
from bn_study.plan.renamed import current, current_words
from bn_study.plan.shortened import shortened_entries
from bn_study.plan.vocabulary import Vocabulary

_ALONE = RLock()
"""Hydra keeps its state in the process, so one thread composes at a time."""


def compose(
    home: Path, name: str | None, overrides: Iterable[str], faults: Faults | None = None
) -> tuple[Experiment, CallSettings]:
    """The experiment that a command line asks for, and the settings of the call (launcher, workers, threads).

    name: a file in experiments/, or None for the one grid that the overrides describe.
    faults: collects the errors of the file's entries, which are then left out of the experiment (`unread`), so that a
    caller can look for others before it raises them.
    Raises UsageError for anything else that cannot be planned, before anything starts.
    """
    if not __debug__:
        raise UsageError(
            "Python runs without assertions (PYTHONOPTIMIZE or -O), which Hydra's grammar needs; unset PYTHONOPTIMIZE"
        )
    with _ALONE:
        parts.look_in(home / places.PARTS)
        return _compose(_Composer(home), name, overrides, faults)


def _compose(
    composer: "_Composer", name: str | None, overrides: Iterable[str], faults: Faults | None = None
) -> tuple[Experiment, CallSettings]:
    told = Faults() if faults is None else faults
    home, asked = composer.home, _parse(overrides)
    settings = _call_settings(composer, {key: asked.pop(key) for key in list(asked) if call_settings.belongs(key)})
    profile: Axes = _profile(home, asked.pop("profile")) if "profile" in asked else {}
    name = name and current_experiment(home, name)
    sections = asked_sections(home, name)
    with told.at():
        sections.nothing_else()
    where, written = sections.where, sections.grids()
    stated_tune, stated_claims = sections.entries("tune"), sections.entries("claims", like=True)
    for entry in stated_claims.values():
        entry.setdefault("grid", next(iter(written)))
    tune = read_entries(Tune, f"{where}: tune", stated_tune, told)
    claims = read_entries(Claim, f"{where}: claims", stated_claims, told)
    base = {current(key): value for key, value in sections.section("base").items()}
    builder = GridBuilder(composer.of_run, factors_of(stated_tune) | tune)
    builder.add_all(where, base, written, _axis, profile, asked, told)
    with told.at():
        builder.finish(where, written, base, asked, (*call_settings.NAMES, "profile"))
    changed = profile | asked
    unchanged = _compose(composer, name, [], faults)[0] if name is not None and changed else None
    unread = frozenset(unread_entries("tune", stated_tune, tune)).union(unread_entries("claims", stated_claims, claims))
    words: dict[str, str] = {}
    if unchanged is not None:
        tune = shortened_entries("tune", tune, unchanged, builder.grids, words)
        claims = shortened_entries("claims", claims, unchanged, builder.grids, words)
    experiment = Experiment(
        name=name or ADHOC,
        question=sections.text("question"),
        source=sections.text("source"),
        grids=builder.grids,
        tune=tune,
        claims=claims,
        figures=current_words(sections.entries("figures")),
        discussion=sections.text("discussion"),
        changed=tuple(f"{key}={_text(axis)}" for key, axis in sorted(changed.items()) if key in builder.reached),
        unchanged=unchanged,
        sanity_check=sections.flag("sanity_check"),
        shortened=words,
        unread=frozenset(unread.union(unread_entries("grids", written, builder.grids))),
    )
    if faults is None:
        told.finish()
    return experiment, settings


# --- the command line -------------------------------------------------------------------------------------------------


def _parse(overrides: Iterable[str]) -> Axes:
    """`key=value` and sweeps in Hydra's grammar -> an axis per key."""
    axes: Axes = {}
    for text in overrides:
        key = text.partition("=")[0]
        secrets.refuse(key, "command line")  # before any message repeats its value
        secrets.refuse_credentials(text, key, "command line")
        override = _override(text)
        if override.is_add() or override.is_delete() or override.package is not None:
            raise UsageError(f"{text!r}: only `setting=value` is understood here, without + or ~ or @")
        axes[current(override.key_or_group)] = values = _values(override, text)
        for key in (key for value in values if isinstance(value, dict) for key in dotted(value)):
            secrets.refuse(key, "command line")
    return axes


def _override(text: str) -> Override:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        key, _, value = text.partition("=")
        hint = f", or put the value in quotes: {_quoted(key, value)}" if key and value else ""
        reason = str(error).splitlines()[0]
        raise UsageError(f"cannot read {text!r}: {reason}; write setting=value or setting=a,b,c{hint}") from None


def _quoted(key: str, value: str) -> str:
    """A setting for the shell, quoted so that its value is read as it is written."""
    return shlex.quote(f"{key}={QuotedString(value, Quote.double).with_quotes()}")


def _values(override: Override, text: str) -> list[Any]:
    if not override.is_sweep_override():
        return [override.value()]
    key, whole = override.key_or_group, text.partition("=")[2]
    if os.path.isfile(os.path.expanduser(whole)):
        raise UsageError(f"{text} is a sweep, and the name of a file; for the file write {_quoted(key, whole)}")
    if not override.is_discrete_sweep() or "glob(" in text:
        raise UsageError(f"{text}: only a,b,c and choice() and range() make a sweep here")
    try:
        values = [_swept(key, value) for value in override.sweep_iterator()]
    except (ValueError, HydraException) as error:
        raise UsageError(f"{text}: {error}") from None
    if not values:
        raise UsageError(f"{text}: the list is empty; give at least one value")
    return values


def _swept(key: str, value: Any) -> Any:
    """A value of a sweep in plain Python types: numbers come as numbers; Hydra parses the rest as single values."""
    return value if isinstance(value, (int, float)) else _override(f"{key}={Transformer.encode(value)}").value()


def _axis(key: str, value: Any, where: str) -> list[Any]:
    """A factor of a grid or a profile as an axis: a list, or a sweep in Hydra's grammar (`range(8)`)."""
    if isinstance(value, list):
        if not value:
            raise UsageError(f"{where}.{key}: the list is empty; give at least one value")
        return value
    if isinstance(value, str) and "(" in value:
        try:
            return _values(_override(f"{key}={value}"), f"{key}={value}")
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None
    return [value]


def _call_settings(composer: "_Composer", asked: Axes) -> CallSettings:
    for key, axis in asked.items():
        if len(axis) > 1:
            raise UsageError(f"{key}={_text(axis)}: give one value, not a sweep")
    given = {key: axis[0] for key, axis in asked.items()}
    launcher = {key: given[key] for key in given if key == "launcher"}
    return call_settings.checked(composer.home, given, composer(launcher))


def _profile(home: Path, names: list[Any]) -> Axes:
    known = places.options(home, "profile")
    if len(names) != 1 or not isinstance(names[0], str) or names[0] not in known:
        raise UsageError(parts.unknown("profile", _text(names), known))
    path = known[names[0]]
    where = places.shown(home, path)
    return {current(key): _axis(key, value, where) for key, value in load(path, where).items()}


# --- Hydra ------------------------------------------------------------------------------------------------------------


class _Composer:
    """Hydra's composition, cached by the choice of parts, because one takes tens of milliseconds."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.known: dict[str, dict[str, Any]] = {}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.read(places.vocabulary(self.home))

    def __call__(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        overrides, chosen = [], {}
        for key, value in sorted(choices.items()):
            chosen[key] = [str(one) for one in value] if isinstance(value, list) else [str(value)]
            for one in chosen[key]:
                choice.check(self.home, key, one)
            overrides.append(f"{key}=[{','.join(chosen[key])}]" if key == "probe" else f"{key}={value}")
        cached: Any = self.known.get(str(overrides))
        if cached is None:
            cached = dict(_composed(self.vocabulary, tuple(overrides)))
            if choices.get("probe") == []:
                cached["probe"] = {}
            for group in (*GROUPS, "launcher"):
                choice.check_composed(self.home, cached, group, chosen.get(group, []))
            for key in dotted(cached):
                secrets.refuse(key, "conf/")
            self.known[str(overrides)] = cached
        return copy.deepcopy(cached)

    def of_run(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of a run: all but the settings of the call."""
        return {key: value for key, value in self(choices).items() if key not in call_settings.NAMES}


@lru_cache(maxsize=512)
def _composed(vocabulary: Vocabulary, overrides: tuple[str, ...]) -> dict[str, Any]:
    """What Hydra composes, not to be changed. All experiments share it: it is most of the work on a small one."""
    first, *others = vocabulary.folders
    beneath = [QuotedString(f"file://{one}", Quote.single).with_quotes() for one in others]
    search = [f"hydra.searchpath=[{','.join(beneath)}]"] if beneath else []
    with _hydra(first):
        composed: Any = OmegaConf.to_container(hydra_compose("config", [*overrides, *search]), resolve=False)
    return composed


@contextmanager
def _hydra(folder: Path) -> Iterator[None]:
    """Point Hydra's process-wide state at this folder inside the block, and restore the caller's afterwards.

    Raises UsageError if the folder's files cannot be read.
    """
    state, base, job = GlobalHydra.instance(), VersionBase.instance(), JobRuntime.instance()
    before = state.hydra, base.version_base, job.get("name")
    state.clear()
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            yield
    except (HydraException, YAMLError, UnicodeError) as error:
        raise UsageError(f"conf/: {unreadable(error)}") from None
    finally:
        GlobalHydra.set_instance(state)  # Hydra has put a copy in its place
        state.hydra, base.version_base = before[:2]
        job.set("name", before[2])


def _text(axis: list[Any]) -> str:
    """An axis as written on the command line; Hydra reads the same values from it."""
    return ",".join(map(_word, axis))


def _word(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return f"[{','.join(map(_word, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{_word(key)}:{_word(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, str):
        return value if _is_bare(value) else QuotedString(value, Quote.single).with_quotes()
    return str(value)


def _is_bare(text: str) -> bool:
    """Whether Hydra reads the text without quotes as the same text, alone and in a list."""
    try:
        override = _override(f"key=[{text}]")
    except UsageError:
        return False
    return not override.is_sweep_override() and override.value() == [text]
