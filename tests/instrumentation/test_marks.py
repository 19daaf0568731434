"""Requests of a route with `cache = "auto"` get the advised marks, told wherever a change is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.instrumentation.putting import POLICY as WAITING
from tests.instrumentation.putting import Agent, putting_off
from tests.instrumentation.scene import ASK, MODEL, answer, async_client, client, error, in_turn

from bursar.instrumentation import BudgetExceeded, instrument, route, served, uninstrument
from bursar.instrumentation.runtime import Runtime, current_runtime
from bursar.instrumentation.testing import recorded
from bursar.policies.cachemarks import Mark, Marking, to_text
from bursar.policies.protocol import Snapshot

POLICY = """
version = 1
mode = "enforce"
[[route]]
name = "chat"
cache = "auto"
"""
ASKED: Any = {**ASK, "system": "Be kind."}
SYSTEM = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
Sent = list[dict[str, Any]]


def put_in_force(held_out: float = 0.0, policy: str = POLICY, text: str | None = None) -> None:
    told = Marking("r1", "chat", MODEL, (Mark("system"),), held_out)
    runtime = current_runtime()
    assert runtime is not None
    runtime.hear(Snapshot("s", policy, markings=text or to_text([told])))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"BURSAR_STATE_DIR": str(tmp_path)}


@pytest.fixture
def runtime(environ: dict[str, str]) -> Iterator[Runtime]:
    instrument(environ=environ)
    made = current_runtime()
    assert made is not None
    yield made
    uninstrument()


def watching(sent: Sent) -> Any:
    def respond(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        return answer(request)

    return respond


def journalled(folder: Path) -> list[Any]:
    lines = [line for path in folder.rglob("*.jsonl*") for line in path.read_text().splitlines()]
    return [one.get("marking") for one in map(json.loads, lines) if one.get("kind") == "sent"]


def test_the_marks_are_sent_and_told(runtime: Runtime, tmp_path: Path) -> None:
    """To the API, on the span, to `served`, and in the journal."""
    put_in_force()
    sent: Sent = []
    with recorded() as seen, route("chat"):
        answered = client(watching(sent)).messages.create(**ASKED)
        told = served(answered)
        spans = [dict(span.attributes or {}) for span in seen.spans]
    assert [one["system"] for one in sent] == [SYSTEM]
    assert told is not None
    assert [(change.parameter, change.after, change.why.value) for change in told.changes] == [
        ("cache_control", "system", "advice")
    ]
    plans = [json.loads(str(one["bursar.plan"])) for one in spans if "bursar.plan" in one]
    assert [plan[0]["to"] for plan in plans] == ["system"]
    assert journalled(tmp_path) == ["r1"]


def test_a_retry_and_a_task_are_marked_alike(runtime: Runtime) -> None:
    put_in_force()
    sent: Sent = []
    failing = in_turn(error(529, "overloaded_error"), watching(sent))
    with route("chat"):
        client(failing, max_retries=1).messages.create(**ASKED)
        asyncio.run(async_client(watching(sent)).messages.create(**ASKED))
        with client(watching(sent)).messages.stream(**ASKED) as stream:
            stream.get_final_message()
    assert [one["system"] for one in sent] == [SYSTEM] * 3


def test_who_is_held_out_is_sent_as_asked_and_known(runtime: Runtime, tmp_path: Path) -> None:
    put_in_force(held_out=1.0)
    sent: Sent = []
    with route("chat"):
        told = served(client(watching(sent)).messages.create(**ASKED))
    assert sent[0]["system"] == "Be kind."
    assert told is not None and told.changes == ()
    assert journalled(tmp_path) == ["-r1"]


@pytest.mark.parametrize("name", ["mail", "chat.deep"])
def test_another_route_is_left_alone(name: str, runtime: Runtime, tmp_path: Path) -> None:
    put_in_force()
    sent: Sent = []
    with route(name):
        client(watching(sent)).messages.create(**ASKED)
    assert sent[0]["system"] == "Be kind."
    assert journalled(tmp_path) == [None]


def test_another_model_is_left_alone_and_a_snapshot_of_the_same_is_not(runtime: Runtime) -> None:
    """A model that was taken back to itself by its date is the same one."""
    put_in_force()
    sent: Sent = []
    with route("chat"):
        for model in ("claude-haiku-5-5", f"{MODEL}-20260901"):
            client(watching(sent)).messages.create(**{**ASKED, "model": model})
    assert [one["system"] for one in sent] == ["Be kind.", SYSTEM]


def test_what_only_observes_marks_nothing(runtime: Runtime, environ: dict[str, str]) -> None:
    """The policy, its route, or the application itself."""
    sent: Sent = []
    for before, after in (("enforce", "observe"), ("auto", "advise")):
        put_in_force(policy=POLICY.replace(before, after))
        with route("chat"):
            client(watching(sent)).messages.create(**ASKED)
    uninstrument()
    instrument(environ={**environ, "BURSAR_ENFORCE": "0"})
    put_in_force()
    with route("chat"):
        client(watching(sent)).messages.create(**ASKED)
    assert [one["system"] for one in sent] == ["Be kind."] * 3


def test_marks_that_cannot_be_read_are_none(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    """An agent of a newer version may say what this process cannot read."""
    put_in_force(text="[{}]")
    sent: Sent = []
    with route("chat"):
        client(watching(sent)).messages.create(**ASKED)
    assert sent[0]["system"] == "Be kind."
    assert "cache marks" in caplog.text


CLOSED = POLICY.replace('mode = "enforce"', 'mode = "enforce"\non_unreachable = "closed"')
BUDGET = '[[budget]]\nname = "day"\nlimit = "1 USD"\nevery = "day"\n[budget.at]\n"100%" = "block"\n'


def test_a_call_that_is_refused_is_told_of_no_marks(runtime: Runtime, environ: dict[str, str]) -> None:
    """It was never sent, with them or without."""
    uninstrument()
    instrument(environ={**environ, "BURSAR_AGENT": "http://127.0.0.1:9"})
    put_in_force(policy=CLOSED + BUDGET)
    sent: Sent = []
    with recorded() as seen, route("chat"):
        with pytest.raises(BudgetExceeded):
            client(watching(sent)).messages.create(**ASKED)
        spans = [dict(span.attributes or {}) for span in seen.spans]
    assert sent == []
    assert [one for one in spans if "bursar.plan" in one] == []


class MarkingAgent(Agent):
    """One that would have the calls marked that it puts off."""

    @property
    def snapshot(self) -> Snapshot:
        told = to_text([Marking("r1", "digest", MODEL, (Mark("system"),), 0.0)])
        return replace(super().snapshot, markings=told)


def test_a_call_that_is_put_off_goes_as_it_was_asked_and_is_told_of_no_marks(tmp_path: Path) -> None:
    """In a batch hits are luck: nobody advised to mark there."""
    agent = MarkingAgent(policy=WAITING.replace('name = "digest"', 'name = "digest"\ncache = "auto"'))
    with putting_off(tmp_path, agent), route("digest"):
        told = served(client(error(500, "api_error")).messages.create(**ASKED))
    assert told is not None
    assert (told.action, told.changes) == ("batch", ())
    assert json.loads(agent.offers[0].body) == ASKED


def test_what_the_application_gave_as_extra_body_is_marked_too(runtime: Runtime) -> None:
    put_in_force()
    sent: Sent = []
    with route("chat"):
        client(watching(sent)).messages.create(**ASK, extra_body={"system": "Be kind."})
    assert sent[0]["system"] == SYSTEM
