"""Known truths that every verdict waits for: whether the instrument is in order is asked before what it shows.

An experiment whose file says `sanity_check: true` states claims that are known to hold: closed forms, and that plain
nets learn. As long as one of them is not supported at the current recipe, no claim of another experiment has a verdict.
"""

from bn_study.analysis import claims, tables, tune
from bn_study.plan.compose import compose
from bn_study.plan.reading import experiment_names, read_experiment
from bn_study.study import Study
from bn_study.sweep.status import planned


def sanity(study: Study) -> str:
    """Why no verdict can be given, in words, or "".

    Runs come from the store or from the evidence, of these results or else of those that came with the study.
    """
    names = [one for one in experiment_names(study.home) if read_experiment(study.home, one).get("sanity_check")]
    return "; ".join(filter(None, (_failing(study, name) for name in names)))


def _failing(study: Study, name: str) -> str:
    experiment, _ = compose(study.home, name, [])
    folders = (study.results / name, study.home / "results" / name)
    kept = next((tables.read_runs(one / "runs.csv") for one in folders if (one / "runs.csv").is_file()), None)
    plan, _ = planned(experiment, study.store, kept)
    runs = tables.runs_table(plan, study.store, tables.asked(experiment), kept)
    found = claims.verdicts(experiment, runs, tune.choose(experiment, runs))
    wrong = {claim: one.outcome for claim, one in found.items() if one.outcome != "supported"}
    if set(wrong.values()) == {"missing"}:
        state = f"lacks {len(plan) - len(runs)} of its {len(plan)} runs" if len(runs) else "has not been run"
        return f"the experiment {name}, which every verdict waits for, {state}; `bn-study run {name}` does it"
    return ", ".join(f"{name}: {claim} is {outcome}, which every verdict waits for" for claim, outcome in wrong.items())
