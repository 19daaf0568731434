"""Fingerprints are taken of every way of calling, told to the agent, and no caller notices."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.instrumentation.printing import KEY, Agent, printing, prints_of
from tests.instrumentation.scene import ASK, Body, answer, async_client, client, error, events, in_turn, message, sse

from bursar.instrumentation import fingerprinting, flush, instrument, route, uninstrument
from bursar.instrumentation.answered import Answered
from bursar.instrumentation.fingerprinting import LARGE_BYTES, MOST, MOST_BYTES, Fingerprinting
from bursar.instrumentation.link import Unreachable
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.runtime import current_runtime
from bursar.policies.fingerprint import Cause, Fingerprint, from_json
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book

SYSTEM = "You are the clerk of a small library and answer in one sentence. " * 4
POLICY = 'version = 1\nmode = "observe"\n'


def create(on: Any, **changes: Any) -> Any:
    return on.messages.create(**{**ASK, "system": SYSTEM, **changes})


async def create_async(on: Any, **changes: Any) -> Any:
    return await on.messages.create(**{**ASK, "system": SYSTEM, **changes})


def stream(on: Any) -> None:
    for _ in create(on, stream=True):
        pass


def helper(on: Any) -> None:
    with on.messages.stream(**ASK, system=SYSTEM) as events:
        events.get_final_message()


def raw(on: Any) -> None:
    on.messages.with_raw_response.create(**ASK, system=SYSTEM)


def streamed_raw(on: Any) -> None:
    with on.messages.with_streaming_response.create(**ASK, system=SYSTEM) as response:
        response.read()


def beta(on: Any) -> None:
    on.beta.messages.create(**ASK, system=SYSTEM)


def generic(on: Any) -> None:
    on.post("/v1/messages", body={**ASK, "system": SYSTEM}, cast_to=httpx2.Response)


WAYS: tuple[Callable[[Any], Any], ...] = (create, stream, helper, raw, streamed_raw, beta, generic)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_of_calling_is_told(tmp_path: Path, way: Callable[[Any], Any]) -> None:
    """Whole and streamed, raw, beta, and generic."""
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        way(client())
        assert flush(10)
    (one,) = agent.prints
    assert [(block.section.value, block.kind) for block in one.blocks] == [
        ("system", "settings"),
        ("system", "text"),
        ("messages", "settings"),
        ("messages", "text"),
    ]
    assert one.ttft_ns > 0


def test_async_calls_are_told(tmp_path: Path) -> None:
    """Each once, with the id of its attempt."""

    async def several() -> None:
        on = async_client()
        await asyncio.gather(*(create_async(on) for _ in range(5)))

    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        asyncio.run(several())
        assert flush(10)
    assert len({one.attempt_id for one in agent.prints}) == 5


@pytest.mark.parametrize("cloud", ["AnthropicBedrock", "AnthropicVertex"])
def test_on_a_cloud_the_model_is_no_part_of_the_body(tmp_path: Path, cloud: str) -> None:
    """The model stands in the URL there, and the prompt is told all the same."""
    import anthropic

    given: dict[str, Any] = {"http_client": httpx2.Client(transport=httpx2.MockTransport(answer)), "max_retries": 0}
    if cloud == "AnthropicBedrock":
        given |= {"aws_region": "us-east-1", "aws_access_key": "a", "aws_secret_key": "s"}
    else:
        given |= {"region": "global", "project_id": "p", "access_token": "t"}
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        create(getattr(anthropic, cloud)(**given))
        assert flush(10)
    assert len(agent.prints) == 1


def test_an_error_is_not_told(tmp_path: Path) -> None:
    """It cost nothing and cached nothing; the try that succeeds is told."""
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        create(client(in_turn(error(529, "overloaded_error"), answer), max_retries=1))
        assert flush(10)
    assert len(agent.prints) == 1


def test_a_break_is_told_with_its_cause(tmp_path: Path) -> None:
    """The time at the head of a prompt, found in the process that made it."""
    agent = Agent(policy=None)
    with printing(tmp_path, agent), route("desk"):
        for now in ("2026-11-29T10:00:00Z", "2026-11-29T10:07:31Z"):
            create(client(), system=f"Now: {now}\n{SYSTEM}")
        assert flush(10)
    first, second = agent.prints
    assert first.brk is None
    assert second.brk is not None
    assert (second.brk.depth, second.brk.cause) == (1, Cause.TIMESTAMP)


def test_of_a_stream_the_first_event_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds to that, a minute to its end: others could read what it wrote to the cache after five."""
    now = 0

    class Slow(Body):
        def __iter__(self) -> Iterator[bytes]:
            nonlocal now
            for number, piece in enumerate(super().__iter__()):
                now = 5 * 10**9 if number < 20 else 60 * 10**9
                yield piece

    for module in ("attempt", "call"):
        monkeypatch.setattr(f"bursar.instrumentation.{module}.perf_counter_ns", lambda: now)
    headers = {"content-type": "text/event-stream"}
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        stream(client(lambda request: httpx2.Response(200, headers=headers, stream=Slow(sse(events())))))
        assert flush(10)
    assert [one.ttft_ns for one in agent.prints] == [5 * 10**9]


def test_what_the_api_says_of_a_miss_is_told(tmp_path: Path) -> None:
    """Where the request asked for diagnostics."""
    said = message(diagnostics={"cache_miss_reason": {"type": "tools_changed", "cache_missed_input_tokens": 9}})
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        create(client(lambda request: httpx2.Response(200, json=said)))
        assert flush(10)
    assert [one.miss_reason for one in agent.prints] == ["tools_changed"]


SECRET = "Ignatius Quixano's wombat sanctuary sells 4711 marzipan gyroscopes to Zanzibar."


def test_nothing_readable_leaves_the_process(tmp_path: Path) -> None:
    """No six characters of tools, system or messages in a row, and no hash that is the same under another key."""
    told: list[Agent] = []
    for key in (KEY, "77" * 32):
        agent = Agent(policy=None, key=key)
        told.append(agent)
        with printing(tmp_path / key, agent):
            tool = {"name": "marzipan_gyroscope", "description": SECRET, "input_schema": {"type": "object"}}
            turn = [{"type": "text", "text": SECRET * 40}]
            for words in (SECRET, SECRET.upper()):
                create(client(), system=words + SYSTEM, tools=[tool], messages=[{"role": "user", "content": turn}])
            assert flush(10)
    text = "".join(told[0].texts)
    own = ("messages", "system", "settings", "input", "object", "protocol", "holder", "blocks", "prints")
    for said in (SECRET, SYSTEM, "marzipan_gyroscope"):
        pieces = {said[place : place + 6] for place in range(len(said) - 5)}
        assert [piece for piece in pieces if piece in text and not any(piece in word for word in own)] == []
    hashes = [{block.hash for one in agent.prints for block in one.blocks} for agent in told]
    assert len(hashes[0]) == len(hashes[1]) == 6
    assert hashes[0].isdisjoint(hashes[1])
    assert {one.conversation for one in told[0].prints}.isdisjoint({one.conversation for one in told[1].prints})


@pytest.mark.parametrize(
    ("policy", "key", "told"),
    [
        (None, KEY, 1),
        (POLICY, KEY, 1),
        (POLICY + '[[route]]\nname = "desk"\n', KEY, 1),
        (POLICY + '[[route]]\nname = "desk"\ncache = "auto"\n', KEY, 1),
        (POLICY + '[[route]]\nname = "desk"\ncache = "off"\n', KEY, 0),
        (POLICY + '[[route]]\nname = "other"\ncache = "off"\n', KEY, 1),
        (POLICY, "", 0),
        (POLICY, "no hex", 0),
    ],
)
def test_whoever_wants_none_gets_none(tmp_path: Path, policy: str | None, key: str, told: int) -> None:
    """An agent without a key, a key that is none, and a route that is left alone."""
    agent = Agent(policy=policy, key=key)
    with printing(tmp_path, agent), route("desk"):
        create(client())
        assert flush(10)
    assert len(agent.prints) == told


def test_without_an_agent_nothing_is_kept(tmp_path: Path) -> None:
    """No queue, no thread."""
    instrument(environ={"BURSAR_STATE_DIR": str(tmp_path)})
    try:
        create(client())
        runtime = current_runtime()
        assert runtime is not None
        assert runtime.prints is None
    finally:
        uninstrument()


def test_the_end_tells_the_rest(tmp_path: Path) -> None:
    """A short program makes its calls and ends; after that nothing of it runs."""
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        create(client())
    assert len(agent.prints) == 1
    uninstrument()
    create(client())
    assert len(agent.prints) == 1


def test_a_hung_agent_holds_up_no_call(tmp_path: Path) -> None:
    """Fingerprints are in the agent's hands for seconds, and calls take as long as ever."""
    agent = Agent(policy=None, hung=threading.Event())
    with printing(tmp_path, agent) as runtime:
        on = client()
        create(on)
        thread = threading.Thread(target=prints_of(runtime).tick)
        thread.start()
        for _ in range(3):
            create(on)
        assert thread.is_alive()  # it waits two seconds for the agent, and no call has waited for it
        assert agent.hung is not None
        agent.hung.set()
        thread.join()


def test_a_child_tells_its_own_alone(tmp_path: Path) -> None:
    """What waited in the parent at the fork is the parent's to tell."""
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        create(client())
        child = os.fork()
        if child == 0:
            status = 1
            try:
                create(client(), system="Of the child. " * 20)
                status = 0 if flush(10) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(agent.prints) == 1
        assert flush(10)
    assert len(agent.prints) == 2
    assert len({message.holder for message in agent.messages}) == 2


class Stage:
    """The worker alone, with a clock and CPU time of its own, and a link that keeps what it is given."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.now = 1_000.0
        self.cpu = 0.0
        self.each = 0.0
        """CPU seconds that pass at each look at the clock of CPU time."""
        self.told: list[Fingerprint] = []
        self.away = False
        self.sizes: list[int] = []
        self.rules = rules or Rules(shipped_book(), fingerprint_key=KEY)
        self.worker = Fingerprinting(self, lambda: "h", lambda: self.rules, lambda: self.now, self._cpu, threaded=False)

    def _cpu(self) -> float:
        self.cpu += self.each
        return self.cpu

    def post(self, path: str, body: bytes, *, patient: bool = False, seconds: float | None = None) -> object:
        if self.away:
            raise Unreachable("away")
        told = from_json(json.loads(body)).prints
        self.sizes.append(len(told))
        self.told += told
        return {}

    def close(self) -> None:
        """Nothing to hang up."""

    def abandon(self) -> None:
        """Nor to forget."""

    def take(
        self, number: int, *, first: str = "", turns: int = 0, content: bytes | None = None, at: float = 0.0
    ) -> None:
        """A call of a conversation that begins with `first`."""
        messages = [{"role": "user", "content": first or f"Question {number}"}]
        for turn in range(turns):
            messages += [{"role": "assistant", "content": "So."}, {"role": "user", "content": f"And {turn}?"}]
        body = json.dumps({"messages": messages}, separators=(",", ":")).encode() if content is None else content
        self.worker.take(Answered(f"a-{number}", "desk", "m", body, int((at or self.now) * 1e9), 1))

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.worker.tick()

    @property
    def ids(self) -> list[str]:
        return [one.attempt_id for one in self.told]


def test_what_waits_is_looked_at_within_the_budget_only() -> None:
    """A second of CPU time at once, then a hundredth of the time that passes; what waits is not lost by that."""
    stage = Stage()
    stage.each = 0.3
    for number in range(10):
        stage.take(number)
    stage.tick()
    # Each costs 0.3 s: with 1 s of credit the fourth is begun, and no fifth. Telling them takes 0.3 s: 0.5 is owed.
    assert len(stage.ids) == 4
    stage.each = 0.0
    stage.tick(1.0)
    assert len(stage.ids) == 4
    stage.tick(50.0)  # 0.51 s have come in
    assert len(stage.ids) == 10


def test_who_falls_behind_looks_at_fewer_conversations() -> None:
    """Half of them after ten seconds, and never fewer than one in 1,024."""
    stage = Stage()
    stage.each = 5.0
    shares: list[float] = []
    for number in range(40):
        stage.take(number, at=stage.now)
        stage.tick(11.0)
        shares.append(stage.worker.share)
    assert shares[0] == 1.0
    assert {0.5, 0.25, 1 / 1_024} <= {*shares}
    assert min(shares) == 1 / 1_024


def test_a_flush_looks_at_everything() -> None:
    """Whatever the budget says."""
    stage = Stage()
    stage.each = 5.0
    for number in range(10):
        stage.take(number)
    assert stage.worker.flush(10)
    assert len(stage.ids) == 10


def test_a_full_queue_costs_the_trust_in_what_was_under_way() -> None:
    """Conversations that begin after it are told of, those before only when their entries are over."""
    stage = Stage()
    stage.take(0, first="Old")
    stage.tick()
    for number in range(MOST + 3):
        stage.take(1_000 + number, first=f"New {number}")
    stage.tick()
    assert (stage.ids, stage.worker.share) == (["a-0"], 0.5)
    stage.now += 60
    stage.take(1, first="Old", turns=1)
    stage.take(2, first="Never seen", turns=1)
    for number in range(3, 23):
        stage.take(number, first=f"Fresh {number}")
    stage.tick()
    fresh = stage.ids[1:]
    assert 0 < len(fresh) < 20  # about half are in the sample
    assert {"a-1", "a-2"}.isdisjoint(fresh)
    stage.now += 3_600
    for number in range(23, 43):
        stage.take(number, first=f"Fresh {number - 20}", turns=1)
    stage.tick()
    assert stage.ids[1 + len(fresh) :] == [f"a-{int(one[2:]) + 20}" for one in fresh]


def test_a_queue_that_fills_is_seen_to_before_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At half of what it holds; else prompts are gathered, here for as long as the test lasts."""
    monkeypatch.setattr(fingerprinting, "TICK_SECONDS", 600.0)
    monkeypatch.setattr(fingerprinting, "MOST", 10)
    agent = Agent(policy=None)
    with printing(tmp_path, agent):
        on = client()
        for _ in range(6):
            create(on)
        agent.until(lambda: len(agent.prints) == 6)


def test_bytes_that_wait_are_bounded() -> None:
    """16 MB, whatever their number."""
    stage = Stage()
    large = b"x" * (LARGE_BYTES - 1)
    for number in range(10):
        stage.take(number, content=large)
    assert stage.worker.waiting == MOST_BYTES // len(large) == 4


def test_a_prompt_too_large_is_left_and_its_conversation_with_it() -> None:
    """For an hour; others are told of."""
    stage = Stage()
    stage.take(0, first="Vast", content=_body("Vast", "x" * LARGE_BYTES))
    stage.take(1, first="Vast", turns=1)
    stage.take(2, first="Small")
    stage.tick()
    assert stage.ids == ["a-2"]
    stage.now += 3_601
    stage.take(3, first="Vast", turns=2, at=stage.now)
    stage.tick()
    assert stage.ids == ["a-2", "a-3"]


def _body(first: str, more: str) -> bytes:
    messages = [{"role": "user", "content": first}, {"role": "assistant", "content": more}]
    return json.dumps({"messages": messages}, separators=(",", ":")).encode()


def test_malformed_bodies_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """And cost nothing else."""
    stage = Stage()
    for number in range(5):
        stage.take(number, content=b'{"messages": [{"role": 4}]}')
    stage.take(9)
    with caplog.at_level(logging.WARNING, "bursar"):
        stage.tick()
    assert stage.ids == ["a-9"]
    assert len([record for record in caplog.records if "take a fingerprint" in record.message]) == 1


def test_an_agent_that_is_away_is_left_alone_for_a_while() -> None:
    """What is made meanwhile is told when it is back."""
    stage = Stage()
    stage.away = True
    stage.take(0)
    stage.tick()
    stage.away = False
    stage.take(1)
    stage.tick(1.0)
    assert stage.ids == []
    stage.tick(10.0)
    assert stage.ids == ["a-0", "a-1"]


def test_a_new_key_makes_all_known_worthless() -> None:
    """Nothing made under one is compared with what was made under another; stretches are told anew."""
    stage = Stage()
    stage.take(0, first="Word " * 100)
    stage.tick()
    stage.rules = Rules(shipped_book(), fingerprint_key="66" * 16)
    stage.take(1, first="Word " * 100)
    stage.tick()
    one, other = stage.told
    assert one.stretches.keys() == other.stretches.keys() == {2}
    assert one.stretches != other.stretches


def test_only_the_first_meeting_tells_stretches() -> None:
    """256 bytes of canonical text and more: one hash for each of `cuts`."""
    stage = Stage()
    for number in range(2):
        stage.take(number, first="x" * 600)
    stage.tick()
    assert [len(one.stretches.get(2, ())) for one in stage.told] == [2, 0]


def test_a_route_that_is_off_is_not_looked_at() -> None:
    """By the rules in force when its turn comes."""
    policy = parse_policy(POLICY + '[[route]]\nname = "desk"\ncache = "off"\n', file="p.toml")
    stage = Stage(Rules(shipped_book(), policy, fingerprint_key=KEY))
    stage.take(0)
    stage.tick()
    assert stage.ids == []


def test_many_are_told_in_parts() -> None:
    """At most 200 at a time."""
    stage = Stage()
    for number in range(450):
        stage.take(number)
    stage.tick()
    assert stage.sizes == [200, 200, 50]
