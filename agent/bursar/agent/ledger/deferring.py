"""
How does a call that is put off move on, and its money with it? Every step is whole in one transaction.

What each attempt holds is lent to the agent itself (`holders.OWN`), and goes back as soon as the attempt is over.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import attempts, batchbook, booking, deferralbook, holders, lending
from bursar.agent.ledger.deferralbook import Deferral, Text
from bursar.agent.ledger.life import State as AttemptState
from bursar.policies.charge import Charge
from bursar.policies.deferral import State, Taken
from bursar.policies.policy import Policy
from bursar.policies.protocol import Answer, Holder, Need, Verdict
from bursar.policies.records import Record, Released, Sent, Settled


@dataclass(frozen=True, slots=True)
class Terms:
    """By which rules, and when, a step is booked."""

    policy: Policy | None
    now_ns: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a step changed."""

    balances: frozenset[str] = frozenset()
    over: tuple[str, ...] = ()
    """Calls that have come to their end."""

    def __add__(self, other: Step) -> Step:
        return Step(self.balances | other.balances, (*self.over, *other.over))


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of an offer."""

    taken: Taken
    balances: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Lent:
    """Whether a new attempt got its money."""

    answer: Answer
    balances: frozenset[str] = frozenset()

    @property
    def granted(self) -> bool:
        return self.answer.verdict is Verdict.GRANTED


def open_own(db: Database, now_ns: int) -> None:
    """Make the agent known as a holder of its own."""
    holders.register(
        db, Holder(holders.OWN, 0, socket.gethostname(), now_ns, service="bursar agent"), seq=0, now_ns=now_ns
    )


def rejoined(db: Database, deferral_id: str, route: str, key: str) -> Deferral | None:
    """What an offer finds there already: itself, or work of that name which has an answer or still may have one."""
    found = deferralbook.find(db, deferral_id)
    if found is not None:
        return found
    named = deferralbook.with_key(db, route, key) if key else None
    if named is None or named.state in (State.ERRORED, State.EXPIRED, State.CANCELLED):
        return None
    gone = named.over and deferralbook.text_of(db, named.id, "answer") is None
    return None if gone else named


def take(db: Database, deferral: Deferral, request: Text, terms: Terms) -> Acceptance:
    """Take a call: its row, its request, its first attempt and what that holds; or none of it, where money lacks."""
    known = rejoined(db, deferral.id, deferral.route, deferral.key)
    if known is not None:
        return Acceptance(Taken(known.id, accepted=True, state=known.told, rejoined=True))
    lent = _lend(db, deferral, deferral.attempt_id, terms, at_ns=deferral.at_ns)
    if not lent.granted:
        answer = lent.answer
        return Acceptance(Taken(deferral.id, accepted=False, reason=answer.reason, balance=answer.balance))
    deferralbook.add(db, deferral)
    deferralbook.keep_text(db, deferral.id, "request", request)
    return Acceptance(Taken(deferral.id, accepted=True), lent.balances)


def again(db: Database, deferral: Deferral, terms: Terms, *, failed: bool, flush_ns: int) -> Lent:
    """Queue a call for another batch under a new attempt; where that gets no money, the call stays as it is."""
    attempt_id = f"{deferral.first_attempt}-r{deferral.attempts}"
    lent = _lend(db, deferral, attempt_id, terms, at_ns=terms.now_ns)
    if lent.granted:
        deferralbook.change(
            db,
            deferral.id,
            state=State.QUEUED,
            attempt_id=attempt_id,
            attempts=deferral.attempts + 1,
            failures=deferral.failures + int(failed),
            batch=None,
            flush_ns=flush_ns,
        )
    return lent


def fall_back(db: Database, deferral: Deferral, terms: Terms) -> Lent:
    """
    Wait for no batch any more: an attempt at the ordinary price gets its money, or the call stays as it is.

    What is in a batch already stays an attempt in flight, and is charged if it is answered after all.
    """
    freed = frozenset[str]()
    if deferral.state is State.QUEUED:
        freed = release(db, deferral.attempt_id, "withdrawn", "no batch would make it in time", terms)
        free(db, freed)
    attempt_id = f"{deferral.first_attempt}-f"
    lent = _lend(db, deferral, attempt_id, terms, at_ns=terms.now_ns, ordinary=True)
    if lent.granted:
        deferralbook.change(db, deferral.id, state=State.FALLEN_BACK, fallback=attempt_id)
    return Lent(lent.answer, lent.balances | freed)


def end(
    db: Database, deferral: Deferral, state: State, terms: Terms, *, answer: Text | None, status: int = 0, why: str = ""
) -> Step:
    """Bring a call to its end, unless it has come to one already: the first answer stays."""
    if deferral.over:
        return Step()
    deferralbook.change(db, deferral.id, state=state, ended_ns=terms.now_ns, status=status, why=why)
    if answer is not None:
        deferralbook.keep_text(db, deferral.id, "answer", answer)
    return Step(over=(deferral.id,))


def give_up(db: Database, deferral: Deferral, state: State, why: str, terms: Terms) -> Step:
    """
    End a call that nobody waits for. What has not left is released; what is in a batch is charged if it is answered.
    """
    freed = frozenset[str]()
    if deferral.state is State.QUEUED:
        freed = release(db, deferral.attempt_id, "withdrawn", why, terms)
    if deferral.state is State.FALLEN_BACK and deferral.fallback is not None and not deferral.fallback_sent:
        freed |= release(db, deferral.fallback, "withdrawn", why, terms)
    return Step(freed) + end(db, deferral, state, terms, answer=None, why=why)


def release(db: Database, attempt_id: str, outcome: str, detail: str, terms: Terms) -> frozenset[str]:
    """An attempt cost nothing: what it held is free."""
    batchbook.end_try(db, attempt_id, outcome, detail=detail, now_ns=terms.now_ns)
    return _book(db, [Released(attempt_id, detail or outcome)], terms)


def settle(db: Database, charge: Charge, outcome: str, detail: str, terms: Terms) -> frozenset[str]:
    """An attempt cost something: what it held beyond that is free. The same again changes nothing."""
    batchbook.end_try(db, charge.attempt_id, outcome, detail=detail, now_ns=terms.now_ns)
    return _book(db, [Settled(charge)], terms)


def charges(db: Database, attempt_ids: Sequence[str]) -> list[Charge]:
    """What these attempts were charged, in this order; without those that cost nothing."""
    found = (attempts.load(db, attempt_id) for attempt_id in attempt_ids)
    return [one.charge for one in found if one is not None and one.charge and one.state is AttemptState.SETTLED]


def _lend(
    db: Database, deferral: Deferral, attempt_id: str, terms: Terms, *, at_ns: int, ordinary: bool = False
) -> Lent:
    """Money for an attempt, and its `sent` record with it."""
    most = deferral.sync_most if ordinary else deferral.most
    expected = deferral.sync_expected if ordinary else deferral.expected
    tokens, expected_tokens = deferral.most_tokens, deferral.expected_tokens
    if deferral.hard:
        need = Need(attempt_id, deferral.hard, most, most, expected, tokens, tokens, expected_tokens)
        answer = lending.lend_exactly(db, holders.OWN, need, policy=terms.policy, now_ns=terms.now_ns)
    else:
        answer = Answer(attempt_id, Verdict.GRANTED)
    if answer.verdict is not Verdict.GRANTED:
        return Lent(answer)
    sent = Sent(
        attempt_id=attempt_id,
        call_id=deferral.call_id,
        at_ns=at_ns,
        route=deferral.route,
        model=deferral.model,
        requested_model=deferral.requested_model,
        labels=deferral.labels,
        balances=deferral.balances,
        leased=deferral.hard,
        bound_nano=most if deferral.bounded else None,
        expected_nano=min(expected, most) if deferral.bounded else expected,
        action="batch",
        reason=deferral.reason,
        bound_tokens=tokens or None,
        expected_tokens=expected_tokens,
        decision=_decision(deferral.decision, ordinary=ordinary),
    )
    batchbook.add_tries(db, [(attempt_id, deferral.id, None, at_ns)])
    return Lent(answer, _book(db, [sent], terms))


def _decision(decision: Mapping[str, Any], *, ordinary: bool) -> Mapping[str, Any]:
    return {**decision, "fallen_back": True} if ordinary else decision


def _book(db: Database, records: Sequence[Record], terms: Terms) -> frozenset[str]:
    return booking.book(db, records, holder=holders.OWN, policy=terms.policy, now_ns=terms.now_ns).balances


def free(db: Database, balances: frozenset[str]) -> None:
    """Give back what no attempt holds any more; once at the end of a transaction, since it adds up what is held."""
    holders.square(db, holders.OWN, balances)
