"""Served: what answered, for as long as somebody is likely to ask."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anthropic
import httpx2
import pytest
from tests.instrumentation import guarding
from tests.instrumentation.guarding import LIMIT
from tests.instrumentation.pricing import BODY
from tests.instrumentation.scene import ASK, MODEL, async_client, client, message

from bursar.instrumentation import instrument, route, served, uninstrument
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.guard import Guard
from bursar.instrumentation.middleware import METER
from bursar.instrumentation.served import MEMORY, Served, Servings
from bursar.instrumentation.testing import recorded
from bursar.policies.cascade import Stage
from bursar.policies.changes import Change, Why
from bursar.policies.charge import Basis, Charge
from bursar.policies.usage import Usage


def charge(response_id: str | None, model: str = "claude-haiku-5-5") -> Charge:
    return Charge(
        "a",
        1,
        Usage(),
        Basis.USAGE,
        model,
        "claude-opus-5-5",
        "r",
        response_id=response_id,
        action="downgrade",
        reason="step",
    )


def test_a_response_is_known_by_its_id() -> None:
    """What was asked, what answered, and why."""
    servings = Servings()
    servings.keep(charge("msg_1"))
    found = servings.find({"id": "msg_1"})
    assert found == Served("claude-opus-5-5", "claude-haiku-5-5", "downgrade", "step", charge("msg_1"))
    assert servings.find({"id": "msg_2"}) is None


def test_the_last_word_on_a_response_stands() -> None:
    """A later charge replaces an earlier one."""
    servings = Servings()
    servings.keep(charge("msg_1", "first"))
    servings.keep(charge("msg_1", "second"))
    found = servings.find({"id": "msg_1"})
    assert found is not None
    assert found.model == "second"


def test_an_attempt_without_a_response_is_not_kept() -> None:
    """Nobody could ask for it."""
    servings = Servings()
    servings.keep(charge(None))
    assert servings.find({"id": ""}) is None
    assert servings.find({"id": None}) is None
    assert servings.find(None) is None


def test_the_oldest_responses_are_forgotten() -> None:
    """The last 1,024 are known."""
    assert MEMORY == 1_024
    servings = Servings()
    for number in range(MEMORY + 1):
        servings.keep(charge(f"msg_{number}"))
    assert servings.find({"id": "msg_0"}) is None
    assert servings.find({"id": "msg_1"}) is not None
    assert servings.find({"id": f"msg_{MEMORY}"}) is not None


ASKED = "claude-opus-5-5"
"""The mock API answers as another model, as a fallback or a budget's downgrade would."""
OPUS: dict[str, Any] = {**ASK, "model": ASKED}


def plainly(c: Any) -> Any:
    return c.messages.create(**OPUS)


def parsed(c: Any) -> Any:
    return c.messages.parse(**OPUS)


def by_beta(c: Any) -> Any:
    return c.beta.messages.create(**OPUS)


def raw(c: Any) -> Any:
    return c.messages.with_raw_response.create(**OPUS)


def raw_parsed(c: Any) -> Any:
    return raw(c).parse()


def streaming_response(c: Any) -> Any:
    with c.messages.with_streaming_response.create(**OPUS) as response:
        response.read()
        return response


def streaming_response_parsed(c: Any) -> Any:
    with c.messages.with_streaming_response.create(**OPUS) as response:
        return response.parse()


def final_message(c: Any) -> Any:
    with c.messages.stream(**OPUS) as stream:
        return stream.get_final_message()


def helper(c: Any) -> Any:
    with c.messages.stream(**OPUS) as stream:
        stream.until_done()
        return stream


def beta_helper(c: Any) -> Any:
    with c.beta.messages.stream(**OPUS) as stream:
        return stream.get_final_message()


def read_stream(c: Any) -> Any:
    stream = c.messages.create(**OPUS, stream=True)
    list(stream)
    return stream


def first_event(c: Any) -> Any:
    return next(
        event.message for event in list(c.messages.create(**OPUS, stream=True)) if event.type == "message_start"
    )


def broken_off(c: Any) -> Any:
    with c.messages.create(**OPUS, stream=True) as stream:
        return next(iter(stream)).message


def raw_stream(c: Any) -> Any:
    response = c.messages.with_raw_response.create(**OPUS, stream=True)
    list(response.parse())
    return response


def generic_post(c: Any) -> Any:
    return c.post("/v1/messages", body=OPUS, cast_to=anthropic.types.Message)


def as_json(c: Any) -> Any:
    return plainly(c).to_dict()


def tool_runner(c: Any) -> Any:
    return c.beta.messages.tool_runner(**OPUS, tools=[]).until_done()


WAYS = [
    *(plainly, parsed, by_beta, raw, raw_parsed, streaming_response, streaming_response_parsed, final_message, helper),
    *(beta_helper, read_stream, first_event, broken_off, raw_stream, generic_post, as_json, tool_runner),
]


def passing(request: Any, call_next: Any) -> Any:
    return call_next(request)


@pytest.mark.parametrize(
    "options",
    [{}, {"open_telemetry": False}, {"middleware": [passing]}, {"middleware": [METER]}],
    ids=["the SDK's span", "our span", "other middleware", "ours by hand"],
)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_was_asked_and_what_was_served_stand_everywhere(way: Any, options: dict[str, Any]) -> None:
    """On the response in whatever form the application has it, on the span, and in what goes to the ledger."""
    with recorded() as seen:
        told = served(way(client(**options)))
    assert told is not None
    assert (told.requested_model, told.model) == (ASKED, MODEL)
    (charge,) = seen.charges
    assert (charge.requested_model, charge.model) == (ASKED, MODEL)
    assert told.charge == charge
    # The SDK's tool runner has a span of its own above its calls'.
    (attributes,) = (found for span in seen.spans if "bursar.route" in (found := dict(span.attributes or {})))
    assert attributes["gen_ai.request.model"] == ASKED
    assert attributes["bursar.served_model"] == MODEL


async def helper_async(c: Any) -> Any:
    async with c.messages.stream(**OPUS) as stream:
        await stream.until_done()
        return stream


async def streaming_response_async(c: Any) -> Any:
    async with c.messages.with_streaming_response.create(**OPUS) as response:
        await response.read()
        return response


async def raw_async(c: Any) -> Any:
    return await c.messages.with_raw_response.create(**OPUS)


async def read_stream_async(c: Any) -> Any:
    stream = await c.messages.create(**OPUS, stream=True)
    async for _ in stream:
        pass
    return stream


@pytest.mark.parametrize(
    "way", [plainly, parsed, by_beta, helper_async, streaming_response_async, raw_async, read_stream_async]
)
def test_the_same_holds_for_async_calls(way: Any) -> None:
    """Whatever the application has in its hand."""

    async def run() -> Any:
        return await way(async_client())

    with recorded() as seen:
        told = served(asyncio.run(run()))
    assert told is not None
    assert (told.requested_model, told.model) == (ASKED, MODEL)
    assert [(charge.requested_model, charge.model) for charge in seen.charges] == [(ASKED, MODEL)]
    assert [dict(span.attributes or {})["bursar.served_model"] for span in seen.spans] == [MODEL]


def test_a_request_id_of_several_responses_names_none() -> None:
    """The results of a batch share theirs."""
    servings = Servings()
    servings.keep(replace(charge("msg_1"), request_id="req_1"))
    assert servings.find(SimpleNamespace(request_id="req_1")) is not None
    servings.keep(replace(charge("msg_2"), request_id="req_1"))
    assert servings.find(SimpleNamespace(request_id="req_1")) is None


def test_a_response_tells_its_stage_of_a_cascade() -> None:
    """Of no cascade, of the cheap part, of the strong one."""
    servings = Servings()
    for number, stage in enumerate((None, Stage("k", "cheap", "o"), Stage("k", "strong", "o", "refusal"))):
        servings.keep(replace(charge(f"msg_{number}"), stage=stage))
    found = [servings.find({"id": f"msg_{number}"}) for number in range(3)]
    assert [(one.stage, one.escalated) for one in found if one is not None] == [
        (None, False),
        ("cheap", False),
        ("strong", True),
    ]


def test_what_was_changed_of_a_request_is_told() -> None:
    """From what to what, why, and whether anything is lost by it."""
    servings = Servings()
    note = Change("speed", "fast", None, Why.UNSUPPORTED, lossy=True)
    servings.keep(charge("msg_1"), (note,))
    found = servings.find({"id": "msg_1"})
    assert found is not None
    assert found.changes == (note,)


def test_no_downgrade_goes_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80% a step moves the call: it stands on the span and in what the ledger gets, with what was asked and sent."""
    stage = guarding.Stage(guarding.budget(at='"80%" = "downgrade"\n"100%" = "block"'))
    stage.script = [stage.grants(spent=8 * LIMIT // 10)]
    shipped = Guard.admit

    def admit(self: Guard, errand: Errand) -> Admission:
        return shipped(stage.guard, errand)

    monkeypatch.setattr(Guard, "admit", admit)
    instrument(environ={"BURSAR_STATE_DIR": str(tmp_path)})
    try:
        with recorded() as seen, route("desk"):
            reply = client(lambda _: httpx2.Response(200, json=message(model="mid"))).messages.create(**BODY)
        told = served(reply)
        (journal,) = tmp_path.glob("journal/*.jsonl")
        sent = json.loads(journal.read_text().splitlines()[0])
    finally:
        uninstrument()
    assert told is not None
    assert (told.requested_model, told.model, told.action, told.reason) == ("big", "mid", "downgrade", "step")
    names = ("kind", "requested_model", "model", "action", "reason")
    assert [sent[name] for name in names] == ["sent", "big", "mid", "downgrade", "step"]
    attributes = dict(seen.spans[0].attributes or {})
    assert [attributes[f"bursar.{name}"] for name in ("action", "reason", "budget")] == ["downgrade", "step", "day"]
    assert (attributes["gen_ai.request.model"], attributes["bursar.served_model"]) == ("big", "mid")
