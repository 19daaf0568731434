"""A middleware of the application forks in mid-call: parent and child both go on with it."""

from __future__ import annotations

import os
import sys
from typing import Any

import anthropic
from anthropic import Middleware

from bursar.instrumentation import instrument

instrument()


class Forks(Middleware):
    """Forks in the second call, before the request is sent."""

    calls = 0
    child: int | None = None

    def handle(self, request: Any, call_next: Any) -> Any:
        """What the SDK calls."""
        self.calls += 1
        if self.calls == 2:
            self.child = os.fork()
        return call_next(request)


forks = Forks()
for _ in range(2):
    # A connection of its own for each, since parent and child would talk on the same.
    client = anthropic.Anthropic(middleware=[forks], max_retries=0)
    client.messages.create(model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Go on."}])
if forks.child:
    os.waitpid(forks.child, 0)
sys.stdout.write("answered\n")
