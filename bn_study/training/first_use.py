"""TensorFlow and Keras are imported in half the time: most of their public modules load when they are first used.

The modules of public names, such as `tensorflow.lite`, `tensorflow.compat.v1` and `keras.visualization`, import
everything behind them, matplotlib and scikit-learn included, and `import tensorflow` imports all of them. Training uses
a few. Here each is put in place empty, and imports what stands behind a name when somebody asks for that name. So every
name works as ever, in a user's part too.

The garbage collector pauses during the import. Afterwards it leaves out what was imported, which lasts as long as the
process.
"""

import ast
import gc
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LIBRARIES = ("tensorflow", "keras")
PUBLIC = ("tensorflow._api.v2.", "keras._tf_keras.keras.", "keras.", "keras.src.visualization")
"""How the names of modules begin that wait; keras.src.visualization is only there for keras.visualization."""
INNER = ("keras.src",)
"""The same for modules of Keras that do not wait."""
NAMESAKES = {
    "tensorflow._api.v2.distribute": "tensorflow.python.distribute.experimental.rpc.rpc_ops",
    "tensorflow._api.v2.lite": "tensorflow.lite",
}
"""Public modules, and what must be imported before they are there.

TensorFlow has folders of the same names. Imported later, a folder would take the module's place in `tensorflow`; and
rpc_ops finds what it imports only as long as `tensorflow.distribute` is the folder.
"""


def install() -> None:
    """From now on, importing TensorFlow or Keras leaves out what is not used."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def waits(name: str) -> bool:
    """Whether a module is loaded only when it is used: the longest beginning that fits decides."""
    public, inner = (max((len(one) for one in among if name.startswith(one)), default=0) for among in (PUBLIC, INNER))
    return public > inner


class _Finder(MetaPathFinder):
    """Finds the modules of TensorFlow and Keras that it treats differently, and leaves all others to Python."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in LIBRARIES and not waits(fullname):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = (_Library if fullname in LIBRARIES else _AtFirstUse)(spec.loader)
        return spec


class _Wrapped(Loader):
    """loader: the one that Python has chosen."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def load(self, module: ModuleType) -> None:
        """Load the module as without this file."""
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)


class _Library(_Wrapped):
    def exec_module(self, module: ModuleType) -> None:
        collecting = gc.isenabled()
        gc.disable()
        try:
            self.load(module)
        finally:
            if collecting:
                gc.freeze()
                gc.enable()


class _AtFirstUse(_Wrapped):
    lock = threading.RLock()

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ in NAMESAKES:
            with suppress(ImportError):  # another version of TensorFlow need not have it
                import_module(NAMESAKES[module.__name__])
        self.module, self.begun = module, False
        self.sources: dict[str, tuple[str, str]] | None = None
        module.__dict__["__getattr__"] = self.get  # Python calls it for a name that the module lacks (PEP 562)

    def get(self, name: str) -> Any:
        """Import what the module would import under this name. For any other name, load the module."""
        with self.lock:  # another thread must not see half a module
            if self.sources is None:
                self.sources = _sources(self.loader, self.module.__name__)
            if name in self.sources:
                source, inner = self.sources[name]
                if source == self.module.__name__:
                    return import_module(f"{source}.{inner}")  # which Python adds to this module
                self.module.__dict__[name] = getattr(import_module(source), inner)
            elif not self.begun:
                self.begun = True
                self.load(self.module)
                if self.module.__dict__.get("__getattr__") == self.get:
                    del self.module.__dict__["__getattr__"]
            elif self.module.__dict__.get("__getattr__") == self.get:  # asked for while it loads
                raise AttributeError(f"module {self.module.__name__!r} has no attribute {name!r}")
        return getattr(self.module, name)


def _sources(loader: Loader, name: str) -> dict[str, tuple[str, str]]:
    """The names that a module imports: the module that each comes from, and its name there.

    Empty for a module that does more than import, such as TensorFlow's version 1, which changes others.
    """
    text = loader.get_source(name) if isinstance(loader, InspectLoader) else None
    nodes = ast.parse(text or "").body
    if not all(isinstance(node, (ast.ImportFrom, ast.Import, ast.Expr)) for node in nodes):
        return {}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {one.asname or one.name: (node.module or "", one.name) for node in froms for one in node.names}
