"""Where the files of a study are: its own, and beneath them those that come with the package.

A folder with conf/config.yaml is complete, as the checkout is: nothing is put beneath it. Any other study has
experiments/ and parts/ (each part's Python and YAML side by side, by kind) over the package's conf/ and experiments/.
"""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
_SHIPPED = PACKAGE / "shipped"
HOME = _SHIPPED if _SHIPPED.is_dir() else PACKAGE.parent
"""The study that comes with the package: in an installed wheel a copy inside it, else the checkout."""
PARTS = "parts"


def complete(home: Path) -> bool:
    """Whether a study has a vocabulary of its own, to which nothing is added."""
    return (home / "conf" / "config.yaml").is_file()


def is_study(home: Path) -> bool:
    return (home / "experiments").is_dir() and (complete(home) or (home / PARTS).is_dir())


def vocabulary(home: Path) -> list[Path]:
    """The folders that hold YAML by kind of part: conf/, which has config.yaml, and parts/ if there is one."""
    conf = (home if complete(home) else HOME) / "conf"
    return [conf, *(folder for folder in [home / PARTS] if folder.is_dir())]


def options(home: Path, group: str) -> dict[str, Path]:
    """The YAML of each part of a kind, by name. No name is in two folders (`parts.look_in`)."""
    found = [path for folder in vocabulary(home) for path in (folder / group).glob("*.yaml")]
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}


def experiments(home: Path) -> dict[str, Path]:
    """The experiment files by name: the study's own, and those of the package that it does not replace."""
    folders = [home] if complete(home) else [HOME, home]
    found = [path for folder in folders for path in (folder / "experiments").glob("*.yaml")]
    return dict(sorted({path.stem: path for path in found}.items()))


def shown(home: Path, path: Path) -> str:
    """A file of a study as messages name it: `conf/norm/batch.yaml`, `parts/norm/mine.py`."""
    return str(next((path.relative_to(one) for one in (home, HOME) if path.is_relative_to(one)), path))


def is_own(home: Path, path: Path) -> bool:
    """Whether a file belongs to a study that is not the package's."""
    return home != HOME and path.is_relative_to(home)
