"""An attempt's last word: in the journal before anything else happens by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import anthropic
import httpx2
import pytest
from tests.instrumentation.scene import ASK, Body, answer, async_client, client, error, events, in_turn, sse

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.leases import Hold, Leases
from bursar.instrumentation.runtime import current_runtime
from bursar.instrumentation.testing import recorded
from bursar.policies.balancekey import Amounts
from bursar.policies.charge import Basis, Charge
from bursar.policies.pricefile import shipped_book
from bursar.policies.records import Record, Released, Settled

MODEL = "claude-haiku-5-5"
ERRAND = Errand("a1", "desk", {}, {"model": MODEL}, 1_795_262_400 * 10**9)


def ignore(*_: object) -> None:
    """Nobody listens."""


def ignore_all(*_: object, **__: object) -> None:
    """Nobody learns."""


def told(attempt: Attempt) -> None:
    attempt.told({"model": MODEL, "usage": {"input_tokens": 30, "output_tokens": 2}}, {})


def unanswered(attempt: Attempt) -> None:
    attempt.settle()


def failed(attempt: Attempt) -> None:
    attempt.release("status 529")


@pytest.mark.parametrize(("end", "kind"), [(told, Settled), (unanswered, Settled), (failed, Released)])
def test_money_is_free_only_once_the_journal_says_why(end: Callable[[Attempt], None], kind: type[Record]) -> None:
    """Killed in between, it would count at its bound, beside what others had been lent of it meanwhile."""
    leases = Leases()
    leases.merge({"day": 100_000}, {"a1": Hold(("day",), Amounts(usd=100_000))})
    free: list[tuple[type[Record], int]] = []

    def keep(record: Record) -> None:
        free.append((type(record), leases.free("day")))

    runtime = SimpleNamespace(
        leases=leases,
        record=keep,
        rules=SimpleNamespace(book=shipped_book()),
        guard=SimpleNamespace(estimates=SimpleNamespace(learn=ignore_all), durations=SimpleNamespace(add=ignore)),
    )
    call: Any = SimpleNamespace(
        runtime=runtime,
        id="c1",
        work=SimpleNamespace(route="desk", labels={}),
        requested_model=MODEL,
        region=None,
        stage=None,
        show=ignore,
        charged=ignore,
    )
    attempt = Attempt(call, ERRAND, MODEL, Admission(("day",), ("day",), 100_000))
    end(attempt)
    end(attempt)
    assert free == [(kind, 0)], "told once, and before the hold was let go"
    assert not leases.holding


SECOND = 10**9


@dataclass
class Clock:
    """Goes on only while the API, or the line, takes its time."""

    now: int = 7 * SECOND

    def takes(self, seconds: int, then: Callable[[httpx2.Request], httpx2.Response]) -> Any:
        """An answer that takes so long to begin."""

        def respond(request: httpx2.Request) -> httpx2.Response:
            self.now += seconds * SECOND
            return then(request)

        return respond

    def stream(self, _: httpx2.Request, fault: Exception | None = None) -> httpx2.Response:
        """Events in pieces, each of which takes a second; the first of them is whole with the twentieth."""

        clock = self

        class Slow(Body):
            def __iter__(self) -> Iterator[bytes]:
                for piece in super().__iter__():
                    clock.now += SECOND
                    yield piece

        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, stream=Slow(sse(events()), fault))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("attempt", "call"):
        monkeypatch.setattr(f"bursar.instrumentation.{module}.perf_counter_ns", lambda: made.now)
    return made


def charged(use: Callable[[], object]) -> list[Charge]:
    with recorded() as seen:
        use()
    return seen.charges


def times(charges: list[Charge]) -> list[tuple[int | None, int | None]]:
    """In seconds."""
    told = [(charge.duration_ns, charge.first_token_ns) for charge in charges]
    return [(took and took // SECOND, first and first // SECOND) for took, first in told]


PIECES = -(-len(sse(events())) // 50)
FIRST = -(-(sse(events()).index(b"\n", 22) + 1) // 50)
"""The pieces of fifty bytes of a stream, and those until the line with its first event is whole."""


def test_an_answer_takes_until_it_is_there(clock: Clock) -> None:
    """From the sending of the attempt that was answered, not of the one before; a message has no first token."""
    once = client(clock.takes(2, answer))
    (charge,) = charged(lambda: once.messages.create(**ASK))
    assert (times([charge]), charge.stop_reason) == ([(2, None)], "end_turn")
    overloaded = clock.takes(5, error(529, "overloaded_error"))
    again = client(in_turn(overloaded, clock.takes(3, answer)), max_retries=1)
    assert times(charged(lambda: again.messages.create(**ASK))) == [(3, None)]
    raw = client(clock.takes(4, answer)).messages.with_raw_response
    assert times(charged(lambda: raw.create(**ASK).parse())) == [(4, None)]


def test_an_async_answer_too(clock: Clock) -> None:
    """By the same clock."""
    on = async_client(clock.takes(2, answer))
    assert times(charged(lambda: asyncio.run(on.messages.create(**ASK)))) == [(2, None)]


def helper(on: Any) -> None:
    with on.messages.stream(**ASK) as told:
        told.get_final_message()


def plain(on: Any) -> None:
    for _ in on.messages.create(**ASK, stream=True):
        pass


@pytest.mark.parametrize("way", [plain, helper])
def test_a_stream_takes_until_its_end_and_some_time_to_its_first_event(
    clock: Clock, way: Callable[[Any], None]
) -> None:
    """Ten seconds until it begins, and a second for each piece."""
    on = client(clock.takes(10, clock.stream))
    (charge,) = charged(lambda: way(on))
    assert charge.basis is Basis.USAGE
    assert times([charge]) == [(10 + PIECES, 10 + FIRST)]


def test_a_stream_that_is_broken_off_took_until_then(clock: Clock) -> None:
    """By the application, which has seen its first event; or by the line, before the last."""

    def close(on: Any) -> None:
        told = on.messages.create(**ASK, stream=True)
        next(iter(told))
        told.close()

    def lose(on: Any) -> None:
        with pytest.raises(httpx2.ReadError):
            plain(on)

    assert times(charged(lambda: close(client(clock.stream)))) == [(FIRST, FIRST)]
    cut = client(lambda request: clock.stream(request, httpx2.ReadError("cut")))
    assert times(charged(lambda: lose(cut))) == [(PIECES, FIRST)]


def test_what_was_given_up_took_until_then(clock: Clock) -> None:
    """Its cost is unknown, and how long it was waited for is not."""

    def lost(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("late", request=request)

    on = client(clock.takes(9, lost))

    def wait() -> None:
        with pytest.raises(anthropic.APITimeoutError):
            on.messages.create(**ASK)

    (charge,) = charged(wait)
    assert (charge.basis, times([charge])) == (Basis.UNKNOWN, [(9, None)])


@pytest.mark.parametrize("seconds", [0, -1, 86_401])
def test_a_clock_that_cannot_be_right_is_not_believed(clock: Clock, seconds: int) -> None:
    """It stood still, went back, or the machine slept for more than a day."""
    on = client(clock.takes(seconds, answer))
    assert times(charged(lambda: on.messages.create(**ASK))) == [(None, None)]


def test_a_stream_says_when_it_began_as_soon_as_it_does(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first record has the first event's time, and no duration yet; the last has both."""
    told: list[Record] = []
    on = client(clock.stream)
    with recorded():
        runtime = current_runtime()
        assert runtime is not None
        monkeypatch.setattr(runtime, "record", told.append)
        plain(on)
    settled = [record for record in told if isinstance(record, Settled)]
    assert [(record.final, record.charge.stop_reason) for record in settled] == [(False, None), (True, "end_turn")]
    assert times([record.charge for record in settled]) == [(None, FIRST), (PIECES, FIRST)]
