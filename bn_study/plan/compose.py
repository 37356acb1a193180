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

from bn_study.errors import UsageError
from bn_study.plan import call_settings, choice, parts, secrets
from bn_study.plan.call_settings import CallSettings
from bn_study.plan.experiment import ADHOC, Claim, Experiment, Tune
from bn_study.plan.grids import GROUPS, Axes, GridBuilder, dotted
from bn_study.plan.reading import Sections, checked, current_experiment, load, read_experiment, unreadable
from bn_study.plan.renamed import current, current_words

ADHOC_FIGURES = {name: {"kind": "curves", "grid": "sweep", "metric": f"test/{name}"} for name in ("accuracy", "loss")}
"""The report draws those that the runs recorded: a regression has no accuracy."""
_ALONE = RLock()
"""Hydra keeps its state in the process, so one thread composes at a time."""


def compose(home: Path, name: str | None, overrides: Iterable[str]) -> tuple[Experiment, CallSettings]:
    """The experiment that a command line asks for, and the settings of the call (launcher, workers, threads).

    name: a file in experiments/, or None for the one grid that the overrides describe.
    Raises UsageError for anything that cannot be planned, before anything starts.
    """
    if not __debug__:
        raise UsageError(
            "Python runs without assertions (PYTHONOPTIMIZE or -O), which Hydra's grammar needs; unset PYTHONOPTIMIZE"
        )
    with _ALONE:
        return _compose(_Composer(home), name, overrides)


def _compose(composer: "_Composer", name: str | None, overrides: Iterable[str]) -> tuple[Experiment, CallSettings]:
    home, asked = composer.home, _parse(overrides)
    settings = _call_settings(composer, {key: asked.pop(key) for key in list(asked) if call_settings.belongs(key)})
    profile: Axes = {}
    if "profile" in asked:
        profile = _profile(home, asked.pop("profile"))
    if name is None:
        where, stated = "command line", {"grids": {"sweep": {}}, "figures": ADHOC_FIGURES}
    else:
        name = current_experiment(home, name)
        where, stated = f"experiments/{name}.yaml", read_experiment(home, name)
    sections = Sections(where, stated)
    tune = {key: checked(Tune, f"{where}: tune.{key}", entry) for key, entry in sections.entries("tune").items()}
    claims = sections.entries("claims", like=True)
    written = sections.entries("grids", like=True)
    if not written:
        raise UsageError(f"{where}: grids: there are none; name at least one")
    for entry in claims.values():
        entry.setdefault("grid", next(iter(written)))
    tuning_grids = {grid for entry in tune.values() for grid in entry.grids}
    base = {current(key): value for key, value in sections.section("base").items()}
    builder = GridBuilder(composer.of_run, tune)
    for grid, factors in written.items():
        changed = {key: axis for key, axis in asked.items() if not (key == "seed" and grid in tuning_grids)}
        fixed = {key: axis for key, axis in profile.items() if not (key == "seed" and grid in tuning_grids)}
        here = f"{where}: grids.{grid}"
        own = {current(key): _axis(key, value, here) for key, value in factors.items()}
        builder.add(here, grid, base, own, fixed, changed)
    builder.finish(where, base, asked, (*call_settings.NAMES, "profile"))
    experiment = Experiment(
        name=name or ADHOC,
        question=sections.text("question"),
        source=sections.text("source"),
        grids=builder.grids,
        tune=tune,
        claims={key: checked(Claim, f"{where}: claims.{key}", entry) for key, entry in claims.items()},
        figures=current_words(sections.entries("figures")),
        discussion=sections.text("discussion"),
        changed=tuple(
            f"{key}={_text(axis)}" for key, axis in sorted((profile | asked).items()) if key in builder.reached
        ),
        unchanged=_compose(composer, name, [])[0] if name is not None and profile | asked else None,
        sanity_check=sections.flag("sanity_check"),
    )
    sections.nothing_else()
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
        raise UsageError(
            f"cannot read {text!r}: {str(error).splitlines()[0]}; write setting=value or setting=a,b,c{hint}"
        ) from None


def _quoted(key: str, value: str) -> str:
    """A setting for the shell, quoted so that its value is read as it is written."""
    return shlex.quote(f"{key}={QuotedString(value, Quote.double).with_quotes()}")


def _values(override: Override, text: str) -> list[Any]:
    if not override.is_sweep_override():
        return [override.value()]
    key = override.key_or_group
    whole = text.partition("=")[2]
    if os.path.isfile(os.path.expanduser(whole)):
        raise UsageError(f"{text} is a sweep, and the name of a file; for the file write {_quoted(key, whole)}")
    if not override.is_discrete_sweep() or "glob(" in text:
        raise UsageError(f"{text}: only a,b,c and choice() and range() make a sweep here")
    values = [_swept(key, value) for value in override.sweep_iterator()]
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
    return call_settings.checked(
        composer.home, given, composer({key: given[key] for key in given if key == "launcher"})
    )


def _profile(home: Path, names: list[Any]) -> Axes:
    known = choice.names(home, "profile")
    if len(names) != 1 or names[0] not in known:
        raise UsageError(parts.unknown("profile", _text(names), known))
    where = f"conf/profile/{names[0]}.yaml"
    return {current(key): _axis(key, value, where) for key, value in load(home / where, where).items()}


# --- Hydra ------------------------------------------------------------------------------------------------------------


class _Composer:
    """Hydra's composition, cached by the choice of parts, because one takes tens of milliseconds."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.known: dict[str, dict[str, Any]] = {}

    def __call__(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        overrides, chosen = [], {}
        for key, value in sorted(choices.items()):
            chosen[key] = [str(one) for one in value] if isinstance(value, list) else [str(value)]
            for one in chosen[key]:
                choice.check(self.home, key, one)
            overrides.append(f"{key}=[{','.join(chosen[key])}]" if key == "probe" else f"{key}={value}")
        cached: Any = self.known.get(str(overrides))
        if cached is None:
            with _hydra(self.home / "conf"):
                cached = OmegaConf.to_container(hydra_compose("config", overrides), resolve=False)
            if choices.get("probe") == []:
                cached["probe"] = {}
            for group in (*GROUPS, "launcher"):
                choice.check_composed(cached, group, chosen.get(group, []))
            for key in dotted(cached):
                secrets.refuse(key, "conf/")
            self.known[str(overrides)] = cached
        return copy.deepcopy(cached)

    def of_run(self, choices: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of a run: all but the settings of the call."""
        return {key: value for key, value in self(choices).items() if key not in call_settings.NAMES}


@contextmanager
def _hydra(folder: Path) -> Iterator[None]:
    """Point Hydra's process-wide state at this folder inside the block, and restore the caller's afterwards.

    Raises UsageError if the folder's files cannot be read.
    """
    state, base, job = GlobalHydra.instance(), VersionBase.instance(), JobRuntime.instance()
    before = state.hydra, base.version_base, job.get("name")
    state.clear()
    try:
        with initialize_config_dir(str(folder.resolve()), version_base="1.3"):
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
