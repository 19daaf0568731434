"""What passes between this process and its agent: records and idle money there, grants and rules back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from bursar.instrumentation.journal import Journal
from bursar.instrumentation.leases import Hold, Leases
from bursar.instrumentation.link import BUSY_SECONDS, AgentLink, Misunderstood, Unreachable
from bursar.instrumentation.quiet import quiet, tell_once
from bursar.instrumentation.recall import Recall
from bursar.policies import protocol
from bursar.policies.balancekey import Amounts, Kind, kind_of
from bursar.policies.protocol import Answer, BalanceView, Holder, Need, Snapshot, SyncRequest, SyncResponse, Verdict

HEARTBEAT_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""How long the background waits for more settlements before it ships them."""
AGREED_AT_ONCE = 256
"""Of how many balances that are over a message asks at most whether the agent says so too."""
HURRY_SECONDS = 0.01
"""The same while a balance is so short that what a settlement frees may be what somebody waits for."""


@dataclass(slots=True)
class Ask:
    """What one call wants of the agent: money, or the state of some balances."""

    need: Need | None = None
    views: tuple[str, ...] = ()
    reply: Future[Answer | None] = field(default_factory=Future[Answer | None])


class Sync:
    """
    The channel of this process. Whoever comes first carries everybody's asks; the others find theirs answered.

    Asks go over `link`, in order, on the caller's path and within its deadline; what can wait goes over `back`, which
    a hung agent may hold up without holding up a call. Every message repeats the cumulative counters, so one that is
    lost, doubled or overtaken needs no care.
    """

    def __init__(
        self,
        link: AgentLink,
        back: AgentLink,
        holder: Callable[[], Holder],
        journal: Callable[[], Journal],
        leases: Leases,
        *,
        on_views: Callable[[Iterable[BalanceView]], None],
        on_snapshot: Callable[[Snapshot], None],
        on_unclaimed: Callable[[str], None],
        watched: Callable[[], Iterable[str]] = tuple,
        line: AgentLink | None = None,
        beside: Callable[[], object] = object,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`line` is held open for what the agent wants back at once; None: it is told in the next answer."""
        self._clock = clock
        self._line = line
        self._recall: Recall | None = None
        if line is not None:
            self._recall = Recall(line, lambda: holder().id, idles=lambda: leases.idles, give_back=self._give_back_now)
        self._link = link
        self._back = back
        self._holder = holder
        self._journal = journal
        self._leases = leases
        self._on_views = on_views
        self._on_snapshot = on_snapshot
        self._on_unclaimed = on_unclaimed
        """Told of an attempt that money was lent for after its asker had gone."""
        self._watched = watched
        """The balances that calls were judged by of late: the background keeps their state fresh."""
        self._beside = beside
        """What else is left to the background: done before each shipment."""
        self._careful = False
        """Whether every line is looked at before it is shipped: the agent could not read the last message."""
        self._channel = threading.Lock()
        self._shipping = threading.Lock()
        self._asks: list[Ask] = []
        self._asks_lock = threading.Lock()
        self._seq = 0
        self._snapshot_id: str | None = None
        self._told: dict[str, int] = {}
        """Per balance, the `returned` that the agent has acknowledged."""
        # Destructors nudge at any bytecode: of the standard library's signals only this queue takes that.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._silent = False
        """Whether the last message of the background got no answer."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._thread_lock = threading.RLock()

    def ask(self, ask: Ask) -> Answer | None:
        """
        Carry an ask to the agent and wait for its answer; None for an ask without a need.

        Raises `Unreachable` within the link's deadline.
        """
        self._start()
        with self._asks_lock:
            self._asks.append(ask)
        if self._channel.acquire(timeout=BUSY_SECONDS):
            try:
                if not ask.reply.done():
                    self._carry()
            finally:
                self._channel.release()
        elif ask.reply.cancel():  # from here on nobody holds money for it
            raise Unreachable("the agent has kept others waiting")
        return ask.reply.result(timeout=BUSY_SECONDS)

    def nudge(self) -> None:
        """Something is worth shipping soon. Safe from destructors."""
        self._start()
        self._wake.put(None)

    def flush(self, timeout: float) -> bool:
        """Ship everything now; whether the agent has booked it all."""
        until = self._clock() + timeout
        if not self._shipping.acquire(timeout=timeout):
            return False
        try:
            self._ship()
            while not self._journal().drained:
                if self._clock() >= until:
                    return False
                self._ship()
        except Unreachable:
            return False
        finally:
            self._shipping.release()
        return True

    def close(self, timeout: float) -> bool:
        """
        Ship the rest, give all money back and close this incarnation, within `timeout` seconds; whether it was taken.

        An agent that has not answered the background is not waited for: the journal has it all.
        """
        self._stopping.set()
        self._wake.put(None)
        if self._recall is not None:
            self._recall.close()
        if self._silent:
            return False
        done = self.flush(timeout) and self._say_goodbye(timeout)
        self._back.close()
        if self._channel.acquire(timeout=BUSY_SECONDS):
            self._link.close()
            self._channel.release()
        return done

    def abandon(self) -> None:
        """Forget the parent's connections after a fork."""
        self._link.abandon()
        self._back.abandon()
        if self._line is not None:
            self._line.abandon()

    def _carry(self) -> None:
        with self._asks_lock:
            asks, self._asks = self._asks, []
        try:
            waiting, response = self._exchange_asks(asks)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may be left waiting for an answer
            if not isinstance(error, Unreachable):
                tell_once("carry", "bursar could not take over what its agent answered", exc_info=True)
            for ask in asks:
                if ask.reply.running() or (not ask.reply.cancelled() and ask.reply.set_running_or_notify_cancel()):
                    ask.reply.set_exception(Unreachable(str(error)))
            return
        answers = {answer.attempt_id: answer for answer in response.answers}
        for ask in waiting:
            ask.reply.set_result(answers.get(ask.need.attempt_id) if ask.need is not None else None)

    def _exchange_asks(self, asks: Sequence[Ask]) -> tuple[list[Ask], SyncResponse]:
        if self._stopping.is_set():
            raise Unreachable("this process has given its money back")
        if self._link.broken:
            raise Unreachable("the agent did not answer a moment ago")
        self._seq += 1
        return self._exchange(self._link, self._seq, asks)

    def _say_goodbye(self, timeout: float) -> bool:
        """
        Close this incarnation, unless other threads have calls under way.

        The agent would lend what these hold to others: they are accounted for by whoever adopts the journal.
        """
        if not self._shipping.acquire(timeout=timeout):
            return False
        try:
            last = not self._holding_still()
            self._ship(goodbye=last)
        except Unreachable:
            return False
        finally:
            self._shipping.release()
        return last

    def _holding_still(self) -> bool:
        """Whether anything is held once no ask can bring more: none is on its way, and nothing is free."""
        if not self._channel.acquire(timeout=BUSY_SECONDS):
            return True
        try:
            self._leases.give_back(everything=True)
            return self._leases.holding
        finally:
            self._channel.release()

    def _give_back_now(self, wanted: Collection[str]) -> None:
        """Somebody waits for the idle money of these balances."""
        if self._leases.recall(wanted):
            with self._shipping:
                self._ship()

    def _ship(self, *, goodbye: bool = False) -> None:
        """Records and idle money alone. Sequence zero: such a message may arrive at any time, it is granted nothing."""
        try:
            self._exchange(self._back, 0, (), goodbye=goodbye)
        except Unreachable:
            self._silent = True
            raise
        self._silent = False
        self._link.mend()

    def _exchange(
        self, link: AgentLink, seq: int, asks: Sequence[Ask], *, goodbye: bool = False
    ) -> tuple[list[Ask], SyncResponse]:
        """One message and its answer; with it those of the asks whose asker still waits."""
        asks = [ask for ask in asks if not ask.reply.cancelled()]
        batch = self._journal().unshipped()
        # Counters that the agent has acknowledged and that nothing stirs are told again at the end only: with a balance
        # for every tenant and hour they would grow without end.
        given_back = self._leases.give_back(everything=goodbye)
        returned = {key: amount for key, amount in given_back.items() if goodbye or self._told.get(key) != amount}
        forgets = self._leases.forgets
        if forgets and not asks:
            returned |= self._leases.unagreed(AGREED_AT_ONCE)
        stirring = {*returned, *self._leases.busy(), *(key for ask in asks if ask.need for key in ask.need.balances)}
        views = {key for ask in asks for key in ask.views} if asks else self._watched()
        request = SyncRequest(
            holder=self._holder(),
            seq=seq,
            returned=returned,
            granted_seen={key: amount for key, amount in self._leases.granted().items() if key in stirring},
            needs=tuple(ask.need for ask in asks if ask.need is not None),
            views=tuple(views),
            snapshot_id=self._snapshot_id,
            goodbye=goodbye,
            knows=(protocol.RESERVES, protocol.FORGETS) if forgets else (protocol.RESERVES,),
        )
        response = self._post(
            link, protocol.to_body(request, filter(_sound, batch.lines) if self._careful else batch.lines)
        )
        self._journal().acknowledge(batch)
        self._told.update(returned)
        waiting = [ask for ask in asks if ask.reply.set_running_or_notify_cancel()]
        self._leases.set_aside(response.reserves)
        self._leases.merge(response.granted, _holds(waiting, response), response.settled)
        for attempt_id in _holds([ask for ask in asks if ask not in waiting], response):
            self._on_unclaimed(attempt_id)
        if self._leases.let_keep(response.granted, response.keep) or self._leases.overfull(response.reserves):
            self.nudge()
        if response.settled is not None and link is self._back:
            self._forget(response)
        if self._recall is not None:
            self._recall.look()
        self._on_views(response.views)
        if response.snapshot is not None:
            self._snapshot_id = response.snapshot.id
            self._on_snapshot(response.snapshot)
        return waiting, response

    def _forget(self, response: SyncResponse) -> None:
        """Forget balances that are over, unless an ask is on its way: its answer would be taken for new money."""
        self._leases.agree(response.granted, response.settled or {})
        if self._channel.acquire(blocking=False):
            try:
                for balance in self._leases.forget():
                    self._told.pop(balance, None)
            finally:
                self._channel.release()

    def _post(self, link: AgentLink, body: bytes) -> SyncResponse:
        try:
            answer = link.post(protocol.PATH, body, patient=link is self._back)
            self._careful = False
            return protocol.response_from_json(answer)
        except Misunderstood:
            self._careful = True
            raise
        except protocol.ProtocolError as error:
            raise Unreachable(str(error)) from error

    def _start(self) -> None:
        if self._thread is not None or self._stopping.is_set():
            return
        with self._thread_lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bursar-sync", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        """Ship in the background: soon after something settles, and once a second to be heard of."""
        while not self._stopping.is_set():
            if _taken(self._wake, HEARTBEAT_SECONDS):
                self._stopping.wait(HURRY_SECONDS if self._leases.short else GATHER_SECONDS)
                while _taken(self._wake, 0):
                    pass
            with quiet("do its work in the background"):
                self._beside()
            with quiet("talk to its agent"):
                try:
                    with self._shipping:
                        if not self._stopping.is_set():  # whoever stops it ships the rest, and hangs up
                            self._ship()
                except Unreachable as error:
                    tell_once(
                        "unreachable",
                        f"bursar: the agent does not answer ({error}); charges wait in the journal and each budget's "
                        "`on_unreachable` decides. Start it with `bursar agent`, or unset BURSAR_AGENT.",
                    )
                    self._stopping.wait(HEARTBEAT_SECONDS)


def _taken(queue: SimpleQueue[None], timeout: float) -> bool:
    try:
        queue.get(block=timeout > 0, timeout=timeout or None)
    except Empty:
        return False
    return True


def _holds(asks: Sequence[Ask], response: SyncResponse) -> dict[str, Hold]:
    """What the granted needs hold, by attempt."""
    needs = {ask.need.attempt_id: ask.need for ask in asks if ask.need is not None}
    return {
        answer.attempt_id: Hold(needs[answer.attempt_id].balances, lent_by(answer, needs[answer.attempt_id]))
        for answer in response.answers
        if answer.verdict is Verdict.GRANTED and answer.attempt_id in needs
    }


def lent_by(answer: Answer, need: Need) -> Amounts:
    """
    What a grant sets aside in each kind; an expectation is never above what is lent for the worst case.

    Where no balance counts tokens all of them are had: an earlier agent does not speak of them.
    """
    in_tokens = any(kind_of(key) is Kind.TOKENS for key in need.balances)
    tokens = answer.tokens if in_tokens else need.most_tokens
    return Amounts(answer.amount, tokens, 1, min(need.expected, answer.amount))


def _sound(line: bytes) -> bool:
    """Whether a line is a JSON object, looked at in full."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
