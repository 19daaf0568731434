"""Unbatched: what no batch carries is refused by name, and everything else passes."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.policies.unbatched import Unbatched, unbatchable

ASK: dict[str, Any] = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}


PASSING: list[dict[str, Any]] = [
    {},
    {"store": False},
    {"stream": True},
    {"system": "S", "tools": [{"name": "t", "input_schema": {}}], "tool_choice": {"type": "any"}},
    {"thinking": {"type": "enabled", "budget_tokens": 1024}, "output_config": {"effort": "low"}},
    {"service_tier": "auto", "inference_geo": "us", "metadata": {"user_id": "u"}, "stop_sequences": ["x"]},
]


@pytest.mark.parametrize(
    ("extra", "why", "named"),
    [
        ({"max_tokens": 0}, Unbatched.PARAMETER, "max_tokens"),
        ({"speed": "fast"}, Unbatched.PARAMETER, "speed"),
        ({"cache_hint": {}}, Unbatched.PARAMETER, "cache_hint"),
        ({"context_hint": "x"}, Unbatched.PARAMETER, "context_hint"),
        ({"billing_policy": {"bill_to": "user_profile"}}, Unbatched.PARAMETER, "billing_policy"),
        ({"thread": {"id": "t"}}, Unbatched.THREAD, "thread"),
        ({"store": True}, Unbatched.THREAD, "store"),
        ({"previous_thread_event_id": "e"}, Unbatched.THREAD, "previous_thread_event_id"),
    ],
)
def test_what_no_batch_carries_is_named(extra: dict[str, Any], why: Unbatched, named: str) -> None:
    """The reason, and the parameter that is in the way."""
    assert unbatchable({**ASK, **extra}) == (why, named)


@pytest.mark.parametrize("extra", PASSING)
def test_everything_else_passes(extra: dict[str, Any]) -> None:
    """A stream is the route's choice, and not looked at here."""
    assert unbatchable({**ASK, **extra}) is None


def test_the_preview_that_no_batch_knows_is_named() -> None:
    """By its beta."""
    assert unbatchable(ASK, "research-preview-2026-02-01") == (Unbatched.PARAMETER, "research-preview-2026-02")
