"""A cascade's span: above its calls, in their route, with what both cost; and what the calls' records say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anthropic
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.instrumentation.cascading import (
    CHEAP_NANO,
    HAIKU,
    OPUS,
    OVERLOADED,
    REQUEST,
    STRONG_NANO,
    Api,
    by_async,
    by_sync,
    says,
)
from tests.instrumentation.scene import async_client, client, error
from tests.instrumentation.test_cascade import refusing, sure

from bursar.instrumentation import BudgetExceeded, cascade, instrument, route, runtime, uninstrument
from bursar.instrumentation.testing import recorded
from bursar.policies.cascade import Stage
from bursar.policies.policyfile import parse_policy
from bursar.policies.records import Sent, Settled, from_line

Way = Callable[..., Any]
both = pytest.mark.parametrize("by", [by_sync, by_async], ids=["sync", "async"])
CERTAIN, UNSURE = says("certainly"), says("unsure")


def attributes_of(span: Any) -> dict[str, Any]:
    """Those of the cascade, without their prefix and its id."""
    found = {name.removeprefix("bursar.cascade."): value for name, value in span.attributes.items()}
    assert found.pop("id")
    return {name: value for name, value in found.items() if not name.startswith("bursar.")}


BETWEEN = {"cheap_model": HAIKU, "strong_model": OPUS}
ESCALATED = {**BETWEEN, "stages": 2, "escalated": True}
BOTH_NANO = CHEAP_NANO + STRONG_NANO
BOTH = {"cost.nano_usd": BOTH_NANO, "cost.usd": BOTH_NANO / 1e9, "cost.estimated": False}
CHEAP = {"cost.nano_usd": CHEAP_NANO, "cost.usd": CHEAP_NANO / 1e9, "cost.estimated": False}
STRONG = {"cost.nano_usd": STRONG_NANO, "cost.usd": STRONG_NANO / 1e9, "cost.estimated": False}
OUTCOMES: list[tuple[Any, dict[str, Any]]] = [
    (CERTAIN, {**BETWEEN, "stages": 1, "escalated": False, **CHEAP}),
    (UNSURE, {**ESCALATED, "reason": "not_accepted", **BOTH}),
    (says("unsure", stop_reason="max_tokens"), {**ESCALATED, "reason": "max_tokens", **BOTH}),
    (says("unsure", stop_reason="refusal"), {**ESCALATED, "reason": "refusal", **BOTH}),
    (OVERLOADED, {**ESCALATED, "reason": "failed", "failure": "overloaded_error", **STRONG}),
]


@both
@pytest.mark.parametrize(("cheap", "expected"), OUTCOMES)
def test_one_span_tells_how_it_went_and_what_it_cost(by: Way, cheap: Any, expected: dict[str, Any]) -> None:
    """Both calls are its children; its sum stands under names of its own, so that nobody counts it twice."""
    with recorded() as seen, route("support.triage", tenant="acme"):
        by(Api(cheap), accept=sure)
    *calls, parent = seen.spans
    assert (parent.name, parent.kind, parent.parent) == ("cascade support.triage", SpanKind.INTERNAL, None)
    assert parent.status.status_code is StatusCode.UNSET
    assert attributes_of(parent) == expected
    attributes = dict(parent.attributes or {})
    assert (attributes["bursar.route"], attributes["bursar.label.tenant"]) == ("support.triage", "acme")
    assert not any(name.startswith(("gen_ai.", "bursar.cost.")) for name in attributes)
    assert len(calls) == expected["stages"]
    for call, stage in zip(calls, ("cheap", "strong"), strict=False):
        assert call.parent is not None
        assert parent.context is not None
        assert call.parent.span_id == parent.context.span_id
        told = dict(call.attributes or {})
        assert (told["bursar.cascade.id"], told["bursar.cascade.stage"]) == (attributes["bursar.cascade.id"], stage)


@both
def test_each_charge_knows_its_place(by: Way) -> None:
    """One id for both; the cheap one names the model it may be escalated to, the strong one why it was."""
    with recorded() as seen:
        by(Api(UNSURE), accept=sure)
        by(Api(CERTAIN), accept=sure)
    stages = [charge.stage for charge in seen.charges]
    assert stages[0] is not None
    assert stages[2] is not None
    first, second = stages[0].cascade, stages[2].cascade
    assert first != second
    assert stages == [
        Stage(first, "cheap", OPUS),
        Stage(first, "strong", OPUS, "not_accepted"),
        Stage(second, "cheap", OPUS),
    ]


@both
def test_an_error_of_the_strong_call_is_the_span_s(by: Way) -> None:
    """In the words of the call's own span."""
    with recorded() as seen, pytest.raises(anthropic.RateLimitError):
        by(Api(UNSURE, error(429, "rate_limit_error")), accept=sure)
    parent = seen.spans[-1]
    assert (parent.status.status_code, dict(parent.attributes or {})["error.type"]) == (
        StatusCode.ERROR,
        "rate_limit_error",
    )
    assert attributes_of(parent) == {**ESCALATED, "reason": "not_accepted", **CHEAP, "error.type": "rate_limit_error"}


@both
def test_settling_for_the_cheap_answer_is_told(by: Way) -> None:
    """It was escalated, and refused; the call ended well."""
    with recorded() as seen:
        by(Api(UNSURE), refusing(OPUS), accept=sure, settle=True)
    parent = seen.spans[-1]
    assert parent.status.status_code is StatusCode.UNSET
    assert attributes_of(parent) == {**ESCALATED, "reason": "not_accepted", "settled_for_cheap": True, **CHEAP}


@both
def test_an_unknown_cost_is_no_sum(by: Way) -> None:
    """A model without a price: nothing is said rather than half of it."""
    with recorded() as seen:
        by(Api(says("unsure", model="mystery")), accept=sure)
    assert attributes_of(seen.spans[-1]) == {**ESCALATED, "reason": "not_accepted"}


def test_calls_of_the_test_are_part_of_the_cascade() -> None:
    """A judge costs money as well: its calls are children of the span, in the sum, and known as what they are."""
    with recorded() as seen:
        judge = client(Api(says("no")))

        def accept(m: Any) -> bool:
            verdict = judge.messages.create(model=HAIKU, **REQUEST)
            return bool(verdict.content[0].text == "yes")

        by_sync(Api(CERTAIN), accept=accept)
    assert [charge.stage.name for charge in seen.charges if charge.stage] == ["cheap", "accept", "strong"]
    told = attributes_of(seen.spans[-1])
    assert (told["stages"], told["cost.nano_usd"]) == (2, 2 * CHEAP_NANO + STRONG_NANO)
    parent: Any = seen.spans[-1]
    assert {span.parent.span_id for span in seen.spans[:-1] if span.parent} == {parent.context.span_id}


def test_what_comes_after_a_cascade_is_no_part_of_it() -> None:
    """Neither its span nor its id stays behind, also after an error."""
    with recorded() as seen:
        by_sync(Api(CERTAIN), accept=sure)
        with pytest.raises(anthropic.BadRequestError):
            by_sync(Api(error(400, "invalid_request_error")), accept=sure)
        client(Api(CERTAIN)).messages.create(model=HAIKU, **REQUEST)
    assert seen.charges[-1].stage is None
    assert seen.spans[-1].parent is None
    assert "bursar.cascade.id" not in (seen.spans[-1].attributes or {})


def test_a_hundred_cascades_at_once_are_kept_apart() -> None:
    """Each has its own id, sum and parent."""

    async def run() -> None:
        c = async_client(Api(UNSURE, says("sure")))
        tried = cascade(c.messages.create, cheap=HAIKU, strong=OPUS, accept=sure)
        await asyncio.gather(*(tried(**REQUEST) for _ in range(100)))

    with recorded() as seen:
        asyncio.run(run())
    places = [(charge.stage.cascade, charge.stage.name) for charge in seen.charges if charge.stage is not None]
    assert len(set(places)) == 200
    parents = [span for span in seen.spans if span.name.startswith("cascade ")]
    assert [attributes_of(span)["cost.nano_usd"] for span in parents] == [BOTH_NANO] * 100


def ask(by: Way) -> None:
    """The application's own function, which a route is named after."""
    by(Api(UNSURE), accept=sure)


@pytest.mark.parametrize("labels", [None, "team=desk"])
def test_the_route_is_that_of_the_caller(tmp_path: Path, labels: str | None) -> None:
    """Of the application's function, for the span and both calls alike, with the process's labels."""
    environ = {"BURSAR_STATE_DIR": str(tmp_path), **({"BURSAR_LABELS": labels} if labels else {})}
    instrument(environ=environ)
    try:
        with recorded() as seen:
            ask(by_sync)
    finally:
        uninstrument()
    assert {charge.route.partition(":")[2] for charge in seen.charges} == {"by_sync"}
    assert len({charge.stage.cascade for charge in seen.charges if charge.stage}) == 1
    assert [charge.labels for charge in seen.charges] == [{"team": "desk"} if labels else {}] * 2
    assert seen.spans[-1].name == f"cascade {seen.charges[0].route}"


def test_a_rule_finds_the_route_by_the_application_s_span() -> None:
    """And not by the cascade's, which stands between it and the calls."""
    text = 'version = 1\nmode = "enforce"\n[[route]]\nname = "triage"\nfind = { span = "POST /tickets" }\n'
    with recorded() as seen:
        active = runtime.current_runtime()
        assert active is not None
        active.rules = replace(active.rules, policy=parse_policy(text, file="p.toml"))
        with trace.get_tracer("app").start_as_current_span("POST /tickets"):
            by_sync(Api(UNSURE), accept=sure)
    assert [charge.route for charge in seen.charges] == ["triage", "triage"]
    assert [span.name for span in seen.spans][-2:] == ["cascade triage", "POST /tickets"]


def test_the_span_goes_where_the_client_s_go() -> None:
    """To the tracer provider that the client was given."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with recorded():
        c = client(Api(UNSURE), open_telemetry={"tracer_provider": provider})
        cascade(c.messages.create, cheap=HAIKU, strong=OPUS, accept=sure)(**REQUEST)
    assert [span.name.partition(" ")[0] for span in exporter.get_finished_spans()] == [
        "anthropic.messages.create",
        "anthropic.messages.create",
        "cascade",
    ]


def test_without_instrument_there_is_no_span() -> None:
    """It routes, and that is all."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    c = client(Api(UNSURE), open_telemetry={"tracer_provider": provider})
    assert cascade(c.messages.create, cheap=HAIKU, strong=OPUS, accept=sure)(**REQUEST).model == OPUS
    assert "cascade" not in {span.name.partition(" ")[0] for span in exporter.get_finished_spans()}


def test_a_fault_of_ours_is_kept_from_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """No id to be had: the calls go on without a place, and without a span above them."""
    with recorded() as seen:
        active = runtime.current_runtime()
        assert active is not None
        monkeypatch.setattr(active.ids, "cascade", lambda: 1 / 0)
        assert by_sync(Api(UNSURE), accept=sure).model == OPUS
    assert [charge.stage for charge in seen.charges] == [None, None]


def test_the_journal_tells_the_place_of_every_attempt(tmp_path: Path) -> None:
    """In the record before the request, in the one after, and in that of a refusal."""
    instrument(environ={"BURSAR_STATE_DIR": str(tmp_path)})
    try:
        by_sync(Api(UNSURE), accept=sure)
        lines = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).splitlines()
        records = [from_line(line) for line in lines if json.loads(line).get("kind") in ("sent", "settled")]
    finally:
        uninstrument()
    places = [
        (type(record).__name__, stage.name)
        for record in records
        if isinstance(record, Sent | Settled)
        and (stage := record.stage if isinstance(record, Sent) else record.charge.stage) is not None
    ]
    assert places == [("Sent", "cheap"), ("Settled", "cheap"), ("Sent", "strong"), ("Settled", "strong")]


def test_a_refused_strong_call_is_recorded_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the report can tell it from an accepted cheap answer."""
    instrument(environ={"BURSAR_STATE_DIR": str(tmp_path)})
    try:
        active = runtime.current_runtime()
        assert active is not None
        admit = active.guard.admit

        def refusing_opus(errand: Any) -> Any:
            if errand.body["model"] == OPUS:
                raise refusing_error()
            return admit(errand)

        monkeypatch.setattr(active.guard, "admit", refusing_opus)
        with pytest.raises(BudgetExceeded):
            by_sync(Api(UNSURE), accept=sure)
        lines = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).splitlines()
        decided = [found for line in lines if (found := json.loads(line)).get("kind") == "decided"]
    finally:
        uninstrument()
    assert [(found["stage"]["name"], found["stage"]["why"]) for found in decided] == [("strong", "not_accepted")]


def refusing_error() -> BudgetExceeded:
    try:
        refusing(OPUS)(client(Api(CERTAIN)))(model=OPUS)
    except BudgetExceeded as error:
        return error
    raise AssertionError
