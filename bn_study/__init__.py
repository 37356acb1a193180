"""bn_study answers questions about batch normalization with evidence."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bn_study.report.frames import Frames


def load(*request: str) -> "Frames":
    """The runs of an experiment or a sweep as data frames, for notebooks: see `bn_study.report.frames.load`."""
    from bn_study.report import frames  # imports pandas, which `import bn_study` should not

    return frames.load(*request)
