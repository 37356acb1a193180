"""What a command line asks for, typed: a study, an experiment with its overrides, and the settings of the call."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bn_study.errors import Faults, UsageError
from bn_study.plan.call_settings import CallSettings
from bn_study.plan.compose import compose
from bn_study.plan.experiment import Experiment
from bn_study.study import Study, locate
from bn_study.sweep.sample import Sample, split_sample


@dataclass(frozen=True)
class Request:
    """words: as given; every worker parses them again. sample: the committed rows to which it is narrowed, if any."""

    words: tuple[str, ...]
    study: Study
    experiment: Experiment
    settings: CallSettings
    sample: Sample | None = None

    @classmethod
    def parse(cls, words: Sequence[str], study: Study | None = None, faults: Faults | None = None) -> "Request":
        """Parse `[EXPERIMENT] [OVERRIDE ...]`; a worker's words may begin with a sample. study: by default `locate()`.

        faults: see `compose`. Raises UsageError for words that cannot be planned.
        """
        study = study or locate()
        sample, rest = split_sample(words)
        name, overrides = split(rest)
        experiment, settings = compose(study.home, name, overrides, faults)
        request = cls(tuple(rest), study, experiment, settings)
        return request if sample is None else request.narrowed(sample)

    def narrowed(self, sample: Sample) -> "Request":
        """The same request for some of the experiment's committed rows."""
        return replace(self, experiment=sample.of(self.experiment), sample=sample)

    @property
    def worker_words(self) -> list[str]:
        """The words that another process parses to get this request."""
        return [*(self.sample.words if self.sample else []), *self.words]

    def command(self, verb: str) -> str:
        """The command line of a verb with the same words, for a shell."""
        return shlex.join(["bn-study", verb, *self.words])


def split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The name of the experiment, or None for a sweep that only the command line defines, and the overrides.

    Raises UsageError if there are no words.
    """
    if not words:
        raise UsageError("name an experiment (bn-study list) or settings, such as norm=none,batch 'seed=range(3)'")
    return (None, list(words)) if "=" in words[0] else (words[0], list(words[1:]))
