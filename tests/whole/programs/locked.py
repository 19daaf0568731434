"""While a thread of it holds every lock of Bursar's, the process forks; the child lives a whole life and says so."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

ours: list[Any] = []


def remembered(make: Callable[[], Any]) -> Callable[[], Any]:
    """A maker of locks that keeps those which Bursar asks for, itself or by way of an event."""

    def made() -> Any:
        lock = make()
        frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - documented
        while frame is not None and frame.f_globals.get("__name__") == "threading":
            frame = frame.f_back
        module = str(frame.f_globals.get("__name__")) if frame is not None else ""
        if module.startswith("bursar."):
            ours.append(lock)
        return lock

    return made


for kind in ("Lock", "RLock"):
    setattr(threading, kind, remembered(getattr(threading, kind)))

import anthropic  # noqa: E402

from bursar.instrumentation import flush, instrument, uninstrument  # noqa: E402


def call(**more: Any) -> Any:
    """One call."""
    client: Any = anthropic.Anthropic()
    return client.messages.create(
        model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Go on."}], **more
    )


def hold() -> None:
    """Hold all locks until told to let go; all or none, since others of our threads hold some and wait for some."""
    while not all(taken := [lock.acquire(blocking=False) for lock in ours]):
        for lock, ok in zip(ours, taken, strict=True):
            if ok:
                lock.release()
    held.set()
    go.wait()
    for lock in ours:
        lock.release()


def live() -> None:
    """What an application may do: call, drop what its parent was reading, take Bursar off, put it on, call again."""
    global stream
    call()
    stream = None
    flush(10)
    uninstrument()
    instrument()
    call()
    flush(10)


instrument()
call()
stream = call(stream=True)
next(iter(stream))
held, go = threading.Event(), threading.Event()
holding = threading.Thread(target=hold)
holding.start()
held.wait()
child = os.fork()
if child == 0:
    live()
    sys.stdout.write("alive\n")
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
go.set()
holding.join()
for _ in stream:
    pass
sys.stdout.write(f"{len(ours)} locks\n")
