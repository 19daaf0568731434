"""
Claims about dialects: what each library's span of one call becomes, in the names that it was seen to write.

The call is the same in all: 100 tokens uncached, 2,000 read, 300 and 200 written for 5 minutes and an hour, 42 out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import booking, reports
from bursar.agent.spans.intake import book_spans, heard
from bursar.agent.spans.seenspan import AttributeValue, SeenSpan
from bursar.agent.spans.spancharge import charge_of
from bursar.policies.charge import Basis, Charge
from bursar.policies.prices import shipped_book
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

BOOK = shipped_book()
NOON = 1_795_262_400 * 10**9
SECOND = 10**9
MODEL = "claude-sonnet-5-5"
CLASSES = Usage(input=100, cache_read=2000, cache_write_5m=300, cache_write_1h=200, output=42)
NO_SPLIT = Usage(input=100, cache_read=2000, cache_write_5m=500, output=42)
LIFETIME = "lifetime of cache writes: priced as 5 minutes"
RAW = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 42,
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
    "service_tier": "standard",
}
CONVENTIONS: dict[str, AttributeValue] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": MODEL,
    "gen_ai.response.model": MODEL,
    "gen_ai.response.id": "msg_1",
    "gen_ai.usage.input_tokens": 2600,
    "gen_ai.usage.output_tokens": 42,
    "gen_ai.usage.cache_read.input_tokens": 2000,
}
SDK = {
    "gen_ai.usage.cache_write.input_tokens": 500,
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 300,
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200,
    "anthropic.request.id": "req_1",
    "anthropic.response.service_tier": "standard",
}
OPENINFERENCE: dict[str, AttributeValue] = {
    "openinference.span.kind": "LLM",
    "llm.provider": "anthropic",
    "llm.system": "anthropic",
    "llm.request.model_name": MODEL,
    "llm.model_name": MODEL,
    "llm.response.model_name": MODEL,
    "llm.token_count.prompt": 2600,
    "llm.token_count.completion": 42,
    "llm.token_count.prompt_details.cache_read": 2000,
    "llm.token_count.prompt_details.cache_write": 500,
}
OLD_TRACELOOP: dict[str, AttributeValue] = {
    "gen_ai.system": "Anthropic",
    "llm.request.type": "chat",
    "gen_ai.request.model": MODEL,
    "gen_ai.response.model": MODEL,
    "gen_ai.usage.prompt_tokens": 2600,
    "gen_ai.usage.completion_tokens": 42,
    "gen_ai.usage.cache_read_input_tokens": 2000,
    "gen_ai.usage.cache_creation_input_tokens": 500,
}


def span(
    scope: str, name: str, attributes: dict[str, Any], *, span_id: str = "0b" * 8, parent: str | None = None
) -> SeenSpan:
    return SeenSpan(name, scope, "0a" * 16, span_id, parent, "CLIENT", NOON, NOON + 2 * SECOND, attributes)


def charge(scope: str, name: str, attributes: dict[str, Any]) -> Charge:
    found = charge_of(span(scope, name, attributes), BOOK)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("scope", "name", "attributes", "usage"),
    [
        ("com.anthropic.sdk.python", "anthropic.messages.create", {**CONVENTIONS, **SDK}, CLASSES),
        ("com.anthropic.sdk.typescript", "anthropic.messages.create", {**CONVENTIONS, **SDK}, CLASSES),
        ("com.anthropic.sdk.typescript.bedrock", "anthropic.messages.create", {**CONVENTIONS, **SDK}, CLASSES),
        (
            "opentelemetry.instrumentation.genai.anthropic",
            f"chat {MODEL}",
            {**CONVENTIONS, "gen_ai.usage.cache_write.input_tokens": 500},
            NO_SPLIT,
        ),
        (
            "opentelemetry.instrumentation.anthropic",
            "anthropic.chat",
            {**CONVENTIONS, "gen_ai.usage.cache_creation.input_tokens": 500},
            NO_SPLIT,
        ),
        ("opentelemetry.instrumentation.anthropic", "anthropic.chat", OLD_TRACELOOP, NO_SPLIT),
        ("openinference.instrumentation.anthropic", "messages.create", OPENINFERENCE, NO_SPLIT),
        ("openlit", f"chat {MODEL}", {**CONVENTIONS, "gen_ai.usage.input_tokens": 100}, Usage(100, 2000, output=42)),
    ],
)
def test_every_dialect_is_a_charge(scope: str, name: str, attributes: dict[str, Any], usage: Usage) -> None:
    """Of basis `span`, with the lifetime of cache writes where it is told, and named as missing where it is not."""
    found = charge(scope, name, attributes)
    assert (found.usage, found.basis, found.model, found.requested_model) == (usage, Basis.SPAN, MODEL, MODEL)
    assert (LIFETIME in found.missing) is (usage == NO_SPLIT)


def test_logfire_brings_the_whole_usage() -> None:
    """Searches and lifetimes are in the price; beside it stands what Logfire holds that it cost."""
    logfire = {**CONVENTIONS, "gen_ai.usage.raw": json.dumps(RAW), "operation.cost": 0.023855}
    found = charge("logfire.anthropic", "Message with x", logfire)
    assert found.usage == Usage(100, 2000, 300, 200, 42, 0, 2, 1)
    assert found.told_nano_usd == 23_855_000
    assert not {LIFETIME, "server_tool_use", "service_tier"} & set(found.missing)


@pytest.mark.parametrize("raw", ["{", "[]", '"x"', "{}", '{"input_tokens":1,"output_tokens":2,"iterations":5}'])
def test_a_usage_that_is_none_is_passed_over(raw: str) -> None:
    """The span's own counts stand then."""
    assert charge("logfire.anthropic", "Message", {**CONVENTIONS, "gen_ai.usage.raw": raw}).usage.cache_read == 2000


def test_traceloops_streams_are_one_token_off() -> None:
    """Nobody can tell whether a version of it still adds one, so it is not taken off, and said."""
    scope, stream = "opentelemetry.instrumentation.anthropic", {"gen_ai.is_streaming": True}
    said = "output tokens of streams: one too many, by this instrumentation"
    assert said in charge(scope, "anthropic.chat", {**CONVENTIONS, **stream}).missing
    assert said not in charge(scope, "anthropic.chat", CONVENTIONS).missing


@pytest.mark.parametrize(
    "attributes",
    [
        {**OPENINFERENCE, "openinference.span.kind": "CHAIN"},
        {**OPENINFERENCE, "llm.provider": "openai"},
        {**OPENINFERENCE, "llm.response.model_name": "gpt-9"},
        {name: value for name, value in OPENINFERENCE.items() if "token_count" not in name},
    ],
)
def test_other_spans_of_openinference_are_none(attributes: dict[str, Any]) -> None:
    """Chains, other providers, and errors, which tell no tokens."""
    assert charge_of(span("openinference.instrumentation.anthropic", "messages.create", attributes), BOOK) is None


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def charges(db: Database) -> int:
    found: int = reports.totals(db, 0, 2**62)["charges"]
    return found


OUTER = span("openinference.instrumentation.anthropic", "messages.create", OPENINFERENCE)
INNER = span(
    "com.anthropic.sdk.python", "anthropic.messages.create", {**CONVENTIONS, **SDK}, span_id="0c" * 8, parent="0b" * 8
)


def take(db: Database, spans: list[SeenSpan]) -> None:
    book_spans(db, heard(spans, policy=None, book=BOOK, now_ns=NOON), policy=None, book=BOOK, now_ns=NOON)


@pytest.mark.parametrize("exports", [[[INNER, OUTER]], [[OUTER, INNER]], [[INNER], [OUTER]]])
def test_a_layer_that_names_nothing_counts_nothing_around_one_that_does(
    db: Database, exports: list[list[SeenSpan]]
) -> None:
    """In one export in any order; and in a later one, since what encloses a call ends after it."""
    for spans in exports:
        take(db, spans)
    assert charges(db) == 1


def test_a_layer_around_what_bursar_saw_counts_nothing(db: Database) -> None:
    """The journal came first; its usage is the same, and it was sent while the span lasted."""
    seen = Charge(
        *("j1", 9_000, CLASSES, Basis.USAGE, MODEL, MODEL, "desk"),
        response_id="msg_1",
        request_id="req_1",
        at_ns=NOON + 5,
    )
    booking.book(db, [Settled(seen)], holder="h", policy=None, now_ns=NOON)
    take(db, [OUTER])
    assert charges(db) == 1


def test_calls_that_are_alike_are_not_one_where_nobody_names_them(db: Database) -> None:
    """Two at the same time, of a library that gives no names: each counts."""
    other = span(OUTER.scope, OUTER.name, OPENINFERENCE, span_id="0d" * 8)
    take(db, [OUTER])
    take(db, [other])
    assert charges(db) == 2
