"""Forks while the agent is in the middle of its answer, which never ends; the child says that it lives."""

from __future__ import annotations

import os
import sys
import threading
from itertools import pairwise
from traceback import walk_stack

import anthropic

from bursar.instrumentation import instrument

instrument()


def call() -> None:
    """One call."""
    anthropic.Anthropic().messages.create(
        model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Go on."}]
    )


def reads_answer(thread: int) -> bool:
    """Whether a thread waits for the rest of the agent's answer."""
    frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage] - documented
    names = [inner.f_code.co_name for inner, _ in walk_stack(frame)] if frame is not None else []
    return ("readinto", "_safe_read") in pairwise(names)


call()
background = next(thread for thread in threading.enumerate() if thread.name == "bursar-sync")
while not reads_answer(background.ident or 0):
    pass
child = os.fork()
if child == 0:
    call()
    sys.stdout.write("alive\n")
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
os._exit(0)
