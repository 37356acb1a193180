"""What every file of every part folder must do. The tests hold the package's parts to it.

`bn-study doctor --parts` holds a study's own parts to it, with what training/conformance.py asks of parts that train.
Each check raises UsageError that says what does not hold.
"""

import inspect
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

from bn_study.analysis.needed import LAYERS
from bn_study.errors import UsageError
from bn_study.plan import choice, own_parts, parts, places
from bn_study.study import locate

CONFIGURED = ("dataset", "model", "norm", "probe", "launcher", "mirror")
"""The kinds whose parts have YAML."""
OPTIONAL = ("by", "color", "panels")
"""Options of figures that may be left out."""
METHODS = {
    "needs": [], "curves": ["runs"], "data": ["tables"], "caption": ["data", "tables"], "draw": ["data", "tables"],
}  # fmt: skip
EXAMPLES = {
    "grids": ["sweep"], "grid": "sweep", "metrics": ["test/accuracy"], "metric": "test/loss",
    "records": ["gradient/delta"], "site": "linear", "sites": ["layer1/pre"], "step": 5, "factor": "batch_size",
    "power": 1.0, "descending": False, "window": 3, "columns": ["a net"], "relative": False,
}  # fmt: skip
"""Values of a figure's options, for a look at what it needs; None for the others."""
Check = tuple[str, Callable[[], Any]]
"""What is checked, in words, and the check."""


def _hold(holds: Any, otherwise: str) -> None:
    if not holds:
        raise UsageError(otherwise)


def says_its_options(kind: str, name: str) -> None:
    """The options that are read from the source are those of the function, which has a docstring and no defaults."""
    function = parts.FUNCTIONS[kind].rpartition("/")[2]
    real = getattr(parts.find(kind, name), function)
    signature = inspect.signature(real).parameters.values()
    keywords = {one.name: one for one in signature if one.kind is inspect.Parameter.KEYWORD_ONLY}
    hints = get_type_hints(real, include_extras=True)
    read = parts.parameters(kind, name)
    _hold(read == {key: hints[key] for key in keywords}, f"{function}: its options read from the source are {read}")
    given = [key for key, one in keywords.items() if one.default is not inspect.Parameter.empty]
    _hold(not given, f"{function}: the option {given[:1]} has a default; numbers live in YAML")
    told = real.__doc__ or (kind == "verb" and parts.find(kind, name).__doc__)
    _hold(told, f"{function} has no docstring; say what it does")


def needs_by_its_options(name: str) -> None:
    """A measure's `needs` has the options of the measure, but for the level."""
    needs = inspect.signature(parts.find("measure", name).needs).parameters
    wanted = set(parts.parameters("measure", name)) - {"level"}
    _hold(set(needs) == wanted, f"needs: its options are {sorted(needs)}, not {sorted(wanted)}")
    keywords = all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in needs.values())
    _hold(keywords, "needs: make its options keywords, behind a `*`")


def stands_against(name: str) -> None:
    """A verdict test says which missing values stand against a claim, and whether every seed must hold."""
    against = parts.declared("test", name, "AGAINST")
    _hold(against in ("low", "high", "far", "near"), f"AGAINST is {against!r}; it is low, high, far or near")
    _hold(isinstance(parts.declared("test", name, "EVERY_SEED"), bool), "EVERY_SEED is neither True nor False")


def finds_its_workers(name: str) -> None:
    """A launcher counts its workers by one of its options, and finds those again that it leaves."""
    option = parts.declared("launcher", name, "WORKERS")
    _hold(option is None or option in parts.parameters("launcher", name), f"WORKERS: it has no option {option!r}")
    pair = [parts.defines("launcher", name, what) for what in ("jobs", "joined")]
    _hold(pair[0] == pair[1], "a launcher that leaves its workers defines both jobs and joined")


def is_a_drawing(name: str) -> None:
    """A figure is a frozen dataclass with the methods of figures, each with a docstring, and its options in YAML."""
    drawing = parts.find("figure", name).Drawing
    frozen = hasattr(drawing, "__dataclass_params__") and drawing.__dataclass_params__.frozen
    _hold(frozen, "Drawing is no frozen dataclass")
    _hold(drawing.__doc__ and not drawing.__doc__.startswith("Drawing("), "Drawing has no docstring")
    hints = get_type_hints(drawing, include_extras=True)
    _hold(parts.parameters("figure", name) == hints, f"Drawing: its options read from the source are not {hints}")
    given = {one.name: one.default for one in fields(drawing) if one.default is not MISSING}
    _hold(set(given) <= set(OPTIONAL), f"only {', '.join(OPTIONAL)} may be left out; the other options are in YAML")
    _hold(all(one is None for one in given.values()), "an option that may be left out is None then")
    _hold(all(one.default_factory is MISSING for one in fields(drawing)), "an option has a default_factory")
    methods = {key: one for key, one in inspect.getmembers(drawing, inspect.isfunction) if not key.startswith("_")}
    signatures = {key: list(inspect.signature(one).parameters)[1:] for key, one in methods.items()}
    _hold(signatures == METHODS, f"its public methods are {signatures}, not {METHODS}")
    _hold(all(one.__doc__ for one in methods.values()), "a method has no docstring")


def draws_what_it_needs(name: str) -> None:
    """Of the records in curves.csv and the columns of runs.csv, by name and site."""
    options = {key: EXAMPLES.get(key) for key in parts.parameters("figure", name)}
    drawing = parts.call("figure", parts.checked("figure", name, options))
    run = {"run": "some-run-s0-0123456789", "grids": "sweep", "seed": 0, "status": "complete", "norm": "batch",
           "steps": 9, "model": "mlp", "model.widths": "[8,6]"}  # fmt: skip
    needs = {(need.name, re.sub(r"layer\d+/", LAYERS, need.site), need.vector) for need in drawing.needs()}
    curves = drawing.curves(pd.DataFrame([run]))
    drawn = {(one.name, re.sub(r"layer\d+/", LAYERS, one.site), one.unit is not None) for one in curves[run["run"]]}
    wanted = needs if "metrics" not in options else set()
    _hold(drawn == wanted, f"curves asks for {sorted(drawn)}, but needs says {sorted(wanted)}")


def has_its_values(home: Path, kind: str, name: str) -> None:
    """The YAML gives every option a value, and nothing else."""
    given, options = choice.values(home, kind, name), parts.parameters(kind, name)
    here = places.shown(home, places.options(home, kind)[name])
    _hold(set(options) <= set(given), f"{here} has no value for {', '.join(sorted(set(options) - set(given)))}")
    _hold(set(given) <= set(options), f"{here}: there is no option {', '.join(sorted(set(given) - set(options)))}")
    if "???" not in given.values():
        parts.checked(kind, name, given)


def of_any_kind(home: Path, kind: str, name: str) -> Iterator[Check]:
    """The checks of a part's files, without a network."""
    if kind in CONFIGURED:
        yield "has its Python and its YAML", lambda: choice.check(home, kind, name)
    yield "defines what its kind needs", lambda: parts.check(kind, name)
    if kind == "figure":
        yield "is a frozen dataclass with a figure's methods", lambda: is_a_drawing(name)
        yield "draws the records that it needs", lambda: draws_what_it_needs(name)
        return
    yield "options have types and no defaults", lambda: says_its_options(kind, name)
    if kind in CONFIGURED:
        yield "its YAML gives every option a value", lambda: has_its_values(home, kind, name)
    if kind == "measure":
        yield "needs records by its own options", lambda: needs_by_its_options(name)
    if kind == "test":
        yield "says what stands against a claim", lambda: stands_against(name)
    if kind == "launcher":
        yield "finds its workers again", lambda: finds_its_workers(name)


def in_training(home: Path, kind: str, name: str) -> Iterator[Check]:
    """The checks of a part in a network, on digits."""
    from bn_study.plan.compose import compose
    from bn_study.plan.expand import expand
    from bn_study.training import conformance

    def specified(*words: str) -> Any:
        steps = ("steps=5", "schedule.points=2", "schedule.first=2")
        (run,), _ = expand(compose(home, None, [*words, *steps])[0], {})
        return run.spec

    def measured(*words: str) -> None:
        spec = specified(*words)
        left = conformance.trained(spec)
        for one in spec.probes:
            conformance.looks_and_changes_nothing(one.name, spec, *left)
            conformance.records_what_it_declares(one.name, spec, *left)

    probes = "probe=[curves,activations,gradients]"
    if kind == "dataset":
        yield "loads the same again", lambda: conformance.loads_the_same_again(home, name)
        yield "trains a small net", lambda: conformance.trained(specified(f"dataset={name}", "model.widths=[8]"))
    if kind == "model":
        data = parts.call("dataset", conformance.configured(home, "dataset", "digits"))
        alike = partial(conformance.starts_alike_with_any_normalizer, home, name, data, ["none", "batch"])
        yield "starts alike with any normalizer", alike
        yield "gives an output for each class", lambda: conformance.runs_forward(specified(f"model={name}"))
        yield "trains, and probes change nothing", lambda: measured(f"model={name}", "norm=batch", probes)
    if kind == "norm":
        yield "keeps the shape, with finite gradients", lambda: conformance.keeps_the_shape(home, name)
        yield "infers each example alone", lambda: conformance.infers_alone(home, name)
        yield "trains, and probes change nothing", lambda: measured(f"norm={name}", "model.widths=[8,8]", probes)
    if kind == "probe":
        for norm in ("none", "batch"):
            words = (f"norm={norm}", "model.widths=[8,8]", f"probe=[{name}]")
            yield f"changes nothing in a net with norm={norm}", partial(measured, *words)


def _own_names(home: Path, kind: str) -> list[str]:
    """The study's parts of a kind, by their Python or by their YAML."""
    files = places.options(home, kind)
    written = {name for name, path in files.items() if path.is_relative_to(home / places.PARTS)}
    return sorted({*own_parts.names(kind), *written})


def examine() -> int:
    """Check the parts of this study and print a line for each check. Returns 0 if all hold, 1 otherwise."""
    home = locate().home
    kinds = [kind for kind in parts.OWN if kind in parts.FUNCTIONS]
    chosen = [(kind, name) for kind in kinds for name in _own_names(home, kind)]
    if not chosen:
        print(f"{home} has no parts of its own in {places.PARTS}/")
        return 0
    with _quiet():
        import_module("bn_study.training.conformance")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # many small nets, each compiled anew, are no mistake here
    failed = 0
    for kind, name in chosen:
        said = ""
        for words, check in chain(of_any_kind(home, kind, name), in_training(home, kind, name)):
            said = _tried(check)
            outcome = f"{'FAIL' if said else 'ok':5} {own_parts.file(kind, name)}: {words}"
            print(f"{outcome}: {said}" if said else outcome, flush=True)
            if said:
                break  # the others rest on it
        failed += bool(said)
    print(f"{len(chosen) - failed} of {len(chosen)} parts hold")
    return 1 if failed else 0


@contextmanager
def _quiet() -> Iterator[None]:
    """What TensorFlow writes to stderr while it is imported, at length, tells nothing of the parts."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _tried(check: Callable[[], Any]) -> str:
    """What a check says against a part in one line; "" for nothing. A part may fail in any way."""
    try:
        check()
    except UsageError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return ""
