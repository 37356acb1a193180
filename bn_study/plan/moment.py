"""When something was stated or trained."""

from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, order=True)
class Moment:
    """A commit and its committer date; without git, the time of the clock. Moments are ordered by date.

    date: ISO 8601 in UTC to the second, so that strings sort as dates do. commit: "" without git.
    """

    date: str
    commit: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """The first ten digits of the commit, or the date."""
        return self.commit[:10] or self.date[:10]


def now() -> Moment:
    """The current time, without a commit."""
    return Moment(datetime.now(UTC).isoformat(timespec="seconds"))
