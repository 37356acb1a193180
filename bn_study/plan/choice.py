"""Check a part that a configuration chooses: its files in conf/ and in the package must exist and agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan import parts


def names(home: Path, group: str) -> list[str]:
    """The files of a folder of conf/, sorted."""
    return sorted(path.stem for path in (home / "conf" / group).glob("*.yaml"))


def check(home: Path, group: str, name: str) -> None:
    """Raises UsageError unless a choice has the files that it needs, naming the one that is missing."""
    here, is_kind = f"conf/{group}/{name}.yaml", group in parts.FUNCTIONS
    if name not in names(home, group):
        if (home / "conf" / group / f"{name}.yml").exists():
            raise UsageError(f"conf/{group}/{name}.yml: name it {name}.yaml")
        if is_kind and name in parts.names(group):
            raise UsageError(f"{parts.file(group, name)} has no {here}; write it, with a value for each option")
        raise UsageError(parts.unknown(group, name, names(home, group)))
    if is_kind and name not in parts.names(group):
        function = parts.FUNCTIONS[group].rpartition("/")[2]
        raise UsageError(f"{here} has no {parts.file(group, name)}; write it, with the function {function}")


def check_composed(config: Mapping[str, Any], group: str, chosen: list[str]) -> None:
    """Raises UsageError where the content of a chosen file did not arrive where it belongs.

    chosen: what was asked for by name; none where conf/config.yaml decides.
    """
    content = config[group]
    if group == "probe":  # a file each, which names where it goes
        for name in chosen:
            if not isinstance(content.get(name), Mapping):
                raise UsageError(f"conf/probe/{name}.yaml: its first line must be `# @package probe.{name}`")
        for name, options in content.items():
            if not isinstance(options, Mapping):
                raise UsageError(
                    f"conf/probe: `{name}` belongs to no probe; the first line of its file must be `# @package probe.` "
                    "and the file's name"
                )
    elif chosen and group != "schedule" and (not isinstance(content, Mapping) or content.get("name") != chosen[0]):
        raise UsageError(f"conf/{group}/{chosen[0]}.yaml: it must say `name: {chosen[0]}`, as its file is called")
