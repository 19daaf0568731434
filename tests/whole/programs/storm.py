"""While four threads call, the main thread reads a stream and forks eight children, each of which calls once."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import anthropic

from bursar.instrumentation import flush, instrument

instrument()


def call(**more: Any) -> Any:
    """One call, with a client of its own."""
    client: Any = anthropic.Anthropic(max_retries=4)
    return client.messages.create(
        model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Go on."}], **more
    )


def keep_calling() -> None:
    """Calls without a pause until the last child has ended."""
    client = anthropic.Anthropic(max_retries=4)
    while not over.is_set():
        client.messages.create(
            model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Go on."}]
        )


call()  # a fork amid the first call's imports would hang the child, with Bursar or without
over = threading.Event()
threads = [threading.Thread(target=keep_calling) for _ in range(4)]
for thread in threads:
    thread.start()
stream: Any = call(stream=True)
events = iter(stream)
for _ in range(8):
    next(events)
    child = os.fork()
    if child == 0:
        del stream, events
        call()
        flush(20)
        os._exit(0)
    os.waitpid(child, 0)
for _ in events:
    pass
over.set()
for thread in threads:
    thread.join()
sys.stdout.write("over\n")
