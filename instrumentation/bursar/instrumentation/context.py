"""What a call is for: its route and labels, named by the application or found from where it was made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from dataclasses import field, replace
from functools import wraps
from pathlib import PurePath
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from bursar.policies.values import value

if TYPE_CHECKING:
    from bursar.instrumentation.asking import Asking
    from bursar.instrumentation.staging import Staging

_FRAMEWORK_NAMES = (
    "_asyncio anthropic anyio asyncio backoff bursar celery click concurrent contextlib functools gunicorn httpcore"
    " httpcore2 httpx httpx2 importlib instructor langchain langchain_anthropic langchain_core langgraph langsmith"
    " litellm llama_index llama_index_instrumentation logfire opentelemetry pydantic pydantic_ai pydantic_graph runpy"
    " sentry_sdk sniffio starlette stamina tenacity threading trio uvicorn uvloop wrapt _pytest pluggy"
)
_FRAMEWORKS = frozenset(_FRAMEWORK_NAMES.split())
"""Top-level packages that call on somebody's behalf: a route is the nearest caller outside of them."""

_RUNTIME = "workflows.runtime."
"""Of LlamaIndex; `workflows` alone is a likely name for an application's own package."""
UNNAMED = "unnamed"
"""The route of a call whose every caller is a framework."""


@value
class Work:
    """What the surrounding `route(...)` blocks say."""

    route: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    caller: str | None = None
    """Who made the call, where nobody named the route: the policy's rules may find one for it."""
    staging: Staging | None = None
    """The part of a cascade that it is done for."""
    key: str = ""
    """The application's own name for this piece of work: a call that was put off under it is rejoined."""
    asking: Asking | None = None
    """Who asks that the calls made for it are put off, or brings the answer of one that was."""


_NOTHING = Work()
_work: ContextVar[Work] = ContextVar("bursar_work", default=_NOTHING)


def current_work() -> Work:
    """The innermost `route(...)` around the caller, labels of the outer ones included."""
    return _work.get()


@contextmanager
def doing(work: Work) -> Generator[None]:
    """Let the calls made inside be of this work, whatever is said outside."""
    token = _work.set(work)
    try:
        yield
    finally:
        _put_back(token)


def _put_back(token: Token[Work]) -> None:
    try:
        _work.reset(token)
    except ValueError:
        # Left in another context than entered, as a generator closed by the garbage collector is: that context ends
        # with its own copy, so there is nothing to put back.
        return


def sound(text: str) -> str:
    """The text with `?` for every lone surrogate: these come from bytes that are no UTF-8, and cannot be sent on."""
    return text.encode("utf-8", "replace").decode()


class route(ContextDecorator):  # noqa: N801 - reads as a verb: `with route("support.triage"):`
    """
    Name the work done inside: `with route("support.triage", tenant="acme"):`, or as a decorator, also of coroutines.

    Labels of outer blocks hold inside; an inner label of the same name wins. Crosses `await`, and threads that run in
    a copied context.

    `key` is no label: it names this piece of work, as in `key="invoice-4711"`, so that a rerun rejoins the call that
    was put off for it instead of paying again. The key of an inner block wins.
    """

    def __init__(self, name: str | None = None, /, *, key: str = "", **labels: str) -> None:
        self._name = sound(str(name)) if name else None
        self._key = sound(str(key))
        self._labels = {sound(key): sound(str(value)) for key, value in labels.items()}
        self._tokens: list[Token[Work]] = []

    def __enter__(self) -> route:
        outer = _work.get()
        labels = {**outer.labels, **self._labels}
        key = self._key or outer.key
        work = Work(self._name or outer.route, labels, staging=outer.staging, key=key, asking=outer.asking)
        self._tokens.append(_work.set(work))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _put_back(self._tokens.pop())

    def __call__(self, func: Any) -> Any:
        """Decorate a function or a coroutine function; each call enters a block of its own."""
        if not inspect.iscoroutinefunction(func):
            return super().__call__(func)

        @wraps(func)
        async def named(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await func(*args, **kwargs)

        return named

    def _recreate_cm(self) -> route:
        return type(self)(self._name, key=self._key, **self._labels)


_MEMO_LIMIT = 4_096
_names: dict[int, tuple[CodeType, str | None]] = {}
"""By identity, since code that reads alike compares equal whatever its module; the entry keeps its code alive."""


def find_caller() -> str:
    """The nearest caller outside the SDK and frameworks as `module:function`; `UNNAMED` where there is none."""
    frame = inspect.currentframe()
    while frame is not None:
        _, name = _names.get(id(frame.f_code)) or _remember(frame)
        if name is not None:
            return name
        frame = frame.f_back
    return UNNAMED


def _remember(frame: FrameType) -> tuple[CodeType, str | None]:
    if len(_names) >= _MEMO_LIMIT:
        _names.clear()
    entry = _names[id(frame.f_code)] = (frame.f_code, _name(frame))
    return entry


def _name(frame: FrameType) -> str | None:
    """`module:function` of a frame, or None for a framework's, a lambda's or a comprehension's."""
    module = str(frame.f_globals.get("__name__") or "")
    if module == "__main__":
        module = _script(frame)
    if not module or module.startswith(("<", _RUNTIME)) or module.partition(".")[0] in _FRAMEWORKS:
        return None
    function = frame.f_code.co_qualname.replace(".<locals>", "")
    *outer, last = function.split(".")
    if last in ("<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"):
        function = ".".join(part for part in outer if not part.startswith("<"))
        if not function:
            return None
    return sound(f"{module}:{function}")


def _script(frame: FrameType) -> str:
    """The name a script or `-m` module would have if it were imported; a notebook's cell and `-c` have none."""
    spec = frame.f_globals.get("__spec__")
    if spec is not None and getattr(spec, "name", None):
        return str(spec.name).removesuffix(".__main__")
    return PurePath(str(frame.f_globals.get("__file__") or "")).stem or "__main__"


RouteFinder = Callable[[str], str | None]
"""From the caller's `module:function` to the policy's route for it, if one is found."""


def name_work(*, default_route: str | None, default_labels: Mapping[str, str], find: RouteFinder) -> Work:
    """
    The route and labels of a call made now.

    In this order: the surrounding `route(...)`, `BURSAR_ROUTE`, the policy's first `[[route]]` that finds it, the
    caller itself.
    """
    work = _work.get()
    labels = {**default_labels, **work.labels} if default_labels and work.labels else work.labels or default_labels
    if work.route is not None:
        return work if not default_labels else replace(work, labels=labels)
    if default_route is not None:
        return Work(default_route, labels, key=work.key, asking=work.asking)
    caller = find_caller()
    return Work(find(caller) or caller, labels, caller, key=work.key, asking=work.asking)
