"""Who may import whom: plan -> store | training -> analysis -> tune, sweep -> cli, and no arrow that runs back up.

ROOMS says it as data; the modules are parsed, not imported. An import counts wherever it stands, in a function and
under `if TYPE_CHECKING` too. A new module that no room holds fails the test: name it in the room where it belongs.
"""

import ast
import sys
from collections.abc import Container, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import bn_study

PACKAGE = Path(bn_study.__file__).parent
FILE = "tests/test_layers.py"

PLAN = ("plan.types", "plan.parts", "plan.spec", "plan.experiment", "plan.secrets", "plan.moment", "numerics")
FOLDERS = ("training.dataset", "training.model", "training.norm", "training.probe")
PARTS = tuple(f"{folder}.*" for folder in FOLDERS)
HELPERS = (  # what train and the parts share
    *(
        f"training.{name}"
        for name in ("batches", "data", "distribution", "evaluation", "files", "images", "loss", "network")
    ),
    *(f"training.{name}" for name in ("keras_globals", "noise", "normalization", "identities*")),
    *(f"training.{name}" for name in ("plausibility", "roots", "surface")),
    *(f"training.{name}" for name in ("program", "schedule", "stopwatch", "checkpoint")),
)
NUMBERS = tuple(
    f"analysis.{name}"
    for name in ("arguments", "over", "measures", "rounding", "stats", "contrast", "stated", "verdict")
)
ERRANDS = (
    *("agenda", "tune", "sweep", "launch*", "price", "progress", "provenance", "git", "history"),
    *("sample", "study", "words"),
)
STORE = ("store", "lease", "recorded")
NETWORKS = ("keras", "tensorflow")
ARRAYS = ("numpy", "pandas", "scipy")


@dataclass(frozen=True)
class Room:
    """The modules that match a pattern, and what they may import besides the standard library and bn_study.errors.

    Modules of one room import each other only if the room's own patterns stand in `imports`; that this runs one way is
    then the matter of the test for circles. What stands in `inside` is allowed within functions only.
    """

    modules: tuple[str, ...]
    imports: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()


ROOMS = (  # the first room that holds a module decides
    # 1: what is asked
    Room(("errors",)),
    Room(("numerics",)),
    Room(PLAN, imports=PLAN, libraries=("pydantic",)),
    # 2: how the question is read, where runs are kept, how a run is made
    Room(("plan.reading",), imports=PLAN, libraries=("omegaconf", "pydantic", "yaml")),
    Room(("plan.statements",), imports=(*PLAN, "plan.reading"), libraries=("pydantic",)),
    Room(("plan.compose",), imports=(*PLAN, "plan.reading"), libraries=("hydra", "omegaconf", "yaml")),
    Room(STORE, imports=PLAN + STORE, libraries=("pyarrow", *ARRAYS)),
    Room(HELPERS, imports=PLAN + HELPERS, libraries=NETWORKS + ARRAYS),
    Room(PARTS, imports=PLAN + HELPERS, libraries=("sklearn", *NETWORKS, *ARRAYS)),
    Room(("training.train",), imports=PLAN + HELPERS, libraries=NETWORKS + ARRAYS),  # parts: only through plan.parts
    # 3: what the runs show; it reads files and knows nothing of training
    Room(("analysis.arguments",), imports=PLAN, libraries=("pydantic",)),
    Room(("analysis.over",), imports=(*PLAN, "analysis.arguments"), libraries=ARRAYS),
    Room(
        ("analysis.measures",),
        imports=(*PLAN, "analysis.arguments", "analysis.over", "store"),
        libraries=("pydantic", *ARRAYS),
    ),
    Room(("analysis.tables",), imports=(*PLAN, *NUMBERS, "store"), libraries=("pyarrow", *ARRAYS)),
    Room(NUMBERS, imports=PLAN + NUMBERS, libraries=ARRAYS),
    Room(
        ("analysis.numbers", "analysis.replication"),
        imports=(*PLAN, *NUMBERS, "analysis.tables", "analysis.numbers"),
        libraries=ARRAYS,
    ),
    Room(("analysis.check", "analysis.claims"), imports=PLAN + NUMBERS, libraries=ARRAYS),
    Room(
        ("analysis.figure.*",),
        imports=(*PLAN, *NUMBERS, "analysis.tables", "analysis.figure._*"),
        libraries=("matplotlib", *ARRAYS),
    ),
    Room(("analysis.comparison",), imports=(*PLAN, *NUMBERS, "analysis.figure._tables"), libraries=ARRAYS),
    Room(("analysis.mirror._run",), imports=(*PLAN, *STORE), libraries=ARRAYS),
    Room(
        ("analysis.mirror.*",),
        imports=(*PLAN, "store", "analysis.tables", "analysis.mirror._run"),
        libraries=ARRAYS,
        inside=("wandb", "tensorboard", "google"),
    ),
    Room(
        ("analysis.report.web.pages",),
        imports=(*PLAN, *NUMBERS, "analysis.report.*"),
        libraries=("jinja2", "markupsafe"),
        inside=("plotly",),
    ),
    Room(
        ("analysis.report", "analysis.report.*"),
        imports=(
            *(*PLAN, *NUMBERS, "store", "plan.reading", "plan.statements"),
            *("analysis.tables", "analysis.claims", "analysis.replication", "analysis.figure.*", "analysis.report.*"),
        ),
        libraries=("jinja2", "matplotlib", "rich", *ARRAYS),
    ),
    Room(("ledger",), imports=PLAN, libraries=("pydantic",)),
    # 4: what carries a plan out; only a worker trains, only the Slurm launcher knows submitit
    Room(
        ("worker",),
        imports=(*PLAN, *HELPERS, *NUMBERS, *ERRANDS, "plan.compose", *STORE, "training.train", "analysis.tables"),
        libraries=NETWORKS + ARRAYS,
    ),
    Room(
        ("follow",),  # training.checkpoint imports no TensorFlow
        imports=(*PLAN, *ERRANDS, *STORE, "plan.compose", "training.checkpoint", "analysis.mirror._run"),
    ),
    Room(
        ("price",),  # training.schedule imports no TensorFlow
        imports=(*PLAN, *ERRANDS, *STORE, "plan.compose", "training.schedule"),
    ),
    Room(
        ("calibration",),
        imports=(*PLAN, *ERRANDS, *STORE, "plan.compose", "training.train"),
    ),
    Room(
        ("launch*slurm",),
        imports=(*PLAN, *ERRANDS, *STORE, "plan.compose", "worker"),
        libraries=("submitit",),
    ),
    Room(("history",), imports=(*PLAN, "git", "plan.compose", "plan.reading"), libraries=("omegaconf",)),
    Room(
        ("firsts",),
        imports=(*PLAN, "git", "history", "ledger", "study", *STORE, "analysis.stated", "analysis.stats"),
        libraries=ARRAYS,
    ),
    Room(
        ERRANDS,
        imports=(
            *(*PLAN, *NUMBERS, *ERRANDS, *STORE, "plan.compose", "analysis.check", "analysis.tables", "worker"),
            *("training.checkpoint", "training.batches"),
        ),
        libraries=("rich", *ARRAYS),
    ),
    Room(
        ("evidence", "oracles", "overview", "frames", "pages", "replicate"),  # store -> results/<experiment>/
        imports=(
            *(*PLAN, *ERRANDS, *STORE, "plan.compose", "plan.reading", "plan.statements"),
            *("oracles", "evidence", "frames", "firsts", "ledger", "analysis.*"),
        ),
        libraries=ARRAYS,
    ),
    # 5: what knows both halves, command by command, so that `--help` and `list` start at once
    Room(("bn_study",), imports=("frames",)),  # its types at the top, the rest within functions
    Room(("verbs.*",), imports=("verbs.*",), inside=("*",)),
    Room(("cli",), inside=("*",)),
    Room(("doctor",), imports=(*PLAN, "provenance", "study"), libraries=("rich",), inside=("*",)),
    Room(("__main__",), imports=("cli",)),
    # an __init__.py that holds words at most
    Room(("plan", "training", *FOLDERS, "analysis", "analysis.figure", "analysis.mirror", "verbs")),
)

# Importing TensorFlow takes seconds: only these may do it by being imported.
HEAVY = ("training.*", "calibration", "worker")


@dataclass(frozen=True)
class Import:
    target: str  # "plan.spec" for bn_study.plan.spec; the first name for another library, "numpy" for numpy.random
    own: bool
    line: int
    inside: bool  # within a function


def modules(package: Path) -> dict[str, ast.Module]:
    """Every module by its name within the package: `plan.spec`; `plan` is plan/__init__.py, `bn_study` the root's."""
    trees = {}
    for path in sorted(package.rglob("*.py")):
        place = path.parent if path.name == "__init__.py" else path.with_suffix("")
        name = ".".join(place.relative_to(package).parts) or "bn_study"
        trees[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def imports(tree: ast.Module, known: Container[str]) -> Iterator[Import]:
    """What a module imports; `from package import name` means the module of that name where there is one."""

    def nodes(parent: ast.AST, inside: bool) -> Iterator[tuple[ast.AST, bool]]:
        for node in ast.iter_child_nodes(parent):
            yield node, inside
            yield from nodes(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    for node, inside in nodes(tree, False):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")  # with a dot in front no room allows it: say the full name
            names = [f"{source}.{alias.name}" for alias in node.names]
            targets = [name if name.removeprefix("bn_study.") in known else source for name in names]
        else:
            continue
        for target in dict.fromkeys(targets):
            first, _, rest = target.partition(".")
            own = first == "bn_study"
            yield Import((rest or first) if own else (first or target), own, node.lineno, inside)


def layer_violations(package: Path) -> list[str]:
    trees = modules(package)
    found = []
    for name, tree in trees.items():
        room = next((room for room in ROOMS if matches(name, room.modules)), None)
        if room is None:
            found.append(f"{name}: no room holds this module; name it in ROOMS or in a tuple above it, in {FILE}")
            continue
        for item in imports(tree, trees):
            if item.own:
                allowed = matches(item.target, ("bn_study", "errors", *room.imports))
            else:
                allowed = item.target in sys.stdlib_module_names or item.target in room.libraries
            if not allowed and not (item.inside and matches(item.target, room.inside)):
                what = f"bn_study.{item.target}" if item.own else item.target
                where = " at its top" if matches(item.target, room.inside) else ""
                found.append(f"{name}:{item.line} imports {what}{where}, which its room in {FILE} does not allow")
    return found


def arrows(package: Path, top_only: bool = False) -> dict[str, list[str]]:
    """What each module imports of the package and of NETWORKS."""
    trees = modules(package)
    return {
        name: sorted(
            {
                item.target
                for item in imports(tree, trees)
                if (item.target in trees if item.own else item.target in NETWORKS) and not (top_only and item.inside)
            }
        )
        for name, tree in trees.items()
    }


def ways(graph: dict[str, list[str]], start: str, goals: tuple[str, ...]) -> Iterator[list[str]]:
    """Ways from a module to the goals: not all, but one at least for every goal that can be reached."""
    seen: set[str] = set()
    stack = [[start]]
    while stack:
        way = stack.pop()
        for target in graph.get(way[-1], []):
            if target in goals:
                yield [*way, target]
            elif target not in seen:
                seen.add(target)
                stack.append([*way, target])


def circles(package: Path) -> list[str]:
    graph = arrows(package)  # a circle is found from each of its modules and told from the first
    return [" -> ".join(way) for name in graph for way in ways(graph, name, (name,)) if name == min(way)]


def slow_starts(package: Path) -> list[str]:
    graph = arrows(package, top_only=True)
    return [" -> ".join(way) for name in graph if not matches(name, HEAVY) for way in ways(graph, name, NETWORKS)]


def test_imports_keep_to_the_layers():
    assert layer_violations(PACKAGE) == []


def test_no_circles():
    assert circles(PACKAGE) == []


def test_only_training_loads_tensorflow_at_once():
    assert slow_starts(PACKAGE) == []


def write(package: Path, sources: dict[str, str]) -> Path:
    for name, source in sources.items():
        path = package / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return package


def test_what_is_allowed_passes(tmp_path):
    sources = {
        "training.norm.batch": "import keras\nfrom bn_study.training.network import Network\n",
        "analysis.mirror.wandb": "def export():\n    import wandb\n",
        "cli": "def main():\n    from bn_study.training import train\n",
        "training.train": "import tensorflow as tf\nfrom bn_study.training import data\n",
        "training.data": "import numpy.random\n",
        "plan.parts": "import ast, pydantic\nfrom bn_study.errors import UsageError\n",
    }
    assert layer_violations(write(tmp_path, sources)) == []
    assert circles(tmp_path) == []
    assert slow_starts(tmp_path) == []


FORBIDDEN = {
    "upward": ("plan.spec", "from bn_study.store import Store\n"),
    "hidden in a function": ("analysis.stats", "class Test:\n    def run(self):\n        import tensorflow\n"),
    "for types only": (
        "analysis.claims",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from bn_study.training.train import Run\n",
    ),
    "a part another part": ("training.norm.layer", "from bn_study.training.norm.batch import layer\n"),
    "a relative import": ("training.train", "from .data import Data\n"),
    "a part the loop": ("training.probe.curves", "from bn_study.training import train\n"),
    "train a part": ("training.train", "import bn_study.training.norm.batch\n"),
    "a mirror at its top": ("analysis.mirror.wandb", "import wandb\n"),
    "the command line at its top": ("cli", "from bn_study.plan.compose import compose\n"),
    "sweep instead of the worker": ("sweep", "def run():\n    from bn_study.training.train import train\n"),
    "a library elsewhere": ("sweep", "import submitit\n"),
}


def test_what_is_forbidden_is_found(tmp_path):
    for number, (case, (name, source)) in enumerate(FORBIDDEN.items()):
        others = {"training.norm.batch": "", "training.train": ""}
        package = write(tmp_path / str(number), others | {name: source})
        found = layer_violations(package)
        assert len(found) == 1 and found[0].startswith(f"{name}:{len(source.splitlines())} imports"), (case, found)


def test_a_module_without_a_room_is_named(tmp_path):
    (message,) = layer_violations(write(tmp_path, {"analysis.extra": ""}))
    assert message.startswith("analysis.extra: no room holds this module; name it in ROOMS") and FILE in message


def test_circles_are_found(tmp_path):
    sources = {
        "plan.parts": "from bn_study.plan import spec\n",
        "plan.spec": "def check():\n    from bn_study.plan import parts\n",
    }
    assert circles(write(tmp_path, sources)) == ["plan.parts -> plan.spec -> plan.parts"]


def test_slow_starts_are_found(tmp_path):
    sources = {
        "sweep": "from bn_study import worker\n",
        "worker": "from bn_study.training import train\n",
        "training.train": "import tensorflow\n",
    }
    assert slow_starts(write(tmp_path, sources)) == ["sweep -> worker -> training.train -> tensorflow"]
