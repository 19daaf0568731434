"""
How is a program instrumented that knows nothing of Bursar? Python runs this file at start, its folder on the path.

`bursar run` puts it there, and programs started by the program inherit it: interpreters without Bursar, which get one
line about that, and older Pythons too. It costs nothing where `anthropic` is never imported.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:  # the typing module is a slow import, and every process of the program would pay for it
    from collections.abc import Sequence
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))


def _instrument() -> None:
    """Switch Bursar on in this process; one line on standard error where that cannot be done."""
    try:
        from bursar.instrumentation import instrument

        instrument()
    except ImportError as error:
        sys.stderr.write(
            f"bursar: Claude calls of {sys.executable} are not counted, since this Python cannot import Bursar "
            f"({error}). Install it there: {sys.executable} -m pip install bursar\n"
        )
    except Exception as error:  # noqa: BLE001 - whatever is wrong with us, the program goes on
        sys.stderr.write(f"bursar: Claude calls of this process are not counted: {type(error).__name__}: {error}\n")


def _leave_sign() -> None:
    """Tell `bursar run`, by touching the file that it names, that a Python has started which can import Bursar."""
    sign = os.environ.get("BURSAR_SIGN")
    if not sign:
        return
    try:
        package = _find("bursar", None, sys.meta_path)
        if package and _find("bursar.instrumentation", package.submodule_search_locations, sys.meta_path):
            open(sign, "ab").close()
    except Exception:  # noqa: BLE001 - finders are anybody's: without a sign `bursar run` says so at its end
        pass


def _find(
    name: str, path: Sequence[str] | None, finders: Sequence[Any], target: ModuleType | None = None
) -> ModuleSpec | None:
    """What the first finder that knows the module says of it; nothing is imported."""
    for finder in finders:
        find: Any = getattr(finder, "find_spec", None)
        spec: Any = find(name, path, target) if find is not None else None
        if spec is not None:
            return spec  # type: ignore[no-any-return]
    return None


class _Loader:
    """Stands in for the loader of `anthropic` until it has run the module."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if _hook in sys.meta_path:
            sys.meta_path.remove(_hook)
        _instrument()


class _Hook:
    """A finder that finds nothing but `anthropic`, by asking the other finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "anthropic":
            return None
        spec = _find(name, path, [finder for finder in sys.meta_path if finder is not self], target)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


_hook = _Hook()


def _watch() -> None:
    """Instrument as soon as `anthropic` has been imported, and not before."""
    if "anthropic" in sys.modules:
        _instrument()
    else:
        sys.meta_path.insert(0, _hook)


def _run_hidden() -> None:
    """Run the `sitecustomize` that this one hides, under its name. Its errors are Python's to tell, as ever."""
    path = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is None or spec.loader is None:
        return
    module = ModuleType("sitecustomize")
    module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_leave_sign()
_watch()
_run_hidden()
