"""How many tokens has a prompt, exactly? Asked of the API, for nothing, where the bytes alone would refuse a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
from anthropic.types import MessageTokensCount

from bursar.instrumentation.quiet import tell_once

SECONDS = 2.0
"""How long it may take; after that the bytes stand."""
PATH = "/v1/messages/count_tokens"

_COUNTED = (
    *("messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"),
    *("mcp_servers", "context_management"),
)
"""What of a request its count is asked with; `model` apart."""
_BETAS = "anthropic-beta"


class Counting:
    """
    The count of one request's input tokens, by the client that sends it and with its key. Never raises.

    Only of clients that speak with Anthropic themselves: some clouds do not count.
    """

    def __init__(self, client: Any, body: Mapping[str, Any], betas: str | None) -> None:
        self._client = client
        self._body = body
        self._betas = betas

    def now(self, model: str) -> int | None:
        """The input tokens on a model, or None where nobody says."""
        try:
            return _told(self._client.post(self._path, **self._how(model)))
        except Exception:  # noqa: BLE001 - whatever the API or a middleware of the application's raises: the bytes stand
            _tell_of_silence()
            return None

    async def later(self, model: str) -> int | None:
        """The same without blocking the event loop."""
        try:
            with anyio.fail_after(SECONDS):
                return _told(await self._client.post(self._path, **self._how(model)))
        except Exception:  # noqa: BLE001 - as above; a task that is cancelled is no `Exception`
            _tell_of_silence()
            return None

    @property
    def _path(self) -> str:
        return f"{PATH}?beta=true" if self._betas else PATH

    def _how(self, model: str) -> dict[str, Any]:
        parts = {name: self._body[name] for name in _COUNTED if self._body.get(name) is not None}
        options: dict[str, Any] = {"timeout": SECONDS, "max_retries": 0}
        if self._betas:
            options["headers"] = {_BETAS: self._betas}
        return {"cast_to": MessageTokensCount, "body": {**parts, "model": model}, "options": options}


def _told(answer: Any) -> int | None:
    tokens = getattr(answer, "input_tokens", None)
    return tokens if isinstance(tokens, int) and tokens > 0 else None


def _tell_of_silence() -> None:
    tell_once("count", "bursar could not have a prompt's tokens counted; its bytes bound it", exc_info=True)
