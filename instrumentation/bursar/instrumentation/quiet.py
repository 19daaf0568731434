"""How our own failures are kept from the application: told once each, never raised."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

log = logging.getLogger("bursar")

_told: set[str] = set()
_lock = threading.RLock()  # a destructor may tell something while this thread does


class quiet:  # noqa: N801 - reads as an adverb: `with quiet("write a span"):`
    """Keep an error of ours inside: logged in full the first time a task fails, for debugging only afterwards."""

    __slots__ = ("_task",)

    def __init__(self, task: str) -> None:
        self._task = task

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        """Promise 1 of the design: the guest never breaks its host. What is no `Exception` passes."""
        if not isinstance(error, Exception):
            return False
        excuse(self._task)
        return True


def excuse(task: str) -> None:
    """What `quiet` does, for an `except Exception` on every call's path: where nothing fails, that costs nothing."""
    tell_once(task, f"bursar could not {task}; the application goes on without it", exc_info=True)


def tell_once(key: str, message: str, *, exc_info: bool = False) -> None:
    """Warn once per process and key; later times go to the debug log."""
    with _lock:
        first = key not in _told
        _told.add(key)
    log.log(logging.WARNING if first else logging.DEBUG, "%s", message, exc_info=exc_info)


def forget_told() -> None:
    """
    Let every warning be told again: for a new process after a fork, and for tests.

    The lock is replaced, not taken: in a forked child it may be held by a thread that was not copied.
    """
    global _lock
    _lock = threading.RLock()
    _told.clear()
