"""Claims and tunings of an experiment whose runs an override or a profile has shortened.

The steps that they name (`start`, `end` and `step` of their measure) are those of the full runs. They shrink with the
runs, so that a window covers the same share of training, and the report says how.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from bn_study.plan import promised
from bn_study.plan.experiment import Cell, Claim, Experiment, Grid, Tune

STEPS = ("start", "end", "step")
"""The arguments of measures that are steps of a run."""
Entry = TypeVar("Entry", Claim, Tune)


def shortened_entries(
    section: str, entries: dict[str, Entry], before: Experiment, grids: Mapping[str, Grid], words: dict[str, str]
) -> dict[str, Entry]:
    """The entries with steps that suit shortened runs; adds to `words` how they were changed, by `claims.<name>`."""
    found = {}
    for key, entry in entries.items():
        found[key], changed = shortened(entry, before, grids)
        words |= {f"{section}.{key}": changed} if changed else {}
    return found


def shortened(entry: Entry, before: Experiment, grids: Mapping[str, Grid]) -> tuple[Entry, str]:
    """An entry for the grids of the changed experiment, and what was changed in words, or "".

    before: the experiment without overrides. The grid that is shortened most decides.
    """
    field = "measure" if isinstance(entry, Claim) else "score"
    known = [one for one in entry.grids if one in grids and one in before.grids]
    lengths = [(_length(before.grids[one].cells), _length(grids[one].cells)) for one in known]
    full, short = min(lengths, key=lambda one: one[1] / one[0] if one[0] else 1.0, default=(0, 0))
    stated: dict[str, Any] = getattr(entry, field)
    arguments = {name: args for name, args in stated.items() if isinstance(args, Mapping) and name != "over"}
    if short >= full or len(arguments) != 1:
        return entry, ""
    ((name, args),) = arguments.items()
    named = {key: args[key] for key in STEPS if isinstance(args.get(key), (int, float))}
    scaled = {key: round(value * short / full) for key, value in named.items()}
    if "step" in scaled:
        cells = [cell for grid in known for cell in grids[grid].cells]
        scaled["step"] = _nearest(scaled["step"], _measured(str(args.get("name")), cells))
    changes = [f"{key} {named[key]:g} → {scaled[key]}" for key in named if scaled[key] != named[key]]
    if not changes:
        return entry, ""
    words = f"{', '.join(changes)}, because the runs have {short:,} steps and not {full:,}"
    return entry.model_copy(update={field: stated | {name: {**args, **scaled}}}), words


def _length(cells: Iterable[Cell]) -> int:
    """The steps of the shortest run; 0 if they wait for tuning."""
    return min((int(cell.config["steps"]) for cell in cells if "steps" not in cell.waits), default=0)


def _measured(name: str, cells: Iterable[Cell]) -> set[int]:
    """The steps at which all runs that record a series measure it."""
    found: set[int] | None = None
    for spec in promised.distinct(cells):
        for record, points in promised.records(spec).items() if spec is not None else ():
            if record.name == name:
                found = set(points) if found is None else found & points
    return found or set()


def _nearest(step: int, points: set[int]) -> int:
    return min(points, key=lambda point: (abs(point - step), point), default=step)
