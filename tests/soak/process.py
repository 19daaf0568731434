"""A process with the shipped guard, leases, journal and sync: the one module that knows how they are wired."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

from tests.soak.premises import HOST, MODEL, Clock, ignore
from tests.soak.turns import Killed, Stage, TurnFuture, TurnLock

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.dial import Dial
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.guard import Guard
from bursar.instrumentation.ids import Ids
from bursar.instrumentation.journal import Batch, Journal
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import AgentLink, Unreachable
from bursar.instrumentation.rules import Rules
from bursar.instrumentation.sync import Ask, Sync
from bursar.policies import protocol
from bursar.policies.agentaddress import AgentAddress
from bursar.policies.policy import Policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Answer, BalanceView, Holder
from bursar.policies.records import Record, Released, to_line


class Post(Protocol):
    """Who carries the bytes of a message, and may lose or double them. Raises OSError."""

    def carry(self, body: bytes) -> Any:
        """The agent's answer."""
        ...


class SteppedLink(AgentLink):
    """The shipped link, its breaker included, over a post instead of a socket."""

    def __init__(self, post: Post, clock: Clock) -> None:
        super().__init__(Dial(AgentAddress("http")), None, clock.monotonic)
        self._post = post

    def _exchange(self, path: str, body: bytes, timeout: float) -> Any:
        assert path == protocol.PATH
        return self._post.carry(body)


class SteppedJournal(Journal):
    """The shipped journal; others may come between a batch and the message that carries it."""

    def __init__(self, state_dir: Path, holder: str, stage: Stage) -> None:
        super().__init__(state_dir, holder)
        self._stage = stage

    def unshipped(self) -> Batch:
        batch = super().unshipped()
        self._stage.pause("batch taken")
        return batch


class SteppedSync(Sync):
    """The shipped channel without its thread: the world says when the background speaks."""

    def __init__(self, stage: Stage, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.nudged = False
        self._channel = cast(Any, TurnLock(stage))
        self._shipping = cast(Any, TurnLock(stage))

    def nudge(self) -> None:
        self.nudged = True

    def beat(self) -> None:
        """What the thread does when it wakes."""
        self.nudged = False
        with suppress(Unreachable), self._shipping:
            self._ship()

    def _start(self) -> None:
        """No thread."""


class Carried(Awaitable[Any]):
    """An ask that an asynchronous caller waits for, while something else carries it."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask

    def __await__(self) -> Generator[Carried, Any, Any]:
        return (yield self)


class Slept(Awaitable[None]):
    """So many seconds that an asynchronous caller waits."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __await__(self) -> Generator[Slept, None, None]:
        yield self


class SteppedGuard(Guard):
    """The shipped guard; what its asynchronous way awaits is handed to whoever drives it."""

    def carry(self, ask: Ask) -> Any:
        """Bring an ask to the agent; its answer, or why there is none. None for one that nobody waits for any more."""
        try:
            return self._carry(ask)
        except CancelledError:
            return None

    async def _carry_async(self, ask: Ask) -> Any:
        return await Carried(ask)


class Process:
    """One process with the shipped leases, journal, guard and sync, wired as `Runtime` wires them."""

    def __init__(self, name: str, folder: Path, policy: Policy, post: Post, clock: Clock, stage: Stage) -> None:
        self.name = name
        self.policy = policy
        self._clock = clock
        self._stage = stage
        self.dead = False
        self.lines_due: list[bytes] = []
        """What is about to be written to the journal."""
        self.ids = Ids(lambda _: name)
        self.leases = Leases(clock.monotonic)
        self.journal = SteppedJournal(folder, name, stage)
        self.rules = Rules(shipped_book(), policy, heard=True)
        self.prints = None
        self.sync = SteppedSync(
            stage,
            SteppedLink(post, clock),
            SteppedLink(post, clock),
            lambda: Holder(name, 1, HOST, 1, str(self.journal.path)),
            lambda: self.journal,
            self.leases,
            on_views=self._see,
            on_snapshot=ignore,
            on_unclaimed=self._never_sent,
            watched=self._watched,
            clock=clock.monotonic,
        )
        self.guard = SteppedGuard(
            self.leases,
            lambda: self.rules,
            cast(Any, self),
            enforce=True,
            without_rules="closed",
            on_release=self._never_sent,
            clock=clock.monotonic,
            sleep=self._sleep,
            sleep_async=lambda seconds: Slept(seconds),
        )

    def ask(self, ask: Ask) -> Answer | None:
        """Carry an ask: the guard's `Carrier`."""
        if not isinstance(ask.reply, TurnFuture):
            ask.reply = TurnFuture(self._stage)
        return self.sync.ask(ask)

    def record(self, record: Record) -> None:
        """As `Runtime.record`, with a place to die on either side of the line."""
        if self.dead:
            raise Killed
        line = to_line(record)
        self.lines_due.append(line)
        self._stage.pause("before the journal")
        self.lines_due.remove(line)
        self.journal.append(line)
        self.sync.nudge()
        self._stage.pause("after the journal")

    def errand(self, body: dict[str, Any], labels: dict[str, str]) -> Errand:
        """One attempt at this moment."""
        return Errand(self.ids.attempt(), "desk", labels, body, self._clock.wall_ns())

    def attempt(self, errand: Errand, admission: Admission) -> Attempt:
        """The shipped life of one attempt, for a call that nobody watches."""
        call: Any = SimpleNamespace(
            runtime=self,
            id=self.ids.call(),
            work=SimpleNamespace(route=errand.route, labels=errand.labels),
            requested_model=MODEL,
            region=None,
            stage=None,
            marks=None,
            show=ignore,
            charged=ignore,
            streaming=ignore,
        )
        return Attempt(call, errand, MODEL, admission)

    def lent(self) -> dict[str, int]:
        """By balance, what it was ever lent and has not given back, as far as it knows."""
        slices: Any = self.leases._slices  # pyright: ignore[reportPrivateUsage] - looked at, not touched
        return {key: one.granted - one.returned for key, one in slices.items()}

    def close(self) -> None:
        """The end of the process, as `Runtime.close`."""
        shipped = self.sync.close(2.0)
        if not self.leases.holding:
            self.journal.close(remove=shipped)

    def _see(self, views: Iterable[BalanceView]) -> None:
        self.guard.standings.see(views)

    def _watched(self) -> set[str]:
        return self.guard.standings.watched()

    def _never_sent(self, attempt_id: str) -> None:
        self.record(Released(attempt_id, "never sent"))

    def _sleep(self, seconds: float) -> None:
        until = self._clock.seconds + seconds
        self._stage.sleep(seconds)
        self._clock.seconds = max(self._clock.seconds, until)
