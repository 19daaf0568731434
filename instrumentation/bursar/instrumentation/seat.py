"""How the SDK is entered and left: one public method patched, the middleware seated at first use, both undone."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from typing import Any
from weakref import WeakSet

from anthropic import Anthropic, AsyncAnthropic

from bursar.instrumentation import tracing
from bursar.instrumentation.call import Call, begin
from bursar.instrumentation.middleware import ENTRY, METER, SOLE, is_billable, key_for
from bursar.instrumentation.peers import tell_of_peers
from bursar.instrumentation.quiet import excuse
from bursar.instrumentation.runtime import Runtime, current_runtime

log = logging.getLogger("bursar")

_MARK = "_bursar_chain"
_UNSEATED = object()
_lock = threading.Lock()
_seated: WeakSet[Any] = WeakSet()
_active = False


def _after_fork() -> None:
    """In a forked child nobody may be there to let go of the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def _base(client: type[Any]) -> type[Any]:
    return next(kind for kind in client.__mro__ if "request" in kind.__dict__)


_SYNC, _ASYNC = _base(Anthropic), _base(AsyncAnthropic)
_original_sync: Any = None
_original_async: Any = None


def enter() -> bool:
    """
    Patch `request` of the two base clients; every client made before or after is seated at its next call.

    Whether it could be done: an SDK whose inside has changed is left alone, with one warning.
    """
    global _active, _original_sync, _original_async
    for kind in (_SYNC, _ASYNC):
        if not hasattr(kind, "_build_middleware_chain") or not hasattr(kind, "_middleware_chain"):
            log.warning(
                "bursar: this version of the anthropic SDK is built otherwise than expected and is not instrumented. "
                "Use one from 0.108 to 2.x, or tell Bursar's maintainers of the version you have."
            )
            return False
    if not _active:
        if _SYNC.__dict__["request"] is not _request:
            _original_sync = _SYNC.__dict__["request"]
            _SYNC.request = _request
        if _ASYNC.__dict__["request"] is not _request_async:
            _original_async = _ASYNC.__dict__["request"]
            _ASYNC.request = _request_async
        _active = True
    return True


def leave() -> None:
    """Put the SDK's methods back and take the middleware off every client. A patch on top of ours stays, and passes."""
    global _active
    _active = False
    if _SYNC.__dict__["request"] is _request:
        _SYNC.request = _original_sync
    if _ASYNC.__dict__["request"] is _request_async:
        _ASYNC.request = _original_async
    for client in tuple(_seated):
        _unseat(client)


def _request(self: Any, cast_to: Any, options: Any, **how: Any) -> Any:
    call = _begin(self, options)
    if call is None:
        return _original_sync(self, cast_to, options, **how)
    try:
        result = _original_sync(self, cast_to, options, **how)
    except BaseException as error:
        call.finish(error)
        raise
    call.returned()
    return result


async def _request_async(self: Any, cast_to: Any, options: Any, **how: Any) -> Any:
    call = _begin(self, options)
    if call is None:
        return await _original_async(self, cast_to, options, **how)
    try:
        result = await _original_async(self, cast_to, options, **how)
    except BaseException as error:
        call.finish(error)
        raise
    call.returned()
    return result


def _begin(client: Any, options: Any) -> Call | None:
    """Seat the client and begin a call, if this request makes a message. Never raises."""
    runtime = current_runtime()
    if not _active or runtime is None:
        return None
    try:
        inside = client.__dict__
        if inside.get(_MARK, _UNSEATED) is not inside.get("_middleware_chain"):
            _seat(client)
        if is_billable(options.method, options.url):
            set_up_tracing(runtime)
            body: Any = options.json_data
            model = body.get("model") if isinstance(body, (dict, Mapping)) else None  # pyright: ignore
            call = begin(runtime, client, model if isinstance(model, str) else "")
            given = options.idempotency_key
            options.idempotency_key = key_for(call, given if type(given) is str else None)
            return call
    except Exception:  # noqa: BLE001 - the guest never breaks its host
        excuse("enter the SDK")
    return None


def set_up_tracing(runtime: Runtime) -> None:
    """Set tracing up, once; calls of other threads wait for it, or they would have no span."""
    if runtime.traced:
        return
    with _lock:
        if not runtime.traced:
            try:
                tracing.set_up(runtime.config)
                tell_of_peers()
            finally:
                runtime.traced = True


def _seat(client: Any) -> None:
    """Put ours around the client's own middleware, exactly once; the mark last, so that no thread sees half of it."""
    with _lock:
        own = _without_ours(client)
        client._middleware = (ENTRY, *own, METER) if own else (SOLE,)
        client._middleware_chain = chain = client._build_middleware_chain()
        setattr(client, _MARK, chain)
        _seated.add(client)


def _unseat(client: Any) -> None:
    with _lock:
        client._middleware = _without_ours(client)
        client._middleware_chain = client._build_middleware_chain()
        client.__dict__.pop(_MARK, None)
        _seated.discard(client)


def _without_ours(client: Any) -> tuple[Any, ...]:
    return tuple(entry for entry in client._middleware if entry not in (ENTRY, METER, SOLE))
