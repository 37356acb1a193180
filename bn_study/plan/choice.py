"""Check a part that a configuration chooses: its YAML and its Python must exist and agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bn_study.errors import UsageError
from bn_study.plan import parts, places
from bn_study.plan.reading import load


def check(home: Path, group: str, name: str) -> None:
    """Raises UsageError unless a choice has the files that it needs, naming the one that is missing."""
    known, is_kind = places.options(home, group), group in parts.FUNCTIONS
    if name not in known:
        for folder in places.vocabulary(home):
            if (path := folder / group / f"{name}.yml").exists():
                raise UsageError(f"{places.shown(home, path)}: name it {name}.yaml")
        if is_kind and name in parts.names(group):
            file = parts.file(group, name)
            here = f"{'parts' if parts.is_own(group, name) else 'conf'}/{group}/{name}.yaml"
            raise UsageError(f"{file} has no {here}; write it, with a value for each option")
        raise UsageError(parts.unknown(group, name, known))
    if is_kind and name not in parts.names(group):
        function = parts.FUNCTIONS[group].rpartition("/")[2]
        here = places.shown(home, known[name])
        file = f"{here[:-5]}.py" if here.startswith("parts/") else parts.file(group, name)
        raise UsageError(f"{here} has no {file}; write it, with the function {function}")


def values(home: Path, group: str, name: str) -> dict[str, Any]:
    """The options of a part as its YAML gives them; `every` is no option of the probe, but of the training loop."""
    path = places.options(home, group)[name]
    return {key: one for key, one in load(path, places.shown(home, path)).items() if key not in ("name", "every")}


def check_composed(home: Path, config: Mapping[str, Any], group: str, chosen: list[str]) -> None:
    """Raises UsageError where the content of a chosen file did not arrive where it belongs.

    chosen: what was asked for by name; none where conf/config.yaml decides.
    """
    content, files = config[group], places.options(home, group)
    if group == "probe":  # a file each, which names where it goes
        for name in chosen:
            if not isinstance(content.get(name), Mapping):
                here = places.shown(home, files[name])
                raise UsageError(f"{here}: its first line must be `# @package probe.{name}`")
        for name, options in content.items():
            if not isinstance(options, Mapping):
                raise UsageError(
                    f"conf/probe: `{name}` belongs to no probe; the first line of its file must be `# @package probe.` "
                    "and the file's name"
                )
    elif chosen and group != "schedule" and (not isinstance(content, Mapping) or content.get("name") != chosen[0]):
        here = places.shown(home, files[chosen[0]])
        raise UsageError(f"{here}: it must say `name: {chosen[0]}`, as its file is called")
