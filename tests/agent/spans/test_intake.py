"""Claims about intake: a call that is told twice, on whichever ways and in whichever order, counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import anthropic
import httpx2
import pytest
from anyio.from_thread import start_blocking_portal
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from sqlite_utils import Database
from starlette.applications import Starlette
from tests.agent.ledger import fresh

from bursar.agent.ledger import attempts, booking
from bursar.agent.serving.listening import answering, listening
from bursar.agent.settings import Tcp
from bursar.agent.spans import receiver
from bursar.agent.spans.intake import Counted, book_spans, heard
from bursar.agent.spans.seenspan import AttributeValue, SeenSpan
from bursar.policies.amounts import Limit
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Budget, Mode, Policy
from bursar.policies.prices import price, shipped_book
from bursar.policies.records import Record, Released, Sent, Settled
from bursar.policies.usage import Usage, read_report

BOOK = shipped_book()
NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
TRACE = "0a" * 16
MODEL = "claude-sonnet-5-5"
POLICY = Policy(version=1, mode=Mode.OBSERVE, budgets=(Budget("all", Limit("usd", 10**9), "day"),))
BALANCE = "all|2026-11-21T00:00:00Z|"

SPAN_NANO = 2_420_000
"""1000 input tokens at 2 dollars a million, and 42 output tokens at 10."""
JOURNAL_NANO = 5_000_000


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def span(span_id: str = "0b" * 8, *, parent: str | None = None, start_ns: int = NOON, **changes: Any) -> SeenSpan:
    """A span of the SDK's; names in `changes` are written with `__` for dots."""
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.id": "msg_1",
        "anthropic.request.id": "req_1",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 42,
    }
    attributes |= {name.replace("__", "."): value for name, value in changes.items()}
    sound = {name: value for name, value in attributes.items() if value is not None}  # pyright: ignore[reportUnnecessaryComparison]
    scope, name = "com.anthropic.sdk.python", "anthropic.messages.create"
    return SeenSpan(name, scope, TRACE, span_id, parent, "CLIENT", start_ns, start_ns + 1, sound)


def stamped(nano: int = SPAN_NANO, *, tries: int = 1, basis: str = "usage", **changes: Any) -> SeenSpan:
    stamp: dict[str, Any] = {
        "bursar__attempt__id": "a2",
        "bursar__attempts": tries,
        "bursar__cost__nano_usd": nano,
        "bursar__cost__basis": basis,
    }
    return span(**{**stamp, **changes})


NAMELESS = span(gen_ai__response__id=None)
"""A span that names its request and no message."""


def sent(attempt_id: str = "a2", bound_nano: int = 90_000_000) -> Sent:
    return Sent(attempt_id, "call-1", NOON, "support", MODEL, MODEL, bound_nano=bound_nano)


def settled(
    attempt_id: str = "a2",
    nano: int = JOURNAL_NANO,
    basis: Basis = Basis.USAGE,
    response: str | None = "msg_1",
    request: str = "req_1",
) -> Settled:
    return Settled(
        Charge(
            attempt_id=attempt_id,
            cost_nano_usd=nano,
            usage=Usage(input=1000, output=42),
            basis=basis,
            model=MODEL,
            requested_model=MODEL,
            route="support",
            call_id="call-1",
            request_id=request,
            response_id=response,
            at_ns=NOON,
        )
    )


Told = SeenSpan | Record | str
"""A span, a record of the journal of one process, or the end of that process."""


def tell(db: Database, *told: Told) -> list[Counted]:
    """Book what is told, one after the other; what each span counted as."""
    counted: list[Counted] = []
    for one in told:
        if isinstance(one, SeenSpan):
            counted.append(take(db, one))
        elif isinstance(one, str):
            booking.orphan(db, one, policy=POLICY, now_ns=NOON)
        else:
            booking.book(db, [one], holder="process-1", policy=POLICY, now_ns=NOON)
    return counted


def take(db: Database, *spans: SeenSpan, policy: Policy | None = POLICY) -> Counted:
    told = heard(spans, policy=policy, book=BOOK, now_ns=NOON)
    return book_spans(db, told, policy=policy, book=BOOK, now_ns=NOON)


def counts(db: Database) -> dict[str, tuple[int | None, str]]:
    """What counts in the ledger: cost and basis by attempt."""
    rows = db.conn.execute(
        "SELECT attempt_id, cost_nano, basis FROM attempts WHERE duplicate_of IS NULL AND cost_nano > 0"
    )
    return {attempt_id: (nano, basis) for attempt_id, nano, basis in rows.fetchall()}


def spent(db: Database) -> int:
    row = db.conn.execute("SELECT spent_nano FROM balances WHERE key = ?", [BALANCE]).fetchone()
    nano: int = row[0] if row else 0
    return nano


FOREIGN = f"span-{TRACE}-{'0b' * 8}"
JOURNAL = {"a2": (JOURNAL_NANO, "usage")}
SPAN = {"a2": (SPAN_NANO, "span")}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((span(),), {FOREIGN: (SPAN_NANO, "span")}),
        ((span(), span()), {FOREIGN: (SPAN_NANO, "span")}),
        ((span("0c" * 8, gen_ai__usage__output_tokens=0), span()), {f"span-{TRACE}-{'0c' * 8}": (2_000_000, "span")}),
        ((sent(), settled(), stamped()), JOURNAL),
        ((sent(), settled(), span()), JOURNAL),
        ((sent(), settled(), NAMELESS), JOURNAL),
        ((sent(), settled(response=None), span()), JOURNAL),
        ((span("0c" * 8), sent(), settled(), NAMELESS), JOURNAL),
        (
            (settled("b1", response="msg_8"), settled("b2", response="msg_9"), NAMELESS),
            {"b1": (JOURNAL_NANO, "usage"), "b2": (JOURNAL_NANO, "usage"), FOREIGN: (SPAN_NANO, "span")},
        ),
        ((sent(), settled(response="msg_9"), span()), {**JOURNAL, FOREIGN: (SPAN_NANO, "span")}),
        ((span(), sent(), settled(response="msg_9")), {**JOURNAL, FOREIGN: (SPAN_NANO, "span")}),
        (
            (settled("b1", response="msg_8"), settled("b2", response="msg_9")),
            {"b1": (JOURNAL_NANO, "usage"), "b2": (JOURNAL_NANO, "usage")},
        ),
        (
            (sent("b1"), sent("b2"), NAMELESS, settled("b1", response="msg_8"), settled("b2", response="msg_9")),
            {"b1": (JOURNAL_NANO, "usage"), "b2": (JOURNAL_NANO, "usage")},
        ),
        ((span(), sent(), settled()), JOURNAL),
        ((stamped(), sent(), settled()), JOURNAL),
        ((stamped(7, basis="estimate"), sent(), settled(basis=Basis.ESTIMATE)), {"a2": (JOURNAL_NANO, "estimate")}),
        ((stamped(), sent(), settled(basis=Basis.ESTIMATE)), SPAN),
        ((sent(), stamped()), SPAN),
        ((sent(), "process-1", stamped()), SPAN),
        ((sent(), "process-1"), {"a2": (90_000_000, "estimate")}),
        ((sent(), settled(basis=Basis.ESTIMATE), stamped(7, basis="estimate")), {"a2": (JOURNAL_NANO, "estimate")}),
        ((sent(), settled(basis=Basis.ESTIMATE), stamped()), SPAN),
    ],
)
def test_each_call_counts_once(db: Database, told: Sequence[Told], expected: dict[str, tuple[int, str]]) -> None:
    """The merge table of docs/intake.md, row by row: what counts in the end, and what the balance has spent."""
    tell(db, *told)
    assert counts(db) == expected
    assert spent(db) == sum(nano for nano, _ in expected.values())


@pytest.mark.parametrize("message", ["span", "journal", "both", "neither"])
@pytest.mark.parametrize("basis", [Basis.USAGE, Basis.ESTIMATE])
def test_a_span_and_a_journal_of_one_request_count_once_in_any_order(message: str, basis: Basis) -> None:
    """Whichever of them names the message, and however often they are told: what stands is the journal's."""
    tokens: dict[str, Any] = {} if basis is Basis.USAGE else {"gen_ai__usage__output_tokens": None}
    other = span(gen_ai__response__id="msg_1" if message in ("span", "both") else None, **tokens)
    own = settled(basis=basis, response="msg_1" if message in ("journal", "both") else None)
    told: tuple[Told, ...] = (sent(), own, other)
    for order in permutations(told):
        for again in ((), order, tuple(reversed(order))):
            with fresh.ledger() as db:
                tell(db, *order, *again)
                assert counts(db) == {"a2": (JOURNAL_NANO, basis.value)}, order
                assert spent(db) == JOURNAL_NANO


MORE = stamped(9_000_000, tries=2)
CUT = stamped(9_000_000, tries=2, basis="estimate", gen_ai__usage__output_tokens=None)
EARLIER = settled("a1", 6_000_000, Basis.ESTIMATE, response=None, request="req_0")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((MORE,), {"a2": (9_000_000, "span")}),
        ((MORE, MORE), {"a2": (9_000_000, "span")}),
        (
            (MORE, sent("a1"), EARLIER, sent(), settled(nano=3_000_000)),
            {"a1": (6_000_000, "estimate"), "a2": (3_000_000, "usage")},
        ),
        (
            (sent("a1"), EARLIER, sent(), settled(nano=3_000_000), MORE),
            {"a1": (6_000_000, "estimate"), "a2": (3_000_000, "usage")},
        ),
        ((sent("a1"), EARLIER, sent(), MORE), {"a1": (6_000_000, "estimate"), "a2": (SPAN_NANO, "span")}),
        ((sent("a1"), Released("a1"), sent(), MORE), {"a2": (SPAN_NANO, "span")}),
        ((CUT,), {"a2": (2_000_000, "estimate")}),
        (
            (CUT, sent("a1"), EARLIER, sent(), settled(nano=3_000_000)),
            {"a1": (6_000_000, "estimate"), "a2": (3_000_000, "usage")},
        ),
    ],
)
def test_a_retried_call_counts_each_attempt_once(
    db: Database, told: Sequence[Told], expected: dict[str, tuple[int, str]]
) -> None:
    """The sum on a retried call's span stands for its attempts until their journal speaks, never beside it."""
    tell(db, *told)
    assert counts(db) == expected
    assert spent(db) == sum(nano for nano, _ in expected.values())


def test_spans_are_counted_by_what_became_of_them(db: Database) -> None:
    """New, known already, no call, and figures that cannot be true: four spans, four fates, one balance moved."""
    tool = replace(span("0d" * 8), name="anthropic.messages.count_tokens", attributes={})
    absurd = span("0e" * 8, gen_ai__response__id="msg_2", gen_ai__usage__input_tokens=2**62)
    assert take(db, span(), span(), tool, absurd) == Counted(1, 1, 2, frozenset({BALANCE}))
    assert counts(db) == {FOREIGN: (SPAN_NANO, "span")}
    assert take(db, span()) == Counted(0, 1, 0, frozenset())


@pytest.mark.parametrize("turned", [False, True])
def test_a_layer_around_a_call_counts_nothing(db: Database, turned: bool) -> None:
    """Two instrumentations on one call: the outer span, which names no message, is not one more call."""
    inner = span("0c" * 8, parent="0b" * 8)
    spans = (NAMELESS, inner) if turned else (inner, NAMELESS)
    assert take(db, *spans) == Counted(1, 1, 0, frozenset({BALANCE}))
    assert counts(db) == {f"span-{TRACE}-{'0c' * 8}": (SPAN_NANO, "span")}


def test_a_layer_around_a_call_of_a_journals_counts_nothing(db: Database) -> None:
    """Also where the call's own span, which Bursar stamped, tells of no tokens: its attempts are the journal's."""
    empty: dict[str, Any] = {
        "gen_ai__usage__input_tokens": None,
        "gen_ai__usage__output_tokens": None,
        "gen_ai__response__id": None,
    }
    inner = stamped(9_000_000, tries=2, span_id="0c" * 8, parent="0b" * 8, **empty)
    outer = span(gen_ai__response__id=None, anthropic__request__id=None, gen_ai__usage__output_tokens=40)
    tell(db, sent("a1"), EARLIER, sent(), settled(nano=3_000_000, basis=Basis.ESTIMATE, response=None))
    assert take(db, inner, outer) == Counted(0, 1, 1, frozenset())
    assert counts(db) == {"a1": (6_000_000, "estimate"), "a2": (3_000_000, "estimate")}


@pytest.mark.parametrize(
    "outer",
    [
        replace(NAMELESS, trace_id="0f" * 16),
        span(gen_ai__response__id="msg_2", anthropic__request__id="req_2"),
    ],
)
def test_only_a_nameless_span_of_the_same_trace_is_a_layer(db: Database, outer: SeenSpan) -> None:
    """A span of another trace, and one with a message of its own, are calls of their own."""
    take(db, span("0c" * 8, parent="0b" * 8, anthropic__request__id=None), outer)
    assert len(counts(db)) == 2


def test_a_stamped_span_goes_before_another_layers(db: Database) -> None:
    """Within one export Bursar's own figures are booked first, since of two spans for a call the first stays."""
    assert take(db, span("0c" * 8), stamped(7_000_000)) == Counted(1, 1, 0, frozenset({BALANCE}))
    assert counts(db) == {"a2": (7_000_000, "span")}


def test_a_span_without_a_start_is_of_now(db: Database) -> None:
    """Money needs a day: a span that has none is counted today."""
    take(db, span(start_ns=0))
    attempt = attempts.load(db, FOREIGN)
    assert attempt is not None
    assert attempt.at_ns == NOON


def test_the_policy_names_routes_and_balances(db: Database) -> None:
    """A span's charge counts in the balances that the policy matches, and nowhere without one."""
    counted = take(db, span(), policy=None)
    assert counted == Counted(1, 0, 0, frozenset())
    assert spent(db) == 0


USAGE = {
    "input_tokens": 100,
    "cache_read_input_tokens": 2000,
    "cache_creation_input_tokens": 500,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 200},
    "output_tokens": 42,
    "service_tier": "standard",
}
MESSAGE = {
    "id": "msg_real",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn",
    "usage": USAGE,
}


def answer(request: httpx2.Request) -> httpx2.Response:
    if request.url.path.endswith("count_tokens"):
        return httpx2.Response(200, json={"input_tokens": 5})
    if b"please fail" in request.content:
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
        return httpx2.Response(400, json=error)
    return httpx2.Response(200, headers={"request-id": "req_real"}, json=MESSAGE)


@pytest.fixture
def exported(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Callable[[anthropic.Anthropic], object]], list[SeenSpan]]]:
    """Runs something with the real SDK, its own tracing exported by OTLP to a real receiver; gives what arrived."""
    monkeypatch.setenv("NO_PROXY", "*")
    seen: list[SeenSpan] = []

    async def on_spans(spans: Sequence[SeenSpan]) -> None:
        seen.extend(spans)

    app = Starlette(routes=receiver.routes(on_spans))

    def run(work: Callable[[anthropic.Anthropic], object]) -> list[SeenSpan]:
        provider = TracerProvider(resource=Resource({"service.name": "desk"}))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{listener.url}{receiver.PATH}")))
        with httpx2.Client(transport=httpx2.MockTransport(answer)) as http_client:
            work(
                anthropic.Anthropic(api_key="k", http_client=http_client, open_telemetry={"tracer_provider": provider})
            )
        provider.shutdown()
        return seen

    with (
        listening(Tcp(port=0)) as listener,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(answering(app, listener)),
    ):
        yield run


def converse(client: anthropic.Anthropic) -> None:
    """One call that is billed, and three requests that are not or not here."""
    turn: Any = [{"role": "user", "content": "hello"}]
    client.messages.create(model=MODEL, max_tokens=10, messages=turn)
    client.messages.count_tokens(model=MODEL, messages=turn)
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(model=MODEL, max_tokens=10, messages=[{"role": "user", "content": "please fail"}])


def test_the_sdks_own_spans_are_priced_as_the_price_says(
    db: Database, exported: Callable[[Callable[[anthropic.Anthropic], object]], list[SeenSpan]]
) -> None:
    """From the SDK through OTLP into the ledger: to the nano-dollar what `price` says of the API's own usage."""
    spans = exported(converse)
    assert [one.name for one in spans] == [
        "anthropic.messages.create",
        "anthropic.messages.count_tokens",
        "anthropic.messages.create",
    ]
    report = read_report(USAGE, stop_reason="end_turn", has_content=True)
    assert take(db, *spans).charges == 1
    (attempt,) = attempts.with_request(db, "req_real")
    assert attempt.charge is not None
    quote = price(report, model=MODEL, at=datetime.fromtimestamp(attempt.at_ns // 10**9, UTC), book=BOOK)
    assert attempt.charge.cost_nano_usd == quote.cost_nano_usd == 2_370_000
    assert attempt.charge.usage == report.usage
    assert (attempt.route, attempt.labels, attempt.response_id) == ("desk", {"service": "desk"}, "msg_real")


@pytest.mark.parametrize("journal_first", [True, False])
def test_a_call_told_by_the_sdk_and_by_a_journal_counts_once(
    db: Database, exported: Callable[[Callable[[anthropic.Anthropic], object]], list[SeenSpan]], journal_first: bool
) -> None:
    """The span that the SDK sent and the journal of the same call meet by the message's id."""
    (real, *_) = exported(converse)
    journal = (sent(), settled(response="msg_real"))
    tell(db, *((*journal, real) if journal_first else (real, *journal)))
    assert counts(db) == JOURNAL
