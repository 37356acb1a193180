"""When something was stated or trained: a place in a study's history."""

from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, order=True)
class Moment:
    """A commit and its committer date; without git, what the clock said. Moments are in order of their dates.

    date: ISO 8601 in UTC to the second, so that texts sort as dates do. commit: "" without git.
    """

    date: str
    commit: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """In short: ten digits of the commit, or the date."""
        return self.commit[:10] or self.date[:10]


def now() -> Moment:
    """By the clock."""
    return Moment(datetime.now(UTC).isoformat(timespec="seconds"))
