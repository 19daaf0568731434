"""Which key was pressed, within a while?"""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager

Pressed = Callable[[float], str]
"""Waits up to so many seconds for a key: what it wrote; empty: none was pressed."""
_END_OF_INPUT = "q"


@contextmanager
def keys() -> Generator[Pressed]:
    """Keys of standard input without Return, where it is a terminal; its settings are put back in any case."""
    if not sys.stdin.isatty():
        yield _nobody
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([fd], [], [], seconds)
        return (os.read(fd, 64).decode(errors="replace") or _END_OF_INPUT) if ready else ""

    try:
        tty.setcbreak(fd)
        yield pressed
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _nobody(seconds: float) -> str:
    time.sleep(seconds)
    return ""
