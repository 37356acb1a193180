"""Parts by name: which parts exist, which arguments they take, and how these are checked.

A part is a file in a part folder, of the package or of a study of one's own (own_parts.py). Its arguments are the
keyword-only parameters of one function, or the fields of one dataclass. They are read by parsing the source: importing
a layer or a probe would import TensorFlow, which takes seconds and is not needed to check a number.
"""

import ast
import difflib
import importlib
import importlib.util
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from bn_study.errors import UsageError
from bn_study.plan import own_parts, types
from bn_study.plan.own_parts import remembered
from bn_study.plan.places import HOME, PACKAGE, PARTS
from bn_study.plan.renamed import FIGURE_OPTIONS
from bn_study.plan.spec import Part

FEW = 15  # names that a message lists
FUNCTIONS = {
    "dataset": "training/load",
    "model": "training/build",
    "norm": "training/layer",
    "probe": "training/record",
    "figure": "analysis/Drawing",
    "mirror": "analysis/export",
    "measure": "analysis/measure",
    "test": "analysis/decide",
    "launcher": "sweep/run",
    "verb": "cli/command",
}
"""Kind of part -> the subpackage it belongs to and the function or frozen dataclass that its files define."""

ALSO = {
    "dataset": ("TASK", "NOTE"),
    "model": ("sites", "CONVOLUTIONAL"),
    "norm": ("STATISTICS",),
    "probe": ("records",),
    "measure": ("needs",),
    "test": ("AGAINST", "EVERY_SEED", "WORDS", "CAPTION"),
    "mirror": ("LOOK",),
    "launcher": ("HERE", "TIMEOUT", "WORKERS"),
    "verb": ("ORDER", "REQUEST", "arguments"),
}
"""What else the files of a kind define; the `__init__.py` of their folder explains it."""

OWN = (*(kind for kind in FUNCTIONS if kind != "verb"), "optimizer", "schedule", "profile")
"""The kinds that a study may add to; the last three are YAML alone."""

STRICT = ConfigDict(extra="forbid", strict=True)


def look_in(folder: Path | None) -> None:
    """From now on, the parts in this folder, a study's parts/, exist beside the package's; None or no folder: none do.

    Raises UsageError where a file would be taken for one of the package, or would not be found.
    """
    folder = folder.resolve() if folder is not None and folder.is_dir() else None
    own_parts.look_in(folder)
    for path in sorted(folder.glob("[!_.]*/")) if folder is not None else ():
        if path.name not in OWN:
            raise UsageError(f"{PARTS}/{path.name}: {unknown('kind of part', path.name, OWN)}")
        settings = (one.stem for one in (HOME / "conf" / path.name).glob("*.yaml"))
        taken = {*settings, *(_of_package(path.name) if path.name in FUNCTIONS else ())}
        for file in sorted(path.glob("[!_.]*")):
            if file.suffix in (".py", ".yaml") and file.stem in taken:
                here = f"{PARTS}/{path.name}/{file.name}"
                raise UsageError(
                    f"{here}: the package has the {path.name} {file.stem} already; give yours another name"
                )


@remembered
def names(kind: str) -> list[str]:
    """The parts of a kind that have a file, sorted."""
    return sorted({*_of_package(kind), *own_parts.names(kind)})


def _of_package(kind: str) -> list[str]:
    half, _ = FUNCTIONS[kind].split("/")
    return [path.stem for path in (PACKAGE / half / kind).glob("[!_.]*.py")]


def is_own(kind: str, name: str) -> bool:
    """Whether a part is the study's and not the package's."""
    return name in own_parts.names(kind)


def file(kind: str, name: str) -> str:
    """Where the file of a part is, or should be: `bn_study/training/norm/batch.py`, `parts/norm/mine.py`."""
    half, _ = FUNCTIONS[kind].split("/")
    return own_parts.file(kind, name) if is_own(kind, name) else f"bn_study/{half}/{kind}/{name}.py"


def find(kind: str, name: str) -> ModuleType:
    """Import a part's file."""
    if is_own(kind, name):
        return own_parts.find(kind, name)
    half, _ = FUNCTIONS[kind].split("/")
    return importlib.import_module(f"bn_study.{half}.{kind}.{name}")


@remembered
def definitions(kind: str, name: str) -> dict[str, ast.AST]:
    """What the file of a part defines at its top, by name, without importing it. Raises UsageError for no Python."""
    found: dict[str, ast.AST] = {}
    try:
        own = is_own(kind, name)
        path = PACKAGE.parent / file(kind, name)
        tree = ast.parse(own_parts.text(kind, name) if own else path.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{file(kind, name)} is not readable as Python: {error}") from None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {one.id: node.value for one in targets if isinstance(one, ast.Name)}
    return found


@remembered
def check(kind: str, name: str) -> None:
    """Raises UsageError where the file of a part lacks something that its kind defines."""
    for what in (FUNCTIONS[kind].rpartition("/")[2], *ALSO.get(kind, ())):
        if not defines(kind, name, what):
            raise UsageError(f"{file(kind, name)} does not define {what}; {file(kind, '__init__')} says what for")


def defines(kind: str, name: str, what: str) -> bool:
    """Whether the file of a part defines a function, a class or a constant."""
    return what in definitions(kind, name)


def declared(kind: str, name: str, constant: str) -> Any:
    """A constant that the file of a part declares as a literal. Raises UsageError where it does not."""
    check(kind, name)
    try:
        return ast.literal_eval(definitions(kind, name)[constant])
    except ValueError:
        raise UsageError(f"{file(kind, name)}: {constant} must be a literal") from None


def installed(kind: str, name: str) -> None:
    """Raises UsageError where a package is missing that a part NEEDS beyond those that come with bn-study."""
    needs = declared(kind, name, "NEEDS") if defines(kind, name, "NEEDS") else {}
    for package, requirement in needs.items():
        if importlib.util.find_spec(package) is None:
            raise UsageError(f"{kind}={name} needs {package}, which is not installed: pip install '{requirement}'")


def function(kind: str, name: str) -> Any:
    """A part's function. Raises UsageError where its file does not define what its kind needs."""
    check(kind, name)
    return getattr(find(kind, name), FUNCTIONS[kind].rpartition("/")[2])


def call(kind: str, part: Part, *positional: Any) -> Any:
    """Call a part's function with its checked arguments."""
    return function(kind, part.name)(*positional, **part.args)


@remembered
def parameters(kind: str, name: str) -> dict[str, Any]:
    """A part's options with their annotations, by parsing its source."""
    vocabulary = vars(types)
    found = {}
    for option, (annotation, _) in _options(kind, name).items():
        try:
            text = ast.unparse(annotation) if annotation else "no_type"
            found[option] = eval(text, {"__builtins__": __builtins__}, vocabulary)
        except (NameError, TypeError):
            known = "a type of bn_study/plan/types.py or a builtin"
            raise UsageError(f"{file(kind, name)}: the option {option} needs {known}") from None
    return found


@remembered
def _options(kind: str, name: str) -> dict[str, tuple[ast.expr | None, bool]]:
    """The annotation of each option, and whether it may be left out."""
    check(kind, name)
    definer = FUNCTIONS[kind].rpartition("/")[2]
    definition = definitions(kind, name)[definer]
    if isinstance(definition, ast.ClassDef) and definer[0].isupper():
        fields = [one for one in definition.body if isinstance(one, ast.AnnAssign)]
        return {ast.unparse(one.target): (one.annotation, one.value is not None) for one in fields}
    if isinstance(definition, ast.FunctionDef) and definer[0].islower():
        return {one.arg: (one.annotation, False) for one in definition.args.kwonlyargs}
    raise UsageError(f"{file(kind, name)}: {definer} must be a {'class' if definer[0].isupper() else 'function'}")


@remembered
def _schema(kind: str, name: str) -> type[BaseModel]:
    optional = {key for key, (_, optional) in _options(kind, name).items() if optional}
    fields: Any = {
        key: (annotation, None if key in optional else ...) for key, annotation in parameters(kind, name).items()
    }
    return create_model(f"{kind} {name}", __config__=STRICT, **fields)


def checked(kind: str, name: str, args: Mapping[str, Any], prefix: str | None = None) -> Part:
    """A part with the arguments that were given, coerced.

    Raises UsageError for an unknown part or option (with the nearest name), a wrong type or a value out of range.
    """
    if name not in names(kind):
        raise UsageError(unknown(kind, name, names(kind)))
    renamed = FIGURE_OPTIONS if kind == "figure" else {}
    given = {renamed.get(key, key): value for key, value in args.items()}
    return Part(name, validated(_schema(kind, name), given, prefix or kind))


def validated(schema: type[BaseModel], values: Mapping[str, Any], prefix: str | None) -> dict[str, Any]:
    for key, value in values.items():
        if value == "???":  # Hydra's mark of a value that has no default
            raise UsageError(f"{prefix}.{key} has no value; give one, as {prefix}.{key}=...")
    try:
        model = schema.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([*([prefix] if prefix else []), *(str(one) for one in first["loc"] if isinstance(one, str))])
        if first["type"] == "extra_forbidden":
            raise UsageError(unknown("option", key, [f"{prefix}.{name}" for name in schema.model_fields])) from None
        if first["type"] == "missing":
            raise UsageError(f"{key} has no value; give one, as {key}=...") from None
        raise UsageError(f"{key}={_shown(first['input'])}: {_reason(first)}") from None
    return {key: getattr(model, key) for key in schema.model_fields if key in model.model_fields_set}


def _shown(value: Any) -> str:
    return "null" if value is None else str(value)


def _reason(error: Mapping[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    reason = message[0].lower() + message[1:]
    if error["type"] == "literal_error":
        near = _nearest(str(error["input"]), re.findall(r"'([^']*)'", error["ctx"]["expected"]))
        return f"did you mean {near[0]}? It {reason}" if near else reason
    return reason


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """The name that is most like it, if one is like it: mnist for mnis, and batch, not batch_renorm, for batchnorm."""
    known = list(known)
    begins = [one for one in known if len(one) > 2 and "." not in name and name.lower().startswith(one)]
    slip = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
    return slip or sorted(begins, key=len)[-1:] or difflib.get_close_matches(name, known, n=1, cutoff=0.5)


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist: the nearest that does, and all that do (or some, if none is near)."""
    known = sorted(known)
    near = _nearest(name, known)
    group = name.rpartition(".")[0]
    if near == [group]:  # optimizer.lr: what helps is the list of the group's settings, not the group
        near, known = [], [one for one in known if one.startswith(f"{group}.")]
    hint, there = (f"did you mean {near[0]}?", " There") if near else ("", "there")
    if not known:
        rest = "there are none here"
    elif len(known) <= FEW:
        rest = f"{there} are: {', '.join(known)}"
    else:
        rest = "" if near else f"there are, among others: {', '.join(known[:FEW])}"
    return f"unknown {what} {name!r}; {hint}{rest}"
