"""The settings of a call: how its runs are trained and mirrored. They change no number and no run's identity."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan import choice, device, numerics, parts, places
from bn_study.plan.device import Device
from bn_study.plan.experiment import Factors
from bn_study.plan.numerics import Numerics
from bn_study.plan.reading import load
from bn_study.plan.spec import Part

COUNTS = ("workers", "threads", "wide")
SECONDS = ("timeout", "checkpoint", "heartbeat_timeout", "mirror_wait")
WORDS: Mapping[str, tuple[str, ...]] = {"device": device.CHOICES, "numerics": numerics.CHOICES}
OPTIONAL = ("workers", "timeout")
"""The settings that may be null."""
NAMES = ("launcher", "device", "numerics", *COUNTS, *SECONDS, "mirror")
"""The entries of conf/config.yaml that belong to a call; so do overrides that begin with `launcher.` or `mirror.`."""


@dataclass(frozen=True)
class CallSettings:
    """launcher: who starts the workers, with its options. mirror: what runs are exported to while they are trained.

    workers: None for as many as the launcher thinks right. threads: cores of each. wide: units of a layer, see
    plan/device.py. timeout: seconds that a run may take, None for as long as it likes. checkpoint, heartbeat_timeout,
    mirror_wait: seconds, see conf/config.yaml.
    """

    launcher: Part
    device: Device
    numerics: Numerics
    workers: int | None
    threads: int
    wide: int
    timeout: float | None
    checkpoint: float
    heartbeat_timeout: float
    mirror_wait: float
    mirror: Part | None


def belongs(key: str) -> bool:
    """Whether a setting is one of the call."""
    return key in NAMES or key.startswith(("launcher.", "mirror."))


def checked(home: Path, asked: Factors, config: Mapping[str, Any]) -> CallSettings:
    """What a command line asks for, and else what conf/ says.

    config: the composed configuration, with the launcher that was chosen. Raises UsageError.
    """
    numbers = {key: _number(key, asked.get(key, config[key])) for key in (*COUNTS, *SECONDS)}
    words = {key: asked.get(key, config[key]) for key in WORDS}
    for key, value in words.items():
        if value not in WORDS[key]:
            raise UsageError(parts.unknown(key, str(value), WORDS[key]))
    if words["device"] == "gpu" and asked.get("numerics") == "portable":
        raise UsageError("numerics=portable: the same bits are promised for CPUs only; leave it out with device=gpu")
    options = dict(config["launcher"])
    for key, value in asked.items():
        part, _, name = key.partition(".")
        if part != "launcher" or not name:
            continue
        if name.startswith("extra."):
            before = options.get("extra", {})
            if not isinstance(before, Mapping):
                raise UsageError(f"launcher.extra={before}: give single options, as launcher.{name}={value}")
            options["extra"] = {**before, name.removeprefix("extra."): value}
        else:
            options[name] = value
    launcher = _launcher(options, numbers["timeout"])
    return CallSettings(launcher=launcher, mirror=chosen_mirror(home, asked), **words, **numbers)


def _launcher(options: Mapping[str, Any], timeout: float | None) -> Part:
    part = parts.checked("launcher", str(options["name"]), {key: one for key, one in options.items() if key != "name"})
    if timeout is not None and not parts.declared("launcher", part.name, "TIMEOUT"):
        others = [name for name in parts.names("launcher") if parts.declared("launcher", name, "TIMEOUT")]
        raise UsageError(
            f"timeout: launcher={part.name} has no process that could end a run; use launcher={' or '.join(others)}"
        )
    parts.installed("launcher", part.name)
    if parts.defines("launcher", part.name, "check"):
        parts.find("launcher", part.name).check(**part.args)
    return part


def _number(key: str, value: Any) -> Any:
    if value is None and key in OPTIONAL:
        return None
    numbers, least = (int, 1) if key in COUNTS else ((int, float), 0)
    if not isinstance(value, numbers) or isinstance(value, bool) or not least <= value < math.inf or value == 0:
        wanted = "a whole number of at least 1" if key in COUNTS else "a number of seconds above 0"
        raise UsageError(f"{key}={'null' if value is None else value}: give {wanted}")
    return value


def chosen_mirror(home: Path, asked: Factors) -> Part | None:
    """What mirrors runs, by the settings `mirror` and `mirror.<option>`; None for nothing."""
    name = asked.get("mirror")
    options = {key.partition(".")[2]: value for key, value in asked.items() if key.startswith("mirror.")}
    if name is None:
        if options:
            raise UsageError(
                f"mirror.{next(iter(options))}: choose a mirror first, as mirror={parts.names('mirror')[0]}"
            )
        return None
    choice.check(home, "mirror", str(name))
    path = places.options(home, "mirror")[str(name)]
    given = load(path, places.shown(home, path))
    choice.check_composed(home, {"mirror": given}, "mirror", [str(name)])
    part = parts.checked("mirror", str(name), {key: value for key, value in given.items() if key != "name"} | options)
    parts.installed("mirror", part.name)
    return part
