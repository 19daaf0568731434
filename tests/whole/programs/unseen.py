"""
Forks without a word to Bursar, as servers written in C do: two children, one that calls and one that does not.

Their own fork would be unsafe with threads in any Python: here the rest of Python is told.
"""

from __future__ import annotations

import os
from typing import Any

import anthropic


def nobody(**_: Any) -> None:
    """In place of `os.register_at_fork`."""


register, os.register_at_fork = os.register_at_fork, nobody

from bursar.instrumentation import flush, instrument, uninstrument  # noqa: E402

os.register_at_fork = register


def call() -> None:
    """One call."""
    anthropic.Anthropic().messages.create(
        model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Go on."}]
    )


def child_that(*, calls: bool) -> None:
    """Fork, and wait for the child to end."""
    child = os.fork()
    if child == 0:
        if calls:
            call()
            flush(10)
        uninstrument()
        os._exit(0)
    os.waitpid(child, 0)


instrument()
call()
child_that(calls=True)
child_that(calls=False)
call()
