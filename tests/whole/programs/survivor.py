"""
A process that calls, forks, and waits to be killed, while its child lives on: `survivor.py [opening]`.

With `opening` the fork happens while another thread is about to lock the journal. Prints the two process ids; the child
ends when nobody reads what it would print.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
import threading
from typing import Any

import anthropic

from bursar.instrumentation import instrument

instrument()
lock = fcntl.flock
opening, go = threading.Event(), threading.Event()


def late(file: Any, how: int) -> None:
    """Take the lock when told to."""
    opening.set()
    go.wait()
    lock(file, how)


def call() -> None:
    """One call."""
    anthropic.Anthropic().messages.create(
        model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Go on."}]
    )


fcntl.flock = late
calling = threading.Thread(target=call)
calling.start()
opening.wait()
if "opening" not in sys.argv:
    go.set()
    calling.join()
child = os.fork()
if child == 0:
    unread = select.poll()
    unread.register(sys.stdout, 0)
    unread.poll()
    os._exit(0)
gone = os.fork()
if gone == 0:
    os._exit(0)
os.waitpid(gone, 0)
go.set()
calling.join()
sys.stdout.write(f"{os.getpid()} {child}\n")
sys.stdout.flush()
threading.Event().wait()
