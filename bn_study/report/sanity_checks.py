"""Sanity checks: claims that are known to hold and that every verdict needs.

An experiment whose file says `sanity_check: true` states closed forms, and that plain nets learn. As long as one of
these claims does not hold at the current recipe, every claim of another experiment is blocked.
"""

from bn_study.analysis import claims, tables, tune
from bn_study.analysis.asked import asked
from bn_study.plan import places
from bn_study.plan.compose import compose
from bn_study.plan.reading import experiment_names, read_experiment
from bn_study.study import Study
from bn_study.sweep.status import planned

NOT_GATED = (
    "not gated: no sanity check gates these verdicts, so a fault of the software could decide them; an experiment with "
    "`sanity_check: true` states what must hold first"
)
"""What a report says about the verdicts of a study without sanity checks."""


def names(study: Study) -> list[str]:
    """The experiments of a study that are sanity checks."""
    return [name for name in experiment_names(study.home) if read_experiment(study.home, name).get("sanity_check")]


def sanity(study: Study) -> str:
    """The reason why no verdict can be given, or "".

    Runs come from the store or from the evidence: from these results, else those of the study or the package.
    """
    return "; ".join(filter(None, (_failing(study, name) for name in names(study))))


def _failing(study: Study, name: str) -> str:
    experiment, _ = compose(study.home, name, [])
    folders = (study.results / name, study.home / "results" / name, places.HOME / "results" / name)
    kept = next((tables.read_runs(one / "runs.csv") for one in folders if (one / "runs.csv").is_file()), None)
    plan, _ = planned(experiment, study.store, kept)
    runs = tables.runs_table(plan, study.store, asked(experiment), kept)
    verdicts = claims.verdicts(experiment, runs, tune.choose(experiment, runs))
    wrong = {claim: verdict.outcome for claim, verdict in verdicts.items() if not verdict.holds}
    if set(wrong.values()) == {"missing"}:
        state = f"lacks {len(plan) - len(runs)} of its {len(plan)} runs" if len(runs) else "has not been run"
        return f"every verdict needs the experiment {name}, which {state}; `bn-study run {name}` trains it"
    return ", ".join(f"every verdict needs {name}: {claim}, which is {outcome}" for claim, outcome in wrong.items())
