"""The error that the user can fix, and how several of them are told at once."""

from collections.abc import Iterator
from contextlib import contextmanager

FEW = 3  # entries with the same fault that a line names


class UsageError(Exception):
    """Bad input. The message says in one or two lines what is wrong, where it is, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class Faults:
    """Collects the errors of a file, so that a user learns all of them at once. Entries with one fault share a line."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], list[str]] = {}

    @contextmanager
    def at(self, file: str = "", entry: str = "") -> Iterator[None]:
        """Keep a UsageError of the block instead of raising it. file, entry: the place, if its message names none."""
        try:
            yield
        except UsageError as error:
            self.add(error, file, entry)

    def add(self, error: UsageError, file: str = "", entry: str = "") -> None:
        entries = self._entries.setdefault((file, str(error)), [])
        if entry not in entries:
            entries.append(entry)

    def finish(self) -> None:
        """Raise one UsageError that has a line for each fault, if there are any."""
        if self._entries:
            lines = (": ".join(filter(None, [file, _few(at), what])) for (file, what), at in self._entries.items())
            raise UsageError("\n".join(lines))


def _few(entries: list[str]) -> str:
    more = f" and {len(entries) - FEW} more" if len(entries) > FEW else ""
    return ", ".join(entries[:FEW]) + more
