"""
Exact cost on every Claude call, and a purse that holds: the guest in the application.

    from bursar.instrumentation import instrument, route

    instrument()
    with route("support.triage", tenant="acme"):
        client.messages.create(...)
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bursar.instrumentation import runtime, seat
from bursar.instrumentation.acceptance import at_least, flag, matches
from bursar.instrumentation.cascade import cascade
from bursar.instrumentation.completion import as_completed
from bursar.instrumentation.config import Config, ConfigError, read_config, read_dialects
from bursar.instrumentation.context import route
from bursar.instrumentation.deferral import Deferral, defer, result
from bursar.instrumentation.itemerror import BatchItemError
from bursar.instrumentation.mapbatch import map_batch
from bursar.instrumentation.served import PutOff, Served
from bursar.policies.charge import Basis, Charge
from bursar.policies.errors import BudgetExceeded, RefusalReason
from bursar.policies.usage import Usage

__all__ = [
    "Basis",
    "BatchItemError",
    "BudgetExceeded",
    "Charge",
    "Config",
    "ConfigError",
    "Deferral",
    "PutOff",
    "RefusalReason",
    "Served",
    "Usage",
    "as_completed",
    "at_least",
    "cascade",
    "defer",
    "flag",
    "flush",
    "instrument",
    "map_batch",
    "matches",
    "result",
    "route",
    "served",
    "uninstrument",
]


_lock = threading.Lock()


def instrument(*, dialects: Iterable[str] = (), environ: Mapping[str, str] | None = None) -> bool:
    """
    Put cost on every Claude call of this process, and its budgets in force. Again: changes nothing.

    `dialects` are backends whose own attribute names spans carry as well, such as `langfuse`, beside those of
    BURSAR_DIALECTS. `environ` stands in for the process's environment. Whether anything was instrumented: not with
    BURSAR_DISABLED=1, nor on an SDK that is built otherwise than expected. Raises `ConfigError` for a setting that
    cannot work.
    """
    config = read_config(os.environ if environ is None else environ)
    config = replace(config, dialects=read_dialects((*config.dialects, *dialects)))
    if config.disabled:
        return False
    with _lock:
        present = runtime.current_runtime()
        if present is not None and (environ is None or present.config == config):
            return True
        if not seat.enter():
            return False
        runtime.install(config)
    return True


def uninstrument() -> None:
    """Leave the SDK as it was before `instrument()`, on every client; what is left is shipped first."""
    seat.leave()
    runtime.remove()


def flush(timeout: float = 5.0) -> bool:
    """Ship every charge to the agent now, within `timeout` seconds; whether it has booked them all."""
    present = runtime.current_runtime()
    return present.flush(timeout) if present is not None else True


def served(message: Any) -> Served | None:
    """
    What a response was served by, and what it cost; None for one that this process has not seen of late.

    `message` is any form of it: a message of the SDK's or its JSON, a raw or streaming response, a stream read to its
    end, a result of a batch by its message.
    """
    present = runtime.current_runtime()
    return present.served(message) if present is not None else None


def _after_fork() -> None:
    """In a forked child nobody may be there to let go of the lock."""
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(runtime.remove)
