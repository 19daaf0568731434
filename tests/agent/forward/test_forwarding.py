"""Claims about forwarding: what is acknowledged arrives, in order, whatever receiver, agent and disk do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from tests.agent.forward.received import NOON, SDK, SECOND, call, calls, export, seen, span
from tests.agent.forward.receivers import HeliconeLogs, Otlp

from bursar.agent.forward.forwarding import ABANDON_SECONDS, Forwarding
from bursar.agent.forward.outlets import Outlets
from bursar.agent.ledger.forwardqueue import ForwardQueue
from bursar.agent.ledger.forwardtables import TargetState, states
from bursar.agent.rules import Rules
from bursar.agent.spans.receiver import BehindError
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies.forward import Forward
from bursar.policies.policy import Mode, Policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot

HEADERS = {"authorization": "Bearer sk-very-secret"}


@dataclass
class Scene:
    """An agent's forwarding by a clock that is moved by hand, and its receivers under paths of their own names."""

    folder: Path
    receivers: dict[str, Otlp | HeliconeLogs] = field(default_factory=dict[str, "Otlp | HeliconeLogs"])
    now_ns: int = NOON
    queue_mb: int = 256
    present: tuple[str, ...] | None = None

    @property
    def path(self) -> Path:
        return self.folder / "ledger.sqlite.forwards"

    def rules(self) -> Rules:
        names = self.receivers if self.present is None else self.present
        forwards = tuple(
            Forward(
                name,
                "helicone" if isinstance(self.receivers[name], HeliconeLogs) else "otlp",
                f"http://receivers/{name}{'/custom/v1/log' if name == 'helicone' else '/v1/traces'}",
                headers_env="X",
                queue_mb=self.queue_mb,
            )
            for name in names
        )
        return Rules(
            Policy(1, Mode.OBSERVE, forwards=forwards),
            shipped_book(),
            Snapshot("s"),
            headers=dict.fromkeys(names, HEADERS),
        )

    def run(self, do: Callable[[Forwarding], Awaitable[None]]) -> None:
        """An agent's life."""
        app = Starlette(routes=[Mount(f"/{name}", receiver.app) for name, receiver in self.receivers.items()])

        async def lived() -> None:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
                forwarding = Forwarding(
                    self.path,
                    self.rules,
                    Outlets(client, clock_ns=lambda: self.now_ns),
                    clock_ns=lambda: self.now_ns,
                    chance=lambda: 0.0,
                )
                try:
                    await do(forwarding)
                finally:
                    await forwarding.aclose()

        asyncio.run(lived())

    def take(self, *taken: Sequence[SeenSpan]) -> None:
        """Take exports, and send until there is nothing to do at this moment."""

        async def do(forwarding: Forwarding) -> None:
            for spans in taken:
                await forwarding.take(spans)
            await forwarding.tend()
            await forwarding.idle()

        self.run(do)

    def wait(self, seconds: float) -> None:
        """Let time pass, and do what is due then."""
        self.now_ns += int(seconds * SECOND)
        self.take()

    def state(self, name: str) -> TargetState:
        return next(state for state in states(self.path) if state.name == name)


def ids(spans: Sequence[Span]) -> list[int]:
    return [int.from_bytes(one.span_id, "big") for one in spans]


@pytest.fixture
def otlp() -> Otlp:
    return Otlp(authorization=HEADERS["authorization"])


@pytest.fixture
def scene(tmp_path: Path, otlp: Otlp) -> Scene:
    return Scene(tmp_path, {"jaeger": otlp})


def test_what_is_taken_arrives_in_order(scene: Scene, otlp: Otlp) -> None:
    """Three exports, calls and others' spans; what waits together goes in one request."""
    scene.take(calls(2), seen(export(("http", [span(3)]))), calls(1, first=4))
    assert ids(otlp.spans) == [1, 2, 3, 4]
    assert (scene.state("jaeger").sent, scene.state("jaeger").spans) == (4, 0)


def test_nothing_is_kept_where_there_is_nobody_to_send_it_to(scene: Scene) -> None:
    """No file either."""
    scene.receivers.clear()
    scene.take(calls(1))
    assert not scene.path.exists()


def test_an_hour_away_loses_nothing_and_repeats_nothing(scene: Scene, otlp: Otlp) -> None:
    """An export a minute for an hour into a receiver that is down; then it is up, and has each span once, in order."""
    otlp.staged.down = True

    async def an_hour(forwarding: Forwarding) -> None:
        for minute in range(60):
            await forwarding.take(calls(5, first=5 * minute + 1))
            await forwarding.idle()
            scene.now_ns += 60 * SECOND
            await forwarding.tend()
            await forwarding.idle()

    scene.run(an_hour)
    away = scene.state("jaeger")
    assert (away.spans, away.sent, away.dropped, otlp.spans) == (300, 0, 0, [])
    assert (away.failing_since_ns, away.last_error) == (NOON, "it answered 503 no healthy upstream")
    # 1, 2, 4 … 32 s fall between minutes, so one try a minute; then every 64, 128, 256 s, and from then on every 300 s.
    assert otlp.staged.asked < 30
    otlp.staged.down = False
    scene.wait(300)
    assert ids(otlp.spans) == list(range(1, 301))
    assert (scene.state("jaeger").spans, scene.state("jaeger").failing_since_ns) == (0, None)


def test_the_oldest_go_first_where_the_disk_has_no_room(
    scene: Scene, otlp: Otlp, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue of one megabyte, and three: what is dropped is counted and said, and the rest arrives."""
    otlp.staged.down, scene.queue_mb = True, 1
    large = [seen(export((SDK, [call(number, text="x" * 300_000)]))) for number in range(1, 11)]
    scene.take(*large)
    state = scene.state("jaeger")
    assert (state.overflowed, state.spans) == (7, 3) and state.bytes <= 10**6
    assert scene.path.stat().st_size < 2 * 10**6
    assert 'forward "jaeger": its queue is full, and its 1 oldest spans were dropped' in caplog.text
    otlp.staged.down = False
    scene.wait(60)
    assert ids(otlp.spans) == [8, 9, 10]


@pytest.mark.parametrize(
    ("header", "seconds"), [("120", 120), ("Sat, 21 Nov 2026 12:02:00 GMT", 120)], ids=["seconds", "date"]
)
def test_a_receiver_that_asks_for_time_gets_it(scene: Scene, otlp: Otlp, header: str, seconds: int) -> None:
    """429 with Retry-After: nothing until then, everything after it."""
    otlp.staged.answers = [PlainTextResponse("slow down", 429, {"retry-after": header})]
    scene.take(calls(1))
    scene.wait(seconds - 1)
    assert (otlp.staged.asked, otlp.spans) == (1, [])
    scene.wait(1)
    assert ids(otlp.spans) == [1]


def test_one_span_that_is_refused_does_not_hold_the_others_up(
    scene: Scene, otlp: Otlp, caplog: pytest.LogCaptureFixture
) -> None:
    """400 for whatever holds span 7 of 10 in 3 exports: it alone is dropped, with the reason; order is kept."""
    otlp.staged.refuses = lambda one: ids([one]) == [7]
    scene.take(calls(3), seen(export((SDK, [call(number) for number in range(4, 10)]))), calls(1, first=10))
    assert ids(otlp.spans) == [1, 2, 3, 4, 5, 6, 8, 9, 10]
    state = scene.state("jaeger")
    assert (state.sent, state.refused, state.spans) == (9, 1, 0)
    assert "one span was dropped: it answered 400 an attribute is not valid" in caplog.text


def test_a_wrong_key_loses_nothing(scene: Scene, otlp: Otlp) -> None:
    """401 is waited for: somebody will mend it."""
    otlp.staged.answers = [PlainTextResponse("who are you?", 401)]
    scene.take(calls(1))
    assert (scene.state("jaeger").spans, scene.state("jaeger").refused) == (1, 0)
    scene.wait(1)
    assert ids(otlp.spans) == [1]


def test_an_agent_killed_between_answer_and_note_sends_again(
    scene: Scene, otlp: Otlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once, then: the same span with the same id, by which receivers know it."""

    def killed(*_args: object, **_more: object) -> None:
        raise SystemExit

    with monkeypatch.context() as context:
        context.setattr(ForwardQueue, "settle", killed)

        async def do(forwarding: Forwarding) -> None:
            await forwarding.take(calls(1))
            await forwarding.idle()

        with pytest.raises(SystemExit):
            scene.run(do)
    scene.take()
    assert ids(otlp.spans) == [1, 1]
    assert otlp.spans[0] == otlp.spans[1]


def test_what_helicone_has_of_a_batch_is_not_sent_again(scene: Scene) -> None:
    """One of three calls is put off: only that one goes again."""
    log = HeliconeLogs("sk-very-secret")
    log.staged.answers = [PlainTextResponse("slow", 429, {"retry-after": "5"})]
    scene.receivers = {"helicone": log}
    scene.take(seen(export((SDK, [call(1), call(2), call(3)]), ("http", [span(4)]))))
    state = scene.state("helicone")
    assert (state.sent, state.passed_over, state.spans, log.got) == (2, 1, 1, 2)
    scene.wait(5)
    assert (scene.state("helicone").sent, len(log.requests), log.got) == (3, 3, 3)


def test_a_fault_of_ours_is_told_and_does_not_come_back_at_once(
    scene: Scene, otlp: Otlp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits stays in the queue; five minutes later it is tried again."""

    def broken(*_args: object) -> object:
        raise ZeroDivisionError

    async def do(forwarding: Forwarding) -> None:
        with monkeypatch.context() as context:
            context.setattr("bursar.agent.forward.forwarding.calls_of", broken)
            await forwarding.take(calls(1))
            with pytest.raises(ZeroDivisionError):
                await forwarding.idle()
            await forwarding.tend()
        await forwarding.tend()
        await forwarding.idle()
        assert ids(otlp.spans) == []
        scene.now_ns += 300 * SECOND
        await forwarding.tend()
        await forwarding.idle()

    scene.run(do)
    assert ids(otlp.spans) == [1]
    assert caplog.text.count("after a fault of Bursar") == 1 and "ZeroDivisionError" in caplog.text


def test_one_receiver_that_is_away_holds_no_other_up(scene: Scene, otlp: Otlp) -> None:
    other = Otlp()
    scene.receivers["tempo"] = other
    otlp.staged.down = True
    scene.take(calls(2))
    assert (ids(other.spans), otlp.spans) == ([1, 2], [])
    assert (scene.state("tempo").sent, scene.state("jaeger").spans) == (2, 2)


def test_no_secret_is_kept_or_told(scene: Scene, otlp: Otlp, caplog: pytest.LogCaptureFixture) -> None:
    """Also where the receiver repeats it, as it does here."""
    caplog.set_level(logging.DEBUG)
    otlp.staged.answers = [PlainTextResponse(f"not valid: {HEADERS['authorization']}", 403)]
    scene.take(calls(1))
    assert scene.state("jaeger").last_error == "it answered 403 not valid: ***"
    assert "not valid: ***" in caplog.text and "sk-very-secret" not in caplog.text
    kept = b"".join(path.read_bytes() for path in scene.folder.iterdir())
    assert b"authorization" not in kept and b"sk-very-secret" not in kept


def test_spans_are_not_acknowledged_before_they_are_kept(scene: Scene) -> None:
    """A queue that cannot be written turns the export away; what was booked is booked."""
    scene.path.write_text("no database " * 100)
    booked: list[SeenSpan] = []

    async def on_spans(spans: Sequence[SeenSpan]) -> None:
        booked.extend(spans)

    async def do(forwarding: Forwarding) -> None:
        with pytest.raises(BehindError, match="queue of spans"):
            await forwarding.after(on_spans)(calls(1))

    scene.run(do)
    assert len(booked) == 1


def test_a_receiver_that_left_the_policy_keeps_its_spans_for_a_day(scene: Scene, otlp: Otlp) -> None:
    """A policy may be mended; after that they go, counted."""
    otlp.staged.down = True
    scene.take(calls(2))
    otlp.staged.down, scene.present = False, ()
    scene.wait(ABANDON_SECONDS)
    assert (scene.state("jaeger").spans, scene.state("jaeger").present, otlp.spans) == (2, 0, [])
    scene.wait(1)
    assert (scene.state("jaeger").spans, scene.state("jaeger").abandoned) == (0, 2)
