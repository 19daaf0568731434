"""Claims about Claude Code's telemetry: each request is a charge, once, whatever tells of it and in whatever order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.spans.claudecodedata import Recording, needs_data, recordings

from bursar.agent.ledger import attempts, booking, reports, rollups, schema
from bursar.agent.spans import claudecode, claudecodemetrics, intake, otlp, otlplogs, otlpmetrics
from bursar.agent.spans.claudecode import LIFETIME, UNTOLD
from bursar.agent.spans.seenevent import SeenEvent
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies.amounts import Limit
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Budget, Mode, Policy
from bursar.policies.prices import shipped_book
from bursar.policies.records import Settled
from bursar.policies.route import Find, Route
from bursar.policies.usage import Usage

BOOK = shipped_book()
NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
SCOPE = "com.anthropic.claude_code.events"
MODEL = "claude-sonnet-5-5"
PRICE = 1_000 * 2_000 + 42 * 10_000
"""1000 input tokens at 2 dollars a million, and 42 output tokens at 10."""


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def event(*, resource: dict[str, Any] | None = None, at_ns: int = NOON, **changes: Any) -> SeenEvent:
    """One request's event; names in `changes` are written with `__` for dots, None takes one away."""
    told: dict[str, Any] = {
        "event.name": "api_request",
        "session.id": "s1",
        "user.id": "hash",
        "event.sequence": 7,
        "model": MODEL,
        "input_tokens": 1000,
        "output_tokens": 42,
        "cache_read_tokens": 0,
        "cache_creation_tokens": 0,
        "cache_creation_5m_tokens": 0,
        "cache_creation_1h_tokens": 0,
        "cost_usd": 0.0024,
        "request_id": "req_1",
        "speed": "normal",
        "duration_ms": 2000,
    }
    told |= {name.replace("__", "."): value for name, value in changes.items()}
    present = {name: value for name, value in told.items() if value is not None}
    return SeenEvent("claude_code.api_request", SCOPE, at_ns, present, resource or {"service.name": "claude-code"})


def charge(policy: Policy | None = None, **changes: Any) -> Charge:
    told = claudecode.of_event(event(**changes), BOOK, policy=policy, now_ns=NOON)
    assert told is not None
    return told.charge


def span(**changes: Any) -> SeenSpan:
    """The span of the beta traces for the same request."""
    told = dict(event(**changes).attributes)
    for name in ("cache_creation_5m_tokens", "cache_creation_1h_tokens", "cost_usd", "event.sequence"):
        del told[name]
    scope = "com.anthropic.claude_code.tracing"
    return SeenSpan(
        "claude_code.llm_request", scope, "0a" * 16, "0b" * 8, None, "INTERNAL", NOON - 2 * 10**9, NOON, told
    )


def take(db: Database, told: Recording | SeenEvent | SeenSpan, policy: Policy | None = None) -> intake.Counted:
    """Book one thing that was sent, as the receiver has it booked."""
    rules: dict[str, Any] = {"policy": policy, "book": BOOK, "now_ns": NOON}
    match told:
        case SeenEvent():
            return intake.book_events(db, [told], **rules)
        case SeenSpan():
            return intake.book_spans(db, intake.heard([told], **rules), **rules)
        case Recording("/v1/logs", body, encoding):
            events = otlplogs.decode(body, encoding, wanted=claudecode.is_scope).events
            return intake.book_events(db, claudecode.requests(events), **rules)
        case Recording("/v1/metrics", body, encoding):
            points = otlpmetrics.decode(body, encoding, wanted=claudecodemetrics.is_metric).points
            return intake.book_points(db, points, **rules)
        case Recording(_, body, encoding):
            return intake.book_spans(db, intake.heard(otlp.decode(body, encoding).spans, **rules), **rules)


def total(db: Database) -> reports.Row:
    return reports.totals(db, 0, 2**62)


def test_an_event_is_a_charge_with_all_it_tells() -> None:
    """Priced by the book, dated by when it was sent, beside what Claude Code says itself; `missing` names the rest."""
    assert charge() == Charge(
        attempt_id="claude-code-req_1",
        cost_nano_usd=PRICE,
        usage=Usage(input=1000, output=42),
        basis=Basis.SPAN,
        model=MODEL,
        requested_model=MODEL,
        route="claude-code",
        labels={"service": "claude-code", "session": "s1", "user": "hash"},
        price_id=f"{MODEL}@2026-10-07",
        request_id="req_1",
        at_ns=NOON - 2 * 10**9,
        lines=charge().lines,
        missing=UNTOLD,
        told_nano_usd=2_400_000,
        duration_ns=2 * 10**9,
    )


@pytest.mark.parametrize(
    ("changes", "took", "first"),
    [
        ({"ttft_ms": 700}, 2 * 10**9, 700 * 10**6),
        ({"ttft_ms": "700", "duration_ms": "2000"}, 2 * 10**9, 700 * 10**6),
        ({"ttft_ms": 2001}, 2 * 10**9, None),
        ({"ttft_ms": 700, "duration_ms": None}, None, 700 * 10**6),
        ({"ttft_ms": -1, "duration_ms": 86_400_001}, None, None),
    ],
)
def test_its_times_are_those_of_the_answered_attempt(
    changes: dict[str, Any], took: int | None, first: int | None
) -> None:
    """What cannot be true is left out: longer than a day, and a first token after the last."""
    found = charge(**changes)
    assert (found.duration_ns, found.first_token_ns) == (took, first)


@pytest.mark.parametrize(
    ("attempt", "took"), [(None, 2 * 10**9), (1, 2 * 10**9), (2, None)], ids=["unsaid", "first", "second"]
)
def test_a_span_of_several_attempts_has_no_time_of_its_last(attempt: int | None, took: int | None) -> None:
    """Unless it has the event of that one, as recorded spans have: it lasts as long as all of them."""
    told = claudecode.of_span(span(attempt=attempt, ttft_ms=700), BOOK, policy=None, now_ns=NOON)
    assert told is not None
    assert (told.charge.duration_ns, told.charge.first_token_ns) == (took, 700 * 10**6)


@needs_data
def test_recorded_spans_and_events_agree_on_their_times() -> None:
    """
    To ten milliseconds; also of a request that was answered at its third attempt, a second and a half later.

    Why the answer ended only spans tell.
    """
    by_event, by_span = dict[str, Charge](), dict[str, Charge]()
    for _, body, encoding in recordings("logs"):
        for each in claudecode.requests(otlplogs.decode(body, encoding, wanted=claudecode.is_scope).events):
            told = claudecode.of_event(each, BOOK, policy=None, now_ns=NOON)
            by_event |= {} if told is None else {told.charge.attempt_id: told.charge}
    for _, body, encoding in recordings("traces"):
        for one in otlp.decode(body, encoding).spans:
            told = claudecode.of_span(one, BOOK, policy=None, now_ns=NOON)
            by_span |= {} if told is None else {told.charge.attempt_id: told.charge}
    both = [(by_event[name], by_span[name]) for name in by_event.keys() & by_span.keys()]
    assert len(both) >= 11
    assert all(
        one.first_token_ns == other.first_token_ns is not None
        and other.stop_reason in ("end_turn", "tool_use")
        and abs((one.duration_ns or 0) - (other.duration_ns or 0)) < 10 * 10**6
        for one, other in both
    )
    assert max(one.duration_ns or 0 for one, _ in both) < 100 * 10**6


@pytest.mark.parametrize(
    ("changes", "usage", "missing"),
    [
        ({"cache_read_tokens": 5}, Usage(input=1000, cache_read=5, output=42), False),
        (
            {"cache_creation_tokens": 10, "cache_creation_5m_tokens": 4, "cache_creation_1h_tokens": 6},
            Usage(input=1000, cache_write_5m=4, cache_write_1h=6, output=42),
            False,
        ),
        (
            {"cache_creation_tokens": 10, "cache_creation_5m_tokens": None, "cache_creation_1h_tokens": None},
            Usage(input=1000, cache_write_5m=10, output=42),
            True,
        ),
        ({"input_tokens": "1000", "output_tokens": 42.0}, Usage(input=1000, output=42), False),
    ],
)
def test_every_token_class_is_read(changes: dict[str, Any], usage: Usage, missing: bool) -> None:
    """Writes of 5 minutes and of an hour apart, where it tells them; counts as texts, as older versions write them."""
    assert charge(**changes).usage == usage
    assert (LIFETIME in charge(**changes).missing) is missing


@pytest.mark.parametrize(
    ("attributes", "resource", "label", "value"),
    [
        ({"user__email": "a@example.com", "user__account_uuid": "u"}, {}, "user", "a@example.com"),
        ({"user__account_uuid": "u"}, {}, "user", "u"),
        ({}, {"vcs.repository.name": "acme/desk"}, "repository", "acme/desk"),
        ({"repository": "here"}, {"vcs.repository.name": "there"}, "repository", "here"),
        ({"organization__id": "org"}, {}, "organization", "org"),
        ({"query_source": "sdk"}, {}, "query_source", "sdk"),
        ({"agent__name": "general-purpose"}, {}, "agent", "general-purpose"),
        ({}, {"team.id": "core"}, "team", "core"),
        ({}, {"bursar.label.tenant": "acme"}, "tenant", "acme"),
        ({}, {"bursar.label.user": "ann"}, "user", "ann"),
    ],
)
def test_labels_say_who_and_where(attributes: dict[str, Any], resource: dict[str, Any], label: str, value: str) -> None:
    """Of the event, else of its process; a label that somebody chose wins."""
    assert charge(resource=resource, **attributes).labels[label] == value


def test_the_policy_finds_its_route() -> None:
    """By the service's name, as for any span."""
    policy = Policy(version=1, mode=Mode.OBSERVE, routes=(Route("coding", find=Find(service="claude-*")),))
    assert charge(policy).route == "coding"


@pytest.mark.parametrize(
    ("changes", "attempt_id"),
    [
        ({}, "claude-code-req_1"),
        ({"request_id": None, "client_request_id": "c1"}, "claude-code-c1"),
        ({"request_id": None}, "claude-code-s1-7"),
    ],
)
def test_a_request_has_one_name(changes: dict[str, Any], attempt_id: str) -> None:
    """Its id at the API, its own, or else its place in the session."""
    assert charge(**changes).attempt_id == attempt_id


def test_a_request_without_any_id_has_a_name_of_what_it_says() -> None:
    """The same told again is the same; anything else is another."""
    nameless: dict[str, Any] = {"request_id": None, "session__id": None}
    assert charge(**nameless).attempt_id == charge(**nameless).attempt_id
    assert charge(**nameless).attempt_id != charge(**nameless, output_tokens=43).attempt_id


@pytest.mark.parametrize(
    ("changes", "nano"),
    [
        ({"cost_usd": 0.1}, 100_000_000),
        ({"cost_usd": "0.25"}, 250_000_000),
        ({"cost_usd": None, "cost_usd_micros": 3}, 3_000),
        ({"cost_usd": float("nan")}, None),
        ({"cost_usd": -1.0}, None),
        ({"cost_usd": True}, None),
        ({"cost_usd": None}, None),
    ],
)
def test_its_own_figure_is_kept_apart(changes: dict[str, Any], nano: int | None) -> None:
    """In whole nano-dollars, and never in the cost."""
    assert (charge(**changes).told_nano_usd, charge(**changes).cost_nano_usd) == (nano, PRICE)


def test_a_model_without_a_price_is_unknown() -> None:
    """And not what Claude Code itself holds it to cost."""
    unknown = charge(model="claude-nova-9")
    assert (unknown.cost_nano_usd, unknown.basis, unknown.told_nano_usd) == (None, Basis.UNKNOWN, 2_400_000)


def test_a_span_that_hides_the_lifetime_is_a_bound() -> None:
    """So that the event, which tells it, corrects it; a span that names no request is nothing that could be matched."""
    wrote = claudecode.of_span(span(cache_creation_tokens=10), BOOK, policy=None, now_ns=NOON)
    plain = claudecode.of_span(span(), BOOK, policy=None, now_ns=NOON)
    assert wrote is not None
    assert plain is not None
    assert (wrote.charge.basis, plain.charge.basis) == (Basis.ESTIMATE, Basis.SPAN)
    assert claudecode.of_span(span(request_id=None), BOOK, policy=None, now_ns=NOON) is None


@pytest.mark.parametrize("order", list(permutations(["event", "again", "span"])))
def test_one_request_counts_once_however_it_is_told(db: Database, order: tuple[str, ...]) -> None:
    """By its event, once more, and by a span, in any order: the event's hour of caching is what is billed."""
    wrote: dict[str, Any] = {"cache_creation_tokens": 10, "cache_creation_1h_tokens": 10}
    told: dict[str, SeenEvent | SeenSpan] = {"event": event(**wrote), "again": event(**wrote), "span": span(**wrote)}
    for name in order:
        take(db, told[name])
    found = total(db)
    assert (found["charges"], found["cache_write_1h"], found["estimated_nano_usd"]) == (1, 10, 0)
    assert found["nano_usd"] == PRICE + 10 * 4_000


@pytest.mark.parametrize("journal_first", [True, False])
def test_what_bursar_itself_saw_counts_once(db: Database, journal_first: bool) -> None:
    """A proxy that Bursar instruments sees the same request: its journal's figures stand, Claude Code's own beside."""
    seen = Charge(
        "j1",
        9_000_000,
        Usage(1),
        Basis.USAGE,
        MODEL,
        MODEL,
        "proxy",
        request_id="req_1",
        response_id="msg_1",
        at_ns=NOON,
    )

    def journal() -> None:
        booking.book(db, [Settled(seen)], holder="h", policy=None, now_ns=NOON)

    if journal_first:
        journal()
    take(db, event())
    if not journal_first:
        journal()
    found = total(db)
    assert (found["charges"], found["nano_usd"], found["told_nano_usd"]) == (1, 9_000_000, 2_400_000)


def test_two_requests_are_two(db: Database) -> None:
    """Of one session, alike in all but their ids."""
    take(db, event())
    take(db, event(request_id="req_2"))
    assert total(db)["nano_usd"] == 2 * PRICE


def test_figures_that_cannot_be_true_are_ignored(db: Database) -> None:
    """They would overflow the sums of those that are."""
    assert take(db, event(input_tokens=2**62)).ignored == 1
    assert total(db)["charges"] == 0


def test_a_budget_counts_it(db: Database) -> None:
    """Matched by the labels, at the policy of now."""
    policy = Policy(
        version=1, mode=Mode.OBSERVE, budgets=(Budget("each", Limit("usd", 10**9), "day", per=("session",)),)
    )
    assert take(db, event(), policy).balances == {"each|2026-11-21T00:00:00Z|session=s1"}


@pytest.mark.parametrize(
    "name", ["user_prompt", "assistant_response", "api_error", "tool_result", "api_request_body", "api_refusal"]
)
def test_other_events_are_let_go(name: str) -> None:
    """Errors cost nothing that is told, and prompts are nobody's business."""
    assert claudecode.requests([event(event__name=name)]) == ()


RECORDED = {
    "hello_pb": 22_387_800,
    "tool_read_json": 45_440_000,
    "tool_bash_sonnet_pb": 42_749_000,
    "haiku_json": 632_440,
    "retry529_pb": 22_387_800,
    "error400_json": 0,
    "budget_json": 22_810_600,
    "cumulative_pb": 45_384_200,
    "subagent_json": 83_154_200,
}
"""What the recorded sessions cost by the book, which is what Claude Code said itself, to the nano-dollar."""


@needs_data
@pytest.mark.parametrize("scenario", RECORDED)
@pytest.mark.parametrize("order", ["lmt", "tml", "mlt", "mtlm", "llmm", "mmll", "m"])
def test_recorded_sessions_count_once_in_any_order(db: Database, scenario: str, order: str) -> None:
    """Logs, metrics and traces, in any order and more than once; or metrics alone, which are estimates."""
    signals = {"l": "logs", "m": "metrics", "t": "traces"}
    for letter in order:
        for recording in recordings(signals[letter], scenario):
            take(db, recording)
    found = total(db)
    assert found["nano_usd"] == RECORDED[scenario]
    if order == "m" or scenario == "budget_json":
        assert found["estimated_nano_usd"] == RECORDED[scenario]
    elif "l" in order:
        assert (found["told_nano_usd"], found["estimated_nano_usd"]) == (RECORDED[scenario], 0)


@needs_data
def test_nothing_of_prompts_or_answers_is_kept(tmp_path: Path) -> None:
    """The recorded telemetry holds prompts, answers and commands; the ledger's file has no word of them."""
    path = tmp_path / "ledger.sqlite"
    with Database(path) as db:
        schema.upgrade(db)
        for signal in ("logs", "metrics", "traces"):
            for recording in recordings(signal):
                take(db, recording)
        db.conn.commit()
        assert total(db)["charges"] == 14
    told = b"".join(recording.body for recording in recordings("logs"))
    for content in (b"USE_TOOL Bash", b"echo hi", b"fake invalid_request_error"):
        assert content in told
        assert content not in path.read_bytes()


@needs_data
def test_a_recorded_session_is_reported_by_session_and_user(db: Database) -> None:
    """Four requests, one of them a subagent's."""
    for recording in recordings("logs", "subagent_json"):
        take(db, recording)
    rows = reports.by(db, ["label:session", "label:user", "label:agent"], 0, 2**62)
    user = "ee4eedacc65c26d8bd1f7a5c8179d98c3e3464dff8fd06d4447bc83cdcc53724"
    session = "5048687f-89ec-46bd-9749-9bfe4ac4c9c9"
    assert [
        (row["label:session"], row["label:user"], row["label:agent"], row["calls"], row["nano_usd"]) for row in rows
    ] == [(session, user, None, 3, 69_871_000), (session, user, "general-purpose", 1, 13_283_200)]


def test_sums_are_kept_when_attempts_are_rolled_up(db: Database) -> None:
    """What Claude Code says itself stays in reports after the attempts are gone."""
    take(db, event())
    take(db, replace(event(request_id="req_2"), at_ns=NOON + 1))
    rollups.roll_up(db, NOON + 10**10)
    assert attempts.load(db, "claude-code-req_1") is None
    assert (total(db)["charges"], total(db)["told_nano_usd"]) == (2, 4_800_000)
    take(db, event())
    assert total(db)["charges"] == 2
