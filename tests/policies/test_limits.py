"""Limits: `max_tokens` found again from the bounds that the guard journals."""

from __future__ import annotations

from datetime import date

import pytest

from bursar.policies.estimate import bound
from bursar.policies.limits import limits_that_fit
from bursar.policies.prices import rates, shipped_book
from bursar.policies.requestsize import measure
from bursar.policies.usage import Usage

DAY = date(2026, 11, 22)
MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


@pytest.mark.parametrize("model", ["claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-opus-4-6"])
@pytest.mark.parametrize("limit", [1, 100, 4_096, 64_000])
@pytest.mark.parametrize(
    ("block", "usage"),
    [
        ({}, Usage(input=900)),
        (MARK, Usage(cache_write_5m=900)),
        (MARK, Usage(cache_read=900)),
        (HOUR, Usage(cache_write_1h=900)),
        (HOUR, Usage(cache_read=800, cache_write_5m=100)),
    ],
    ids=["plain", "written", "read", "written for an hour", "read, and a tail written"],
)
def test_the_limit_is_among_those_that_fit(model: str, limit: int, block: dict[str, object], usage: Usage) -> None:
    """Whatever a token of the prompt was bounded at; a plain prompt, and one written for an hour, leave no other."""
    body = {
        "max_tokens": limit,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "word " * 997, **block}]}],
    }
    size = measure(body)
    found = rates(model, DAY, shipped_book())
    assert found is not None
    fitting = list(limits_that_fit(bound(size, found), size.input_bound + limit, found, usage))
    assert limit in fitting
    assert len(fitting) == 1 or usage.cache_read or usage.cache_write_5m


def test_what_does_not_fit_is_not_guessed() -> None:
    """A bound with a fee in it, an answer longer than the limit, a prompt longer than its bound."""
    found = rates("claude-sonnet-5-5", DAY, shipped_book())
    assert found is not None
    held = (1_000 * found.input + 100 * found.output) // 1_000
    assert list(limits_that_fit(held, 1_100, found, Usage(input=500, output=100))) == [100]
    assert list(limits_that_fit(held + 10_000_000, 1_100, found, Usage(input=500, output=100))) == []
    assert list(limits_that_fit(held, 1_100, found, Usage(input=500, output=101))) == []
    assert list(limits_that_fit(held, 1_100, found, Usage(input=1_001, output=100))) == []
