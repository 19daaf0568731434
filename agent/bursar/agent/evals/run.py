"""How are samples run on a candidate, and on a reference, without ever passing the run's own budget?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from bursar.agent.batching.charging import charge_of, unknown
from bursar.agent.evals.asks import Ask, Terms, Unasked, ask
from bursar.agent.evals.purse import Purse, most_affordable
from bursar.agent.evals.sending import Answer, Fate
from bursar.agent.ledger.life import Attempt
from bursar.policies.charge import Charge
from bursar.policies.records import Record, Released, Sent, Settled

ROUTE = "bursar.eval"
"""Under which the run's own calls are booked."""
MOST_PAIRS = 16
"""Pairs in one wave that is sent at once: their bounds are set aside together."""
MOST_WAVE_BYTES = 64 * 1024 * 1024

Arm = Literal["candidate", "reference"]


@dataclass(frozen=True, slots=True)
class Known:
    """A sample, readable."""

    attempt_id: str
    model: str
    betas: str
    request: str
    answer: str
    output_tokens: int | None = None
    """Of its answer, where the ledger has them."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run. `reference` is None where the answers that were recorded are the measure."""

    route: str
    candidate: str
    reference: str | None
    budget_nano: int


@dataclass(slots=True)
class Pair:
    """A sample with what it is asked, and what came of it."""

    sample: Known
    candidate: Ask
    reference: Ask | None
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    """By attempt."""

    @property
    def asks(self) -> list[Ask]:
        return [self.candidate] if self.reference is None else [self.candidate, self.reference]

    @property
    def worst_nano(self) -> int:
        return sum(one.worst_nano for one in self.asks)

    @property
    def likely_nano(self) -> int:
        return sum(min(one.likely_nano, one.worst_nano) for one in self.asks)

    @property
    def bytes(self) -> int:
        return sum(len(one.body) for one in self.asks)

    def answer(self, arm: Arm) -> Answer | None:
        """What became of one side."""
        asked = self.candidate if arm == "candidate" else self.reference
        return None if asked is None else self.answers.get(asked.attempt_id)


@dataclass(slots=True)
class Ran:
    """What a run brought, also one that did not come to its end."""

    pairs: list[Pair]
    unasked: Counter[Unasked]
    purse: Purse
    stopped: str = ""
    """Why some pairs were not run; empty where all were."""
    broken: bool = False
    """Whether somebody broke it off."""

    @property
    def answered(self) -> list[Pair]:
        """Those of which anything is known."""
        return [pair for pair in self.pairs if pair.answers]


class Ledgerlike(Protocol):
    """Where it is booked; blocks."""

    def book(self, found: Iterable[Record]) -> None: ...


class Sends(Protocol):
    """Sends asks, and tells of each; see `sending.Sender`."""

    def send(self, asks: Sequence[Ask]) -> Awaitable[None]: ...


def pairs_of(
    samples: Iterable[Known], order: Order, terms: Terms, new_id: Callable[[], str]
) -> tuple[list[Pair], Counter[Unasked]]:
    """What is to be asked, and for how many samples that is nothing, by reason."""
    found: list[Pair] = []
    unasked: Counter[Unasked] = Counter()
    for sample in samples:
        output = sample.output_tokens
        mine = ask(new_id(), sample.request, sample.betas, order.candidate, terms, output=output)
        other = None
        if order.reference is not None:
            other = ask(new_id(), sample.request, sample.betas, order.reference, terms, output=output)
        if not isinstance(mine, Ask):
            unasked[mine] += 1
        elif other is not None and not isinstance(other, Ask):
            unasked[other] += 1
        else:
            found.append(Pair(sample, mine, other))
    return found, unasked


class Run:
    """One run, wave after wave: what a wave may cost is set aside before it leaves, and booked before and after."""

    def __init__(
        self,
        order: Order,
        ran: Ran,
        terms: Terms,
        books: Ledgerlike,
        clock_ns: Callable[[], int],
        on_answer: Callable[[Answer], object] = lambda _: None,
    ) -> None:
        self._order = order
        self._ran = ran
        self._terms = terms
        self._books = books
        self._clock_ns = clock_ns
        self._on_answer = on_answer
        self._told: list[Answer] = []

    def told(self, answer: Answer) -> None:
        """Of what became of an ask of the wave at hand."""
        self._told.append(answer)
        self._on_answer(answer)

    async def carry_out(self, sender: Sends) -> Ran:
        """Run what the budget pays for. Broken off, it books what is known by then, and says so in what it returns."""
        ran = self._ran
        left = list(ran.pairs)
        while left and not ran.stopped:
            wave = self._affordable(left)
            if not wave:
                ran.stopped = "budget"
                break
            left = left[len(wave) :]
            try:
                await self._wave(wave, sender)
            except asyncio.CancelledError:
                ran.broken, ran.stopped = True, "broken off"
            if not ran.stopped and not any(_costs(answer) for pair in wave for answer in pair.answers.values()):
                ran.stopped = next((one.why for pair in wave for one in pair.answers.values()), "no answer")
        return ran

    def _affordable(self, left: list[Pair]) -> list[Pair]:
        """The next pairs whose bounds the budget holds: so many at once, or as many as a batch may carry."""
        count = most_affordable([pair.worst_nano for pair in left], self._ran.purse.left)
        if not all(asked.batch for pair in left[:count] for asked in pair.asks):
            count = min(count, MOST_PAIRS)
        return left[: min(count, max(most_affordable([pair.bytes for pair in left], MOST_WAVE_BYTES), 1))]

    async def _wave(self, wave: list[Pair], sender: Sends) -> None:
        sent = {asked.attempt_id: self._attempt(asked, pair) for pair in wave for asked in pair.asks}
        asks = [asked for pair in wave for asked in pair.asks]
        self._ran.purse.hold({asked.attempt_id: asked.worst_nano for asked in asks})
        self._told = []
        never = Fate.FAILED
        try:
            await asyncio.to_thread(self._books.book, [_sent(sent[asked.attempt_id], asked) for asked in asks])
            never = Fate.UNKNOWN
            await sender.send(asks)
        finally:
            await self._settle(wave, sent, never)

    async def _settle(self, wave: list[Pair], sent: dict[str, Attempt], never: Fate) -> None:
        """Book what became of all of it; `never`: of what nothing was told, which once it was sent nobody knows."""
        told = {answer.ask.attempt_id: answer for answer in self._told}
        found: list[Record] = []
        for pair in wave:
            for asked in pair.asks:
                answer = told.get(asked.attempt_id) or Answer(asked, never, why="broken off")
                pair.answers[asked.attempt_id] = answer
                record = self._record(sent[asked.attempt_id], answer)
                cost = record.charge.cost_nano_usd if isinstance(record, Settled) else 0
                self._ran.purse.settle(asked.attempt_id, cost)
                found.append(record)
        await asyncio.to_thread(self._books.book, found)

    def _record(self, attempt: Attempt, answer: Answer) -> Record:
        if answer.fate is Fate.ANSWERED and answer.message is not None:
            return Settled(self._charge(attempt, answer))
        if answer.fate is Fate.UNKNOWN:
            return Settled(unknown(attempt, answer.why))
        return Released(attempt.attempt_id, answer.why)

    def _charge(self, attempt: Attempt, answer: Answer) -> Charge:
        assert answer.message is not None
        book, request_id = self._terms.book, answer.request_id
        charge = charge_of(attempt, answer.message, batch=answer.batch, book=book, request_id=request_id)
        return replace(charge, duration_ns=answer.duration_ns)

    def _attempt(self, asked: Ask, pair: Pair) -> Attempt:
        arm: Arm = "candidate" if asked is pair.candidate else "reference"
        return Attempt(
            asked.attempt_id,
            call_id=asked.attempt_id,
            at_ns=self._clock_ns(),
            route=ROUTE,
            model=asked.model,
            requested_model=asked.model,
            labels={"eval": self._order.route, "arm": arm},
        )


def _sent(attempt: Attempt, asked: Ask) -> Sent:
    return Sent(
        attempt.attempt_id,
        attempt.call_id,
        attempt.at_ns,
        attempt.route,
        attempt.model,
        attempt.requested_model,
        attempt.labels,
        bound_nano=asked.worst_nano,
        expected_nano=min(asked.likely_nano, asked.worst_nano),
    )


def _costs(answer: Answer) -> bool:
    """Whether the API took it up, so that the next may be answered too."""
    return answer.fate is not Fate.FAILED
