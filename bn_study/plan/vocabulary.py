"""The folders that Hydra reads, compared by what is in them: a composition is remembered until a file changes."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Vocabulary:
    """They are equal if their files are, wherever they lie: in a commit, or edited."""

    version: str
    folders: tuple[Path, ...] = field(compare=False)

    @staticmethod
    def read(folders: Iterable[Path]) -> "Vocabulary":
        """The YAML files of these folders and of the folders in them, links followed."""
        found = tuple(folder.resolve() for folder in folders)
        content = []
        for folder in found:
            paths = {path for glob in ("**/*.yaml", "*/*.yaml") for path in folder.glob(glob) if path.is_file()}
            content.append([(str(path.relative_to(folder)), path.read_bytes()) for path in sorted(paths)])
        return Vocabulary(hashlib.sha256(repr(content).encode()).hexdigest(), found)
