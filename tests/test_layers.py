"""Who may import whom: cli -> report -> sweep -> training | analysis -> store -> plan, and no arrow that runs back up.

The modules are parsed, not imported. An import counts wherever it stands, in a function too, but for those that only
types need (`if TYPE_CHECKING`). A module that no room holds fails the test: give it a place in one of the rooms.
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
LINES, FUNCTION = 300, 50
"""How long a module and a function may be."""

ROOMS = {  # room: the rooms below it, from which it may import
    "errors": (),
    "plan": ("errors",),
    "store": ("plan", "errors"),
    "study": ("store", "plan", "errors"),
    "training": ("store", "plan", "errors"),
    "analysis": ("store", "plan", "errors"),
    "sweep": ("training", "analysis", "study", "store", "plan", "errors"),
    "report": ("sweep", "analysis", "study", "store", "plan", "errors"),
    "cli": ("report", "sweep", "training", "analysis", "study", "store", "plan", "errors"),
    "bn_study": ("report",),  # the package itself: what notebooks call
    "__main__": ("cli",),
}
PARTS = ("training.dataset", "training.model", "training.norm", "training.probe", "analysis.figure", "analysis.mirror")
PARTS += ("analysis.measure", "analysis.test", "sweep.launcher", "cli.verb")
"""Folders that are registries: their files are reached by name. A file that begins with an underscore is shared."""
SHARED = {  # a part that others build on
    "sweep.launcher.slurm": ("sweep.launcher.local",),
    "sweep.launcher.dask": ("sweep.launcher.local",),
    "cli.verb.*": ("cli.verb.*",),
}
NETWORKS = ("keras", "tensorflow")
EVERYWHERE = ("numpy", "pandas", "pydantic")
LIBRARIES = {  # modules: what they may import besides that of EVERYWHERE; the first row that fits decides
    "plan.compose": ("hydra", "omegaconf", "yaml"),
    "plan.reading": ("omegaconf", "yaml"),
    "plan.history": ("omegaconf",),
    "store.*": ("pyarrow",),
    "training.dataset.digits": ("sklearn",),
    "training.*": (*NETWORKS, "scipy"),
    "analysis.figure.*": ("matplotlib", "scipy"),
    "analysis.mirror.wandb": ("wandb",),
    "analysis.mirror.tensorboard": ("tensorboard", "google"),
    "analysis.*": ("scipy",),
    "sweep.launcher.slurm": ("submitit",),
    "sweep.launcher.dask": ("distributed",),
    "sweep.worker": NETWORKS,
    "sweep.progress": ("rich",),
    "report.board_figure": ("matplotlib",),
    "report.statement_figure": ("matplotlib",),
    "report.multiplicity": ("scipy",),
    "report.page": ("jinja2",),
    "report.replicated": ("rich",),
    "report.terminal": ("rich",),
    "report.trace": ("rich",),
    "report.web.pages": ("jinja2", "markupsafe", "plotly"),
    "cli.request": ("rich",),
}
LIGHT = ("cli.main", "cli.request", "cli.verb.*", "bn_study", "__main__")
"""They import no library and no other room but within functions, so that `--help` is there at once."""
LATE = ("wandb", "tensorboard", "google", "plotly", "submitit")
"""Libraries that everybody imports within functions only."""
HEAVY = ("training.*", "sweep.calibration", "sweep.worker")
"""Importing TensorFlow takes seconds: only these may do it by being imported."""


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
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                yield from nodes(ast.Module(node.orelse, []), inside)
                continue
            yield node, inside
            yield from nodes(node, inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))

    for node, inside in nodes(tree, False):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")  # with a dot in front no room allows it: say the full name
            names = [f"{source}.{alias.name}" for alias in node.names]
            targets = [name if name.removeprefix("bn_study.") in known else source for name in names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            targets = [one.value for one in node.args[:1] if isinstance(one, ast.Constant)]
        else:
            continue
        for target in dict.fromkeys(targets):
            first, _, rest = target.partition(".")
            own = first == "bn_study"
            yield Import((rest or first) if own else (first or target), own, node.lineno, inside)


def room_of(name: str) -> str:
    return name.partition(".")[0]


def is_part(name: str) -> bool:
    folder, _, last = name.rpartition(".")
    return folder in PARTS and not last.startswith("_")


def allowed(name: str, item: Import) -> bool:
    """Whether a module may import this."""
    if not item.own:
        row = next((libraries for modules, libraries in LIBRARIES.items() if fnmatchcase(name, modules)), ())
        late = item.inside or not (matches(name, LIGHT) or item.target in LATE)
        return item.target in sys.stdlib_module_names or (late and item.target in (*EVERYWHERE, *row))
    if item.target == "bn_study":
        return True
    if is_part(item.target) and is_part(name):
        return any(fnmatchcase(name, one) and matches(item.target, others) for one, others in SHARED.items())
    if is_part(item.target) and room_of(name) == "training":
        return False  # train reaches them through plan.parts
    if room_of(item.target) == room_of(name):
        return True
    late = item.inside or name == "__main__" or item.target == "errors" or not matches(name, LIGHT)
    return late and room_of(item.target) in ROOMS[room_of(name)]


def layer_violations(package: Path) -> list[str]:
    trees = modules(package)
    found = []
    for name, tree in trees.items():
        if room_of(name) not in ROOMS:
            found.append(f"{name}: no room holds this module; move it into one of those in ROOMS, in {FILE}")
            continue
        for item in imports(tree, trees):
            if not allowed(name, item):
                what = f"bn_study.{item.target}" if item.own else item.target
                found.append(f"{name}:{item.line} imports {what}, which {FILE} does not allow")
    return found


def arrows(package: Path, top_only: bool = False) -> dict[str, list[str]]:
    """What each module imports of the package and of NETWORKS."""
    trees = modules(package)
    return {
        name: sorted(
            {
                item.target
                for item in imports(tree, trees)
                if (item.target in trees or item.target in NETWORKS) and not (top_only and item.inside)
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
    assert circles(PACKAGE.parent / "scripts" / "bench") == []


def test_only_training_loads_tensorflow_at_once():
    assert slow_starts(PACKAGE) == []


def write(package: Path, sources: dict[str, str]) -> Path:
    for name, source in sources.items():
        path = package / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return package


def too_long(package: Path) -> list[str]:
    """Modules and functions that want to be two, or less code."""
    found = []
    for name, tree in modules(package).items():
        functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        for one in functions:
            if (length := (one.end_lineno or 0) - one.lineno + 1) > FUNCTION:
                found.append(f"{name}.{one.name}: {length} lines")
        if (length := max((getattr(node, "end_lineno", 0) for node in tree.body), default=0)) > LINES:
            found.append(f"{name}: {length} lines")
    return found


def test_modules_and_functions_are_short():
    assert too_long(PACKAGE) == []


def test_what_is_allowed_passes(tmp_path):
    sources = {
        "training.norm.batch": "import keras\nfrom bn_study.training.network import Network\n",
        "analysis.mirror.wandb": "def export():\n    import wandb\n",
        "analysis.claims": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tensorflow\n",
        "cli.main": "def main():\n    from bn_study.sweep import worker\n",
        "sweep.worker": "from bn_study.training import train\n",
        "training.train": "import tensorflow as tf\nfrom bn_study.training import data\n",
        "training.data": "import numpy.random\n",
        "plan.parts": "import ast, pydantic\nfrom bn_study.errors import UsageError\n",
    }
    assert layer_violations(write(tmp_path, sources)) == []
    assert circles(tmp_path) == []
    assert slow_starts(tmp_path) == []


FORBIDDEN = {
    "upward": ("plan.spec", "from bn_study.store.store import Store\n"),
    "hidden in a function": ("analysis.stats", "class Test:\n    def run(self):\n        import tensorflow\n"),
    "analysis training": ("analysis.claims", "from bn_study.training.train import Run\n"),
    "training analysis": ("training.data", "from bn_study.analysis import stats\n"),
    "behind what is for types": (
        "plan.spec",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import bn_study.cli.main\n",
    ),
    "by name": ("plan.spec", 'import importlib\nimportlib.import_module("bn_study.cli.main")\n'),
    "a part another part": ("training.norm.layer", "from bn_study.training.norm.batch import layer\n"),
    "a relative import": ("training.train", "from .data import Data\n"),
    "train a part": ("training.train", "import bn_study.training.norm.batch\n"),
    "a mirror at its top": ("analysis.mirror.wandb", "import wandb\n"),
    "the command line at its top": ("cli.main", "from bn_study.plan.compose import compose\n"),
    "a library elsewhere": ("sweep.run", "import submitit\n"),
}


def test_what_is_forbidden_is_found(tmp_path):
    for number, (case, (name, source)) in enumerate(FORBIDDEN.items()):
        others = {"training.norm.batch": "", "training.train": ""}
        package = write(tmp_path / str(number), others | {name: source})
        found = layer_violations(package)
        assert len(found) == 1 and found[0].startswith(f"{name}:{len(source.splitlines())} imports"), (case, found)


def test_a_module_without_a_room_is_named(tmp_path):
    (message,) = layer_violations(write(tmp_path, {"extra.words": ""}))
    assert message.startswith("extra.words: no room holds this module") and FILE in message


def test_circles_are_found(tmp_path):
    sources = {
        "plan.parts": "from bn_study.plan import spec\n",
        "plan.spec": "def check():\n    from bn_study.plan import parts\n",
    }
    assert circles(write(tmp_path, sources)) == ["plan.parts -> plan.spec -> plan.parts"]


def test_slow_starts_are_found(tmp_path):
    sources = {
        "sweep.run": "from bn_study.sweep import worker\n",
        "sweep.worker": "from bn_study.training import train\n",
        "training.train": "import tensorflow\n",
    }
    assert slow_starts(write(tmp_path, sources)) == ["sweep.run -> sweep.worker -> training.train -> tensorflow"]
