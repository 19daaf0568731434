"""A call that begins before an agent's rules are heard of, and leaves after another has fetched them; its route."""

from __future__ import annotations

import sys
from typing import Any

import anthropic
from anthropic import Middleware

from bursar.instrumentation import flush, instrument
from bursar.instrumentation.testing import recorded


def digest(client: anthropic.Anthropic) -> None:
    """One call, found by this function's name."""
    client.messages.create(model="claude-haiku-5-5", max_tokens=16, messages=[{"role": "user", "content": "Hello"}])


class Another(Middleware):
    """Makes a call of its own while the first is on its way."""

    def handle(self, request: Any, call_next: Any) -> Any:
        anthropic.Anthropic().messages.create(
            model="claude-haiku-5-5", max_tokens=16, messages=[{"role": "user", "content": "Before you"}]
        )
        return call_next(request)


instrument()
with recorded() as seen:
    digest(anthropic.Anthropic(middleware=[Another()]))
sys.stdout.write(seen.charges[-1].route)
flush()
