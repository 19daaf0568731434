"""Sync: many threads, few messages, and nothing that a lost one could spoil."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bursar.instrumentation import sync as module
from bursar.instrumentation.journal import Journal
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import Misunderstood, Unreachable
from bursar.instrumentation.quiet import forget_told
from bursar.instrumentation.sync import Ask, Sync
from bursar.policies import protocol
from bursar.policies.protocol import Answer, BalanceView, Holder, Need, Snapshot, SyncRequest, SyncResponse, Verdict

HOLDER = Holder("h", 1, "host", 2)
VIEW = BalanceView("a", 100, 100, 1, 2, 3)
WAIT_SECONDS = 5.0
"""How long a test waits at most for another thread; none does on a good day."""


class Link:
    """An agent in process: answers by a function, fails when told to, remembers every message."""

    def __init__(self, answer: Callable[[SyncRequest], Any]) -> None:
        self.answer: Callable[[SyncRequest], Any] = answer
        self.broken = False
        self.messages: list[SyncRequest] = []
        self.patient: list[bool] = []
        self.mended = 0
        self.closed = 0
        self.heard = threading.Semaphore(0)
        self.gate: threading.Event | None = None
        self.entered = threading.Event()

    def post(self, path: str, body: bytes, *, patient: bool = False) -> Any:
        assert path == "/guard/sync"
        request = protocol.request_from_json(json.loads(body))
        self.messages.append(request)
        self.patient.append(patient)
        self.entered.set()
        self.heard.release()
        if self.gate is not None:
            assert self.gate.wait(WAIT_SECONDS)
        answer = self.answer(request)
        return protocol.to_json(answer) if isinstance(answer, SyncResponse) else answer

    def mend(self) -> None:
        self.mended += 1

    def close(self) -> None:
        self.closed += 1

    def abandon(self) -> None:
        self.closed += 1


def granting(request: SyncRequest) -> SyncResponse:
    """Every need is granted at its most, on top of what was granted before."""
    granted = dict(request.granted_seen)
    for need in request.needs:
        for key in need.balances:
            granted[key] = granted.get(key, 0) + need.most
    answers = tuple(Answer(need.attempt_id, Verdict.GRANTED, need.most) for need in request.needs)
    return SyncResponse(granted=granted, answers=answers)


class Scene:
    """One process's channel over two fake links."""

    def __init__(self, folder: Path) -> None:
        self.link, self.back = Link(granting), Link(granting)
        self.journal = Journal(folder, "h")
        self.leases = Leases()
        self.views: list[tuple[BalanceView, ...]] = []
        self.snapshots: list[Snapshot] = []
        self.unclaimed: list[str] = []
        self.watched: tuple[str, ...] = ()
        self.beside: Callable[[], object] = object
        self.now = 0.0
        self.sync = Sync(
            self.link,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            self.back,  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            lambda: HOLDER,
            lambda: self.journal,
            self.leases,
            on_views=lambda views: self.views.append(tuple(views)),
            on_snapshot=self.snapshots.append,
            on_unclaimed=self.unclaimed.append,
            watched=lambda: self.watched,
            beside=lambda: self.beside(),
            clock=lambda: self.now,
        )

    def ask(self, attempt: str, most: int = 10, *balances: str) -> Answer | None:
        return self.sync.ask(Ask(need(attempt, most, *balances)))


def need(attempt: str, most: int = 10, *balances: str) -> Need:
    return Need(attempt, balances or ("a",), most, most)


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A channel whose background speaks only when nudged."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 60.0)
    forget_told()
    made = Scene(tmp_path)
    yield made
    for link in (made.link, made.back):
        if link.gate is not None:
            link.gate.set()
        link.answer = granting
    made.sync.close(WAIT_SECONDS)
    made.journal.close(remove=True)
    forget_told()


def test_an_ask_is_answered_and_its_money_held(scene: Scene) -> None:
    """On the caller's link, whose patience is short; the grant is held before anybody can give it back."""
    assert scene.ask("h-1", 10, "a", "b") == Answer("h-1", Verdict.GRANTED, 10)
    (message,) = scene.link.messages
    assert message == SyncRequest(HOLDER, 1, needs=(need("h-1", 10, "a", "b"),), knows=("reserves",))
    assert scene.link.patient == [False]
    assert scene.leases.held("h-1")
    assert (scene.leases.free("a"), scene.leases.free("b")) == (0, 0)


def test_an_ask_without_a_need_brings_views_and_rules(scene: Scene) -> None:
    """And no answer."""
    scene.link.answer = lambda request: SyncResponse(views=(VIEW,), snapshot=Snapshot("s1", "version = 1"))
    assert scene.sync.ask(Ask(views=("a", "b"))) is None
    assert sorted(scene.link.messages[0].views) == ["a", "b"]
    assert scene.views == [(VIEW,)]
    assert scene.snapshots == [Snapshot("s1", "version = 1")]


def test_the_rules_that_are_known_are_named(scene: Scene) -> None:
    """So that they are sent once, and again when they change."""
    answers = iter([SyncResponse(snapshot=Snapshot("s1")), SyncResponse(), SyncResponse(snapshot=Snapshot("s2"))])
    scene.link.answer = lambda request: next(answers, SyncResponse())
    for _ in range(4):
        scene.sync.ask(Ask())
    assert [message.snapshot_id for message in scene.link.messages] == [None, "s1", "s1", "s2"]
    assert [snapshot.id for snapshot in scene.snapshots] == ["s1", "s2"]


def test_asks_are_numbered_and_the_background_s_messages_are_not(scene: Scene) -> None:
    """A message of number zero may arrive at any time; it is granted nothing, so it overtakes nobody."""
    scene.ask("h-1")
    assert scene.sync.flush(1)
    scene.ask("h-2")
    assert [message.seq for message in scene.link.messages] == [1, 2]
    assert {message.seq for message in scene.back.messages} == {0}
    assert all(scene.back.patient)
    assert all(not message.needs for message in scene.back.messages)


def test_many_asks_travel_together(scene: Scene) -> None:
    """While one message is on its way the others gather: forty asks in two messages, each with its own answer."""
    scene.link.gate = threading.Event()
    with ThreadPoolExecutor(40) as pool:
        first = pool.submit(scene.ask, "h-0")
        assert scene.link.entered.wait(WAIT_SECONDS)
        others = {number: pool.submit(scene.ask, f"h-{number}", number) for number in range(1, 40)}
        gathered(scene, 39)
        scene.link.gate.set()
        assert first.result(WAIT_SECONDS) == Answer("h-0", Verdict.GRANTED, 10)
        for number, reply in others.items():
            assert reply.result(WAIT_SECONDS) == Answer(f"h-{number}", Verdict.GRANTED, number)
    assert [len(message.needs) for message in scene.link.messages] == [1, 39]


def gathered(scene: Scene, count: int) -> None:
    """Wait until so many asks stand in the queue."""
    waiting = threading.Event()
    for _ in range(int(WAIT_SECONDS * 1_000)):
        if len(scene.sync._asks) == count:  # pyright: ignore[reportPrivateUsage]
            return
        waiting.wait(0.001)
    raise AssertionError("the asks did not gather")


def test_an_asker_that_has_waited_too_long_gives_up_and_gets_no_money(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a hung agent: what is granted to it later is not held for nobody, and goes back."""
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.02)
    scene.link.gate = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(scene.ask, "h-1")
        assert scene.link.entered.wait(WAIT_SECONDS)
        with pytest.raises(Unreachable, match="kept others waiting"):
            scene.ask("h-2", 50)
        scene.link.gate.set()
        assert first.result(WAIT_SECONDS) is not None
    scene.ask("h-3")
    assert [each.attempt_id for each in scene.link.messages[1].needs] == ["h-3"]
    assert (scene.leases.held("h-1"), scene.leases.held("h-2"), scene.leases.held("h-3")) == (True, False, True)
    assert scene.leases.free("a") == 0


def test_money_that_comes_after_its_asker_has_gone_is_told_and_goes_back(scene: Scene) -> None:
    """A task that was cancelled while its ask was on the way: nobody holds for it, and the agent hears of it."""
    ask = Ask(need("h-1", 50))

    def gone(request: SyncRequest) -> SyncResponse:
        ask.reply.cancel()
        return granting(request)

    scene.link.answer = gone
    with pytest.raises(CancelledError):
        scene.sync.ask(ask)
    assert (scene.unclaimed, scene.leases.held("h-1"), scene.leases.free("a")) == (["h-1"], False, 50)
    scene.sync.flush(1)
    assert scene.back.messages[-1].returned == {"a": 50}


def test_an_open_breaker_answers_everybody_at_once(scene: Scene) -> None:
    """Nothing is sent."""
    scene.link.broken = True
    with pytest.raises(Unreachable, match="a moment ago"):
        scene.ask("h-1")
    assert scene.link.messages == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "must be a JSON object"),
        ({"granted": {"a": "much"}}, "must be a whole number"),
        ({"answers": [{"attempt_id": "h-1", "verdict": "perhaps"}]}, "not a valid Verdict"),
    ],
)
def test_an_answer_that_cannot_be_understood_is_no_answer(scene: Scene, answer: Any, said: str) -> None:
    """Nothing of it is taken over."""
    scene.journal.append(b'{"kind":"released","attempt_id":"h-0"}\n')
    scene.link.answer = lambda request: answer
    with pytest.raises(Unreachable, match=said):
        scene.ask("h-1")
    assert (scene.leases.granted(), scene.journal.drained) == ({}, False)


def test_a_failure_of_our_own_leaves_nobody_waiting(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is, the asker is told that there is no answer, and the log what it was."""
    scene.link.answer = lambda request: 1 / 0
    with pytest.raises(Unreachable, match="division by zero"):
        scene.ask("h-1")
    assert "could not take over what its agent answered" in caplog.text
    scene.link.answer = granting
    assert scene.ask("h-2") is not None


def test_an_ask_that_was_overtaken_has_no_answer(scene: Scene) -> None:
    """It may be asked again."""
    scene.link.answer = lambda request: SyncResponse()
    assert scene.ask("h-1") is None


def released(number: int) -> bytes:
    return b'{"kind":"released","attempt_id":"h-%d"}\n' % number


def carried(message: SyncRequest) -> list[str]:
    return [record["attempt_id"] for record in message.records]


def test_records_are_acknowledged_by_an_answer_only(scene: Scene) -> None:
    """A lost one repeats them, on whichever link comes next; lines that are torn are left out."""
    scene.journal.append(released(1))
    scene.journal.append(b'{"kind":"rel\n')
    scene.journal.append(b"5\n")

    def lost(request: SyncRequest) -> SyncResponse:
        raise Unreachable("lost on its way")

    scene.link.answer = scene.back.answer = lost
    with pytest.raises(Unreachable, match="lost on its way"):
        scene.ask("h-9")
    assert not scene.sync.flush(1)
    assert scene.journal.unshipped().lines
    scene.link.answer = scene.back.answer = granting
    assert scene.sync.flush(1)
    assert [carried(message) for message in (*scene.link.messages, *scene.back.messages)] == [["h-1"]] * 3
    assert scene.journal.drained
    scene.ask("h-9")
    assert carried(scene.link.messages[-1]) == []


def test_a_message_repeats_the_counters_that_only_grow(scene: Scene) -> None:
    """What was ever returned and granted, until it is acknowledged: a lost message needs no care, and none grows."""

    def lost(request: SyncRequest) -> SyncResponse:
        raise Unreachable("lost on its way")

    scene.ask("h-1", 100)
    scene.leases.settle("h-1", 30)
    scene.back.answer = lost
    assert not scene.sync.flush(1)
    scene.back.answer = granting
    scene.sync.flush(1)
    for message in scene.back.messages[-2:]:
        assert (message.returned, message.granted_seen) == ({"a": 70}, {"a": 100})
    scene.ask("h-2", 5)
    assert (scene.link.messages[-1].returned, scene.link.messages[-1].granted_seen) == ({}, {"a": 100})
    assert scene.leases.granted() == {"a": 105}


def test_flush_ships_all_however_much_it_is(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """In as many messages as it takes."""
    monkeypatch.setattr("bursar.instrumentation.journal.BATCH_BYTES", 100)
    for number in range(10):
        scene.journal.append(released(number))
    assert scene.sync.flush(1)
    assert [name for message in scene.back.messages for name in carried(message)] == [f"h-{n}" for n in range(10)]
    assert len(scene.back.messages) == 5


def test_flush_ends_at_its_time(scene: Scene) -> None:
    """Also where new lines come as fast as old ones go."""

    def slow(request: SyncRequest) -> SyncResponse:
        scene.now += 1.0
        scene.journal.append(released(0))
        return SyncResponse()

    scene.back.answer = slow
    assert not scene.sync.flush(3)
    assert len(scene.back.messages) == 3


def test_flush_with_nothing_to_ship_asks_the_agent_all_the_same(scene: Scene) -> None:
    """Whether it is there."""
    assert scene.sync.flush(1)
    assert len(scene.back.messages) == 1

    def away(request: SyncRequest) -> SyncResponse:
        raise Unreachable("away")

    scene.back.answer = away
    assert not scene.sync.flush(1)


def test_a_nudge_ships_soon_in_the_background(scene: Scene) -> None:
    """Many of them in few messages; and the caller's link is told that the agent is there."""
    scene.journal.append(released(1))
    for _ in range(100):
        scene.sync.nudge()
    assert scene.back.heard.acquire(timeout=WAIT_SECONDS)
    assert scene.sync.flush(WAIT_SECONDS)
    assert 1 <= len(scene.back.messages) < 10
    assert carried(scene.back.messages[0]) == ["h-1"]
    assert scene.link.mended >= 1
    assert scene.link.messages == []


def test_the_background_speaks_up_every_so_often(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """To be heard of, and to give idle money back."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    scene.sync.nudge()
    for _ in range(3):
        assert scene.back.heard.acquire(timeout=WAIT_SECONDS)


def test_the_background_does_what_else_is_left_to_it(scene: Scene) -> None:
    """Before it ships; and it ships also where that fails."""
    done: list[int] = []

    def beside() -> None:
        done.append(len(scene.back.messages))
        raise KeyError("x")

    scene.beside = beside
    scene.sync.nudge()
    assert scene.back.heard.acquire(timeout=WAIT_SECONDS)
    scene.beside = object
    assert done[0] == 0


def test_an_agent_that_is_away_is_told_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With what happens meanwhile and the remedy; and it is asked again."""
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)

    def away(request: SyncRequest) -> SyncResponse:
        raise Unreachable("ConnectionRefusedError: refused")

    scene.back.answer = away
    scene.sync.nudge()
    for _ in range(3):
        assert scene.back.heard.acquire(timeout=WAIT_SECONDS)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "does not answer (ConnectionRefusedError: refused)" in warnings[0]
    assert "bursar agent" in warnings[0]


class Dropped:
    """Nudges when it is collected, wherever that is."""

    def __init__(self, sync: Sync) -> None:
        self.sync = sync
        self.cycle = self

    def __del__(self) -> None:
        self.sync.nudge()


def test_a_destructor_may_nudge_anywhere(scene: Scene) -> None:
    """Also inside a nudge of the same thread."""
    scene.sync.nudge()
    for _ in range(50):
        Dropped(scene.sync)
        gc.collect(0)
        scene.sync.nudge()
    gc.collect()
    assert scene.sync.flush(WAIT_SECONDS)


def test_closing_says_goodbye_after_all_is_shipped(scene: Scene) -> None:
    """With all money given back, and both connections closed."""
    scene.ask("h-1", 100)
    scene.leases.settle("h-1", 30)
    scene.journal.append(released(1))
    assert scene.sync.close(1)
    *before, last = scene.back.messages
    assert last.goodbye
    assert last.returned == {"a": 70}
    assert not any(message.goodbye for message in before)
    assert [name for message in scene.back.messages for name in carried(message)] == ["h-1"]
    assert (scene.link.closed, scene.back.closed) == (1, 1)


def test_no_goodbye_while_a_call_is_under_way(scene: Scene) -> None:
    """What another thread holds would be lent to others: all else goes back, and the journal is left to be adopted."""
    scene.ask("h-2", 50)
    scene.ask("h-1", 100)
    scene.leases.settle("h-1", 30)
    scene.leases.let_keep(("a",), ("a",))
    assert not scene.sync.close(1)
    assert not any(message.goodbye for message in scene.back.messages)
    assert scene.back.messages[-1].returned == {"a": 70}, "although it might have been kept"
    assert scene.leases.held("h-2")
    assert scene.leases.free("a") == 0


def test_nothing_is_asked_for_once_the_money_went_back(scene: Scene) -> None:
    """A grant after the goodbye would be nobody's."""
    scene.sync.close(1)
    with pytest.raises(Unreachable, match="given its money back"):
        scene.ask("h-1", 100)
    assert scene.link.messages == []


def test_closing_without_an_agent_says_so(scene: Scene) -> None:
    """No goodbye is said to nobody, and connections are closed all the same."""

    def away(request: SyncRequest) -> SyncResponse:
        raise Unreachable("away")

    scene.back.answer = away
    assert not scene.sync.close(1)
    assert not any(message.goodbye for message in scene.back.messages)
    assert (scene.link.closed, scene.back.closed) == (1, 1)


def test_a_forked_child_drops_both_connections(scene: Scene) -> None:
    """Without a word on either."""
    scene.sync.abandon()
    assert (scene.link.closed, scene.back.closed) == (1, 1)
    assert scene.back.messages == []


def test_a_damaged_line_does_not_stop_the_sound_ones(scene: Scene) -> None:
    """The agent could not read the message: the next one is put together line by line."""
    scene.journal.append(released(1))
    scene.journal.append(b'{"kind":,}\n')

    def strict(request: SyncRequest) -> SyncResponse:
        return SyncResponse()

    post, scene.back.answer = scene.back.post, strict

    def reading(path: str, body: bytes, *, patient: bool = False) -> Any:
        try:
            return post(path, body, patient=patient)
        except ValueError as error:
            raise Misunderstood("the agent answered 400") from error

    scene.back.post = reading  # type: ignore[method-assign]
    assert not scene.sync.flush(1)
    assert scene.sync.flush(1)
    assert [carried(message) for message in scene.back.messages] == [["h-1"]]
    assert scene.journal.drained


def test_the_background_keeps_watched_balances_fresh(scene: Scene) -> None:
    """A call that is judged by them need not ask for itself."""
    scene.watched = ("a", "b")
    assert scene.sync.flush(1)
    assert scene.back.messages[-1].views == ("a", "b")
    assert scene.ask("h-1") is not None
    assert scene.link.messages[-1].views == (), "on a caller's path only what the call wants"


def test_a_recall_brings_the_money_back_at_once(scene: Scene) -> None:
    """What was kept is wanted by somebody else: the next message does not wait for a heartbeat."""
    scene.link.answer = lambda request: SyncResponse({"a": 50}, (Answer("h-1", Verdict.GRANTED, 10),), keep=("a",))
    scene.back.answer = lambda request: SyncResponse({"a": 50}, keep=("a",))
    scene.ask("h-1", 10)
    scene.leases.settle("h-1", 10)
    assert scene.sync.flush(1)
    assert scene.leases.free("a") == 40
    assert dict(scene.back.messages[-1].returned) == {}
    scene.back.answer = lambda request: SyncResponse({"a": 50}, keep=())
    for _ in range(len(scene.back.messages)):
        scene.back.heard.acquire()
    assert scene.sync.flush(1)
    for _ in range(2):
        assert scene.back.heard.acquire(timeout=WAIT_SECONDS)
    assert [dict(message.returned) for message in scene.back.messages] == [{}, {}, {"a": 40}]
