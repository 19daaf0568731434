"""Claims about a span's charge: what it costs, how sure that is, and whom it belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bursar.agent.spans.seenspan import AttributeValue, SeenSpan
from bursar.agent.spans.spancharge import charge_of
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Mode, Policy
from bursar.policies.prices import shipped_book
from bursar.policies.route import Find, Route
from bursar.policies.usage import Usage

BOOK = shipped_book()
NOON = 1_795_262_400 * 10**9
"""2026-11-21T12:00:00Z."""
SECOND = 10**9
IN, OUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
SDK = {
    "gen_ai.request.model": "claude-sonnet-5-5",
    "gen_ai.response.model": "claude-sonnet-5-5",
    "gen_ai.response.id": "msg_1",
    "anthropic.request.id": "req_1",
    "anthropic.response.service_tier": "standard",
    IN: 2600,
    "gen_ai.usage.cache_read.input_tokens": 2000,
    "gen_ai.usage.cache_write.input_tokens": 500,
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 300,
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 200,
    OUT: 42,
}
SDK_NANO = 2_370_000
"""100 x 2 + 2000 x 0.10 + 300 x 2.50 + 200 x 4 + 42 x 10 dollars a million."""
STAMP = {
    "bursar.attempt.id": "a1",
    "bursar.attempts": 1,
    "bursar.cost.nano_usd": SDK_NANO,
    "bursar.cost.basis": "usage",
    "bursar.route": "support.triage",
}
UNSEEN = ("speed", "inference_geo", "server_tool_use", "advisor and fallback iterations")


def span(attributes: dict[str, Any], *, start_ns: int = NOON, resource: dict[str, str] | None = None) -> SeenSpan:
    values: dict[str, AttributeValue] = {name: value for name, value in attributes.items() if value is not None}
    return SeenSpan(
        name="anthropic.messages.create",
        scope="com.anthropic.sdk.python",
        trace_id="0a" * 16,
        span_id="0b" * 8,
        parent=None,
        kind="CLIENT",
        start_ns=start_ns,
        end_ns=start_ns + 1,
        attributes=values,
        resource=dict(resource or {}),
    )


def charge(attributes: dict[str, Any], **rest: Any) -> Charge:
    found = charge_of(span(attributes), BOOK, **rest)
    assert found is not None
    return found


def test_an_sdk_span_is_priced_from_its_tokens() -> None:
    """Basis `span`, every class at its price, lines that add up, and the names of what it could not see."""
    found = charge(SDK)
    assert (found.cost_nano_usd, found.basis, found.missing) == (SDK_NANO, Basis.SPAN, UNSEEN)
    assert found.usage == Usage(100, 2000, 300, 200, 42)
    assert {line.label: line.nano_usd for line in found.lines} == {
        "input": 200_000,
        "cache_read": 200_000,
        "cache_write_5m": 750_000,
        "cache_write_1h": 800_000,
        "output": 420_000,
    }
    assert (found.attempt_id, found.request_id, found.response_id) == (f"span-{'0a' * 16}-{'0b' * 8}", "req_1", "msg_1")
    assert (found.at_ns, found.price_id, found.model) == (NOON, "claude-sonnet-5-5@2026-10-07", "claude-sonnet-5-5")


def test_the_day_of_the_call_decides_the_price() -> None:
    """Before 2026-10-07 a cached token of Sonnet 5.5 cost twice as much: 200,000 nano-dollars more here."""
    september = span(SDK, start_ns=1_790_000_000 * 10**9)
    found = charge_of(september, BOOK)
    assert found is not None
    assert found.cost_nano_usd == SDK_NANO + 200_000


@pytest.mark.parametrize(
    ("changes", "nano", "basis"),
    [
        ({"anthropic.response.service_tier": "batch"}, SDK_NANO // 2, Basis.SPAN),
        ({"gen_ai.request.model": "eu.anthropic.claude-sonnet-5-5"}, SDK_NANO * 11 // 10, Basis.SPAN),
        ({"server.address": "us-east5-aiplatform.googleapis.com"}, SDK_NANO * 11 // 10, Basis.SPAN),
        ({OUT: None}, SDK_NANO - 420_000, Basis.ESTIMATE),
        ({IN: None}, SDK_NANO - 200_000, Basis.ESTIMATE),
        ({"gen_ai.response.model": "claude-unheard-of"}, None, Basis.UNKNOWN),
        ({"gen_ai.response.model": "claude-unheard-of", OUT: None}, None, Basis.UNKNOWN),
        ({"anthropic.usage.compaction.output_tokens": 8}, SDK_NANO + 80_000, Basis.SPAN),
        ({"bursar.usage.web_search_requests": 1}, SDK_NANO + 10_000_000, Basis.SPAN),
    ],
)
def test_what_moves_the_cost(changes: dict[str, Any], nano: int | None, basis: Basis) -> None:
    """Tier, region, compaction and searches are priced; a missing end makes a lower bound, a missing price unknown."""
    found = charge({**SDK, **changes})
    assert (found.cost_nano_usd, found.basis) == (nano, basis)


def test_an_unpriced_model_says_so() -> None:
    """The reason for an unknown cost stands first in `missing`."""
    assert "claude-unheard-of" in charge({**SDK, "gen_ai.response.model": "claude-unheard-of"}).missing[0]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.request.model": "claude-sonnet-5-5", "error.type": "overloaded_error"},
        {"gen_ai.request.model": "claude-sonnet-5-5", "gen_ai.request.stream": True},
        {"bursar.attempt.id": "a1", "gen_ai.request.model": "claude-sonnet-5-5"},
    ],
)
def test_a_span_without_usage_is_no_charge(attributes: dict[str, Any]) -> None:
    """An error, a stream that nobody read, and a stamp without figures cost nothing that the span could tell."""
    assert charge_of(span(attributes), BOOK) is None


def test_a_resent_call_names_its_earlier_attempts() -> None:
    """The SDK's span sees the last answer alone; an attempt that timed out before may have been billed too."""
    assert "earlier attempts of the call" in charge({**SDK, "http.request.resend_count": 1}).missing
    assert "earlier attempts of the call" not in charge({**SDK, "http.request.resend_count": 0}).missing


def test_a_stamped_span_is_taken_at_its_word() -> None:
    """Under the journal's attempt id; a cost that the tokens explain comes with its lines."""
    found = charge({**SDK, **STAMP})
    assert (found.attempt_id, found.cost_nano_usd, found.basis) == ("a1", SDK_NANO, Basis.SPAN)
    assert (found.missing, sum(line.nano_usd for line in found.lines)) == ((), SDK_NANO)


def test_a_stamped_cost_that_the_tokens_do_not_explain_has_no_lines() -> None:
    """Fast mode, say, is in the stamped cost and not on the span: no line is invented."""
    found = charge({**SDK, **STAMP, "bursar.cost.nano_usd": 2 * SDK_NANO, "bursar.cost.missing": ("a", "b")})
    assert (found.cost_nano_usd, found.lines, found.price_id, found.missing) == (2 * SDK_NANO, (), None, ("a", "b"))


def test_a_stamped_cost_stands_without_tokens() -> None:
    """A body that the SDK did not parse leaves its span without counts; Bursar's cost is there."""
    found = charge({**STAMP, "gen_ai.request.model": "claude-sonnet-5-5"})
    assert (found.cost_nano_usd, found.usage, found.missing) == (SDK_NANO, Usage(), ("token counts",))


@pytest.mark.parametrize(
    ("stamp", "basis"),
    [("usage", Basis.SPAN), ("span", Basis.SPAN), ("estimate", Basis.ESTIMATE), (None, Basis.SPAN), ("?", Basis.SPAN)],
)
def test_a_stamp_is_never_more_exact_than_the_journal(stamp: str | None, basis: Basis) -> None:
    """Exact figures become `span`, which a journal's `usage` corrects; an estimate stays one."""
    assert charge({**SDK, **STAMP, "bursar.cost.basis": stamp}).basis is basis


@pytest.mark.parametrize("cost", [-1, 2**63, "1", 1.0, None])
def test_a_stamp_that_is_no_amount_is_priced_from_the_tokens(cost: object) -> None:
    """Only a whole number of nano-dollars that the ledger can hold is a cost."""
    found = charge({**SDK, **STAMP, "bursar.cost.nano_usd": cost, "bursar.cost.basis": "unknown"})
    assert (found.attempt_id, found.cost_nano_usd, found.basis) == ("a1", SDK_NANO, Basis.SPAN)
    assert found.missing == UNSEEN


def test_a_stamp_of_zero_is_an_amount() -> None:
    """A refusal before any output is not billed, whatever tokens its usage shows."""
    assert charge({**SDK, **STAMP, "bursar.cost.nano_usd": 0}).cost_nano_usd == 0


MORE = {**SDK, **STAMP, "bursar.attempts": 3, "bursar.cost.nano_usd": 9_000_000}
CUT = {**MORE, OUT: None, "bursar.cost.basis": "estimate"}
SUM_MISSING = ("token counts of earlier attempts of the call",)


@pytest.mark.parametrize(
    ("attributes", "known", "nano", "basis", "missing"),
    [
        (MORE, False, 9_000_000, Basis.SPAN, SUM_MISSING),
        ({**MORE, "bursar.cost.basis": "estimate"}, False, 9_000_000, Basis.ESTIMATE, SUM_MISSING),
        ({**MORE, OUT: None}, False, 9_000_000, Basis.SPAN, SUM_MISSING),
        (MORE, True, SDK_NANO, Basis.SPAN, (*UNSEEN, "earlier attempts of the call")),
        (
            CUT,
            False,
            SDK_NANO - 420_000,
            Basis.ESTIMATE,
            (*UNSEEN, "output tokens: the stream was not read to its end", "earlier attempts of the call"),
        ),
    ],
)
def test_the_sum_of_several_attempts_is_not_one_more_charge(
    attributes: dict[str, Any], known: bool, nano: int, basis: Basis, missing: tuple[str, ...]
) -> None:
    """It stands under the last attempt only where the journal can replace it; else that attempt's own tokens do."""
    found = charge(attributes, known=known)
    assert (found.cost_nano_usd, found.basis, found.missing, found.attempt_id) == (nano, basis, missing, "a1")


def test_a_known_sum_without_tokens_is_left_to_the_journal() -> None:
    """There is nothing to price, and the sum is the journal's."""
    tokens = dict.fromkeys((name for name in SDK if ".usage." in name), None)
    assert charge_of(span({**MORE, **tokens}), BOOK, known=True) is None


def test_one_known_attempt_keeps_its_stamp() -> None:
    """With one attempt the sum is that attempt's cost, whoever else knows of it."""
    assert charge({**SDK, **STAMP, "bursar.cost.nano_usd": 7}, known=True).cost_nano_usd == 7


POLICY = Policy(
    version=1,
    mode=Mode.ENFORCE,
    routes=(Route("named", Find(code="desk.triage:*")), Route("by-service", Find(service="desk-*"))),
)
CODE = {"code.namespace": "desk.triage", "code.function.name": "run"}


@pytest.mark.parametrize(
    ("attributes", "service", "policy", "route"),
    [
        ({**CODE, "bursar.route": "support"}, "desk-1", POLICY, "support"),
        ({**CODE, "bursar.route": ""}, "desk-1", POLICY, "named"),
        (CODE, "desk-1", POLICY, "named"),
        ({}, "desk-1", POLICY, "by-service"),
        (CODE, "desk-1", None, "desk.triage:run"),
        ({"code.function.name": "desk.triage.run"}, "desk-1", None, "desk.triage.run"),
        ({"code.namespace": "desk.triage", "code.function": "run"}, "desk-1", None, "desk.triage:run"),
        ({"code.namespace": "desk.triage"}, "desk-1", None, "desk.triage"),
        ({}, "desk-1", None, "desk-1"),
        ({}, "unknown_service:python", None, "anthropic.messages.create"),
        ({}, "", POLICY, "anthropic.messages.create"),
    ],
)
def test_every_charge_has_a_route(attributes: dict[str, Any], service: str, policy: Policy | None, route: str) -> None:
    """The stamped one, the policy's find, the function, the service, the span: the first that is known."""
    found = charge_of(span({**SDK, **attributes}, resource={"service.name": service}), BOOK, policy=policy)
    assert found is not None
    assert found.route == route


@pytest.mark.parametrize(
    ("resource", "attributes", "labels"),
    [
        ({}, {}, {}),
        ({"service.name": "unknown_service"}, {}, {}),
        (
            {"service.name": "desk", "deployment.environment.name": "prod", "deployment.environment": "old"},
            {},
            {"service": "desk", "env": "prod"},
        ),
        ({"deployment.environment": "prod"}, {}, {"env": "prod"}),
        (
            {"service.name": "desk", "deployment.environment": "prod"},
            {"bursar.label.tenant": "acme", "bursar.label.env": "test", "bursar.label.shard": 3},
            {"service": "desk", "tenant": "acme", "env": "test", "shard": "3"},
        ),
    ],
)
def test_labels_come_from_the_process_and_the_span(
    resource: dict[str, str], attributes: dict[str, Any], labels: dict[str, str]
) -> None:
    """`service` and `env` are the resource's; what the span is labelled with wins."""
    found = charge_of(span({**SDK, **attributes}, resource=resource), BOOK)
    assert found is not None
    assert found.labels == labels


def test_what_was_decided_is_kept() -> None:
    """The stamped action and its reason reach the charge; a span without them went as it was."""
    found = charge({**SDK, **STAMP, "bursar.action": "downgrade", "bursar.reason": "step"})
    assert (found.action, found.reason) == ("downgrade", "step")
    assert (charge(SDK).action, charge(SDK).reason) == ("go", "")


@pytest.mark.parametrize(
    ("attributes", "times"),
    [
        (SDK, (2 * SECOND, SECOND // 4)),
        ({**SDK, **STAMP}, (2 * SECOND, SECOND // 4)),
        ({**SDK, **STAMP, "bursar.attempts": 2}, (None, None)),
        ({**SDK, "http.request.resend_count": 1}, (None, None)),
        ({**SDK, **STAMP, "bursar.deferral.id": "d1"}, (None, None)),
    ],
)
def test_a_call_that_was_tried_once_has_the_times_of_its_span(
    attributes: dict[str, Any], times: tuple[int | None, int | None]
) -> None:
    """That of one which was tried again has all tries in it and the pauses between; of one put off, the wait."""
    lasting = replace(span({**attributes, "gen_ai.response.time_to_first_chunk": 0.25}), end_ns=NOON + 2 * SECOND)
    found = charge_of(lasting, BOOK)
    assert found is not None
    assert (found.duration_ns, found.first_token_ns) == times
