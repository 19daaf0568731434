"""How do records become charges, each counted once in every balance, however often and in whatever order they come?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import attempts, balances, postings, rollups, soundness
from bursar.agent.ledger.life import (
    Attempt,
    Source,
    State,
    as_duplicate,
    as_orphan,
    of_charge,
    with_charge,
    with_own_word,
    with_release,
    with_sent,
)
from bursar.agent.ledger.meters import Meters
from bursar.policies.balancekey import Amounts, kind_of, told_of
from bursar.policies.charge import Charge
from bursar.policies.policy import Policy
from bursar.policies.records import Decided, Record, Released, Sent, Settled


@dataclass(frozen=True, slots=True)
class Booked:
    """What a booking changed."""

    balances: frozenset[str] = frozenset()
    """Keys of the balances whose spending or holds are other than before."""
    duplicates: tuple[str, ...] = ()
    """Attempts whose response counts under another attempt."""


@dataclass(slots=True)
class _Desk:
    """One booking: what it stands on, and what it has touched so far."""

    db: Database
    holder: str | None
    policy: Policy | None
    now_ns: int
    touched: set[str] = field(default_factory=set[str])
    duplicates: list[str] = field(default_factory=list[str])
    meters: Meters = field(default_factory=Meters)

    @property
    def source(self) -> Source:
        return "span" if self.holder is None else "journal"

    def booked(self) -> Booked:
        """The end of it: what is added up is written."""
        self.meters.write(self.db)
        return Booked(frozenset(self.touched), tuple(dict.fromkeys(self.duplicates)))


def book(db: Database, records: Sequence[Record], *, holder: str | None, policy: Policy | None, now_ns: int) -> Booked:
    """
    Book records of one process (`holder` is its incarnation), or of other people's spans (`holder` is None).

    Balances are those that `sent` names; where it names none, all that the policy matches at the time of sending.
    Raises `RecordError` for a record whose figures cannot be true, before anything of it is booked.
    """
    desk = _Desk(db, holder, policy, now_ns)
    for record in records:
        soundness.check(record)
        if not _is_over(db, record):
            _BOOK[type(record)](desk, record)
    return desk.booked()


def book_new(db: Database, charges: Sequence[Charge], *, policy: Policy | None, now_ns: int) -> tuple[Booked, int]:
    """
    Book final charges that spans tell of what `attempts.strangers` says is known to nobody: what `book` does, at once.

    Those whose figures cannot be true are left out, as are those that are rolled up. Also how many were booked.
    """
    desk = _Desk(db, None, policy, now_ns)
    sound = [charge for charge in charges if soundness.is_sound(charge)]
    names = [(charge.attempt_id, charge.response_id) for charge in sound]
    buried = rollups.are_buried(db, names)
    new = [
        of_charge(charge, balances=_balances(policy, charge), source="span", now_ns=now_ns)
        for charge, over in zip(sound, buried, strict=True)
        if not over
    ]
    attempts.add(db, new)
    desk.touched |= postings.add(db, new, policy=policy, now_ns=now_ns)
    for attempt in new:
        desk.meters.note(None, attempt)
    return desk.booked(), len(new)


def _balances(policy: Policy | None, told: Charge | Attempt) -> tuple[str, ...]:
    """The balances of a policy that something counts in."""
    if policy is None:
        return ()
    matched = balances.matching(policy, at_ns=told.at_ns, route=told.route, model=told.model, labels=dict(told.labels))
    return tuple(dict.fromkeys(matched))


def _is_over(db: Database, record: Record) -> bool:
    """Whether a record is of an attempt that was counted so long ago that only its sums are kept."""
    match record:
        case Decided():
            return False
        case Settled(charge=charge):
            names = (charge.attempt_id, charge.response_id)
        case _:
            names = (record.attempt_id, None)
    return rollups.is_buried(db, *names)


def orphan(db: Database, holder: str, *, policy: Policy | None = None, now_ns: int) -> Booked:
    """
    Close what a dead process has left open: holds are released, what was sent counts as its bound.

    To be called once its journal has been read. A charge that turns up later replaces the bound exactly.
    """
    desk = _Desk(db, holder, policy, now_ns)
    for attempt in attempts.open_of(db, holder):
        _keep(desk, attempt, as_orphan(attempt, now_ns))
    return desk.booked()


def count_under(db: Database, attempt_id: str, keeper: str, *, policy: Policy | None, now_ns: int) -> Booked:
    """Have an attempt that another one turns out to tell of count there, and nowhere else. One unknown is none."""
    desk = _Desk(db, None, policy, now_ns)
    before = attempts.load(db, attempt_id)
    if before is not None and before.duplicate_of is None:
        _keep(desk, before, as_duplicate(before, keeper))
    return desk.booked()


def hold(db: Database, attempt: Attempt) -> None:
    """Keep a hold that was just granted, unless its attempt is known to be further already."""
    before = attempts.load(db, attempt.attempt_id)
    if before is None or before.state is State.HELD:
        _keep(_Desk(db, attempt.holder, None, attempt.at_ns), before, attempt)


def _book_sent(desk: _Desk, sent: Sent) -> None:
    before = attempts.load(desk.db, sent.attempt_id)
    after = _keep(desk, before, with_sent(before or Attempt(sent.attempt_id), sent, desk.holder))
    if sent.action != "go":
        _decide(desk, sent.attempt_id, sent)
    if after.duplicate_of is not None:
        _reclaim(desk, after, after.duplicate_of)


def _reclaim(desk: _Desk, attempt: Attempt, counted_under: str) -> None:
    """An attempt that was really sent takes its response back from one that only a span told of."""
    other = attempts.load(desk.db, counted_under)
    if other is not None and not other.sent:
        _unite(desk, attempt, other)


def _book_settled(desk: _Desk, settled: Settled) -> None:
    charge = settled.charge
    before = attempts.load(desk.db, charge.attempt_id)
    attempt = before or Attempt(charge.attempt_id)
    if settled.final and desk.holder is not None:
        attempt = with_own_word(attempt, charge, desk.holder)
    rival = _rival(desk, attempt, charge)
    if rival is None:
        _keep(desk, before, _charged(desk, attempt, settled))
    elif attempt.sent and not rival.sent:
        united = _unite(desk, _keep(desk, before, attempt), rival)
        _keep(desk, united, _charged(desk, united, settled))
    else:
        _count_elsewhere(desk, before, attempt, rival, settled)


def _rival(desk: _Desk, attempt: Attempt, charge: Charge) -> Attempt | None:
    """Another attempt under which the same response counts: found by its id, known already, or of the same request."""
    named = attempts.with_response(desk.db, charge.response_id) if charge.response_id else None
    if named is not None and named.attempt_id != attempt.attempt_id:
        return named
    if attempt.duplicate_of is not None:
        return attempts.load(desk.db, attempt.duplicate_of)
    return _of_request(desk, attempt, charge)


def _of_request(desk: _Desk, attempt: Attempt, charge: Charge) -> Attempt | None:
    """
    The one other attempt of the same HTTP request, if only spans told of it and one of the two names no response.

    `intake` leads a span to the journal's attempt; this is for the span that came first. A request id alone does not
    make two responses one: the results of a batch share it.
    """
    if charge.request_id is None:
        return None
    others = [
        other
        for other in attempts.with_request(desk.db, charge.request_id)
        if other.attempt_id != attempt.attempt_id and other.duplicate_of is None
    ]
    if len(others) != 1 or others[0].sent or others[0].source != "span":
        return None
    return others[0] if None in (others[0].response_id, charge.response_id or attempt.response_id) else None


def _count_elsewhere(desk: _Desk, before: Attempt | None, attempt: Attempt, keeper: Attempt, settled: Settled) -> None:
    """A charge for a response that another attempt holds: it may correct that one, and counts nowhere else."""
    if attempt.duplicate_of is None:
        # First of all the attempt gives up its response: the ledger has each under one attempt only.
        other = _charged(desk, attempt, settled) if before is None else attempt
        keeper = _unite(desk, keeper, other, kept=before is not None)
    else:
        _keep(desk, before, attempt)
    _keep(desk, keeper, _charged(desk, keeper, settled))
    desk.duplicates.append(attempt.attempt_id)


def _charged(desk: _Desk, attempt: Attempt, settled: Settled) -> Attempt:
    return with_charge(attempt, settled.charge, final=settled.final, source=desk.source, now_ns=desk.now_ns)


def _unite(desk: _Desk, keeper: Attempt, other: Attempt, *, kept: bool = True) -> Attempt:
    """
    Count two attempts as one: the keeper with the weightier charge of both, the other as its duplicate.

    `kept`: whether the ledger has the other already.
    """
    for follower in (other, *attempts.duplicates_of(desk.db, other.attempt_id)):
        if follower.attempt_id != keeper.attempt_id:
            before = follower if kept or follower is not other else None
            _keep(desk, before, as_duplicate(follower, keeper.attempt_id))
    desk.duplicates.append(other.attempt_id)
    merged = replace(
        keeper,
        duplicate_of=None,
        response_id=other.response_id or keeper.response_id,
        told_nano=other.told_nano if keeper.told_nano is None else keeper.told_nano,
    )
    if other.charge is not None and other.source is not None:
        final = other.state is not State.PROVISIONAL
        merged = with_charge(merged, other.charge, final=final, source=other.source, now_ns=desk.now_ns)
    return _keep(desk, keeper, merged)


def _book_released(desk: _Desk, released: Released) -> None:
    before = attempts.load(desk.db, released.attempt_id)
    _keep(desk, before, with_release(before or Attempt(released.attempt_id), desk.holder, released.why))


def _book_decided(desk: _Desk, decided: Decided) -> None:
    _decide(desk, f"{decided.call_id}@{decided.at_ns}", decided)


def _decide(desk: _Desk, decision_id: str, record: Sent | Decided) -> None:
    cursor = desk.db.conn.execute(
        """
        INSERT INTO decisions (id, call_id, at_ns, route, model, labels, action, reason, decision,
            cascade, stage, strong_model, escalation)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
        """,
        [
            decision_id,
            record.call_id,
            record.at_ns,
            record.route,
            record.model,
            json.dumps(dict(record.labels)),
            record.action,
            record.reason,
            json.dumps(dict(record.decision)),
            *attempts.stage_columns(record.stage).values(),
        ],
    )
    if cursor.rowcount == 1:
        desk.meters.decided(record)


_BOOK: Mapping[type[Record], Callable[[_Desk, Any], None]] = {
    Sent: _book_sent,
    Settled: _book_settled,
    Released: _book_released,
    Decided: _book_decided,
}


def _keep(desk: _Desk, before: Attempt | None, after: Attempt) -> Attempt:
    """Save an attempt, and bring its postings, holds and leases to what it now says."""
    after = _with_balances(desk, after)
    if after == before:
        return after
    after = _charge_leases(desk, after)
    attempts.save(desk.db, after)
    desk.meters.note(before, after)
    if before is not None or after.posted is not None:  # one that is new and counts as nothing has no postings
        desk.touched |= postings.bring(desk.db, after, policy=desk.policy, now_ns=desk.now_ns)
    _hold(desk, after, new=before is None)
    return after


def _with_balances(desk: _Desk, attempt: Attempt) -> Attempt:
    """The attempt with its balances fixed: when it was sent, or when it first counts, at the policy of that moment."""
    if attempt.balances is not None or not (attempt.sent or attempt.charge is not None):
        return attempt
    lenders = tuple(dict.fromkeys(told_of(key) for key in attempt.leased))
    if desk.policy is None:
        # Money that was spent under no policy belongs to no budget, also when one is written later.
        return replace(attempt, balances=lenders) if attempt.posted_nano is not None else attempt
    matched = _balances(desk.policy, attempt)
    return replace(attempt, balances=tuple(dict.fromkeys((*matched, *lenders))))


def _charge_leases(desk: _Desk, attempt: Attempt) -> Attempt:
    """
    Take the cost that the process itself told off the leases it was held in, once.

    Corrections by others move only the balance, since the process counts its own way. What a charge exceeds its hold
    by is granted by the fact, so that what is out never falls below zero.
    """
    holder = attempt.holder
    if not (attempt.own_final and attempt.leased) or attempt.lease_charged_nano is not None or holder is None:
        return attempt
    charges, held = attempt.lease_charge, attempt.held
    for key in attempt.leased:
        charge = charges[kind_of(key)]
        overrun = max(charge - held[kind_of(key)], 0)
        desk.db.conn.execute(
            """
            INSERT INTO leases (balance, holder, granted, charged) VALUES (?, ?, ?, ?)
            ON CONFLICT (balance, holder) DO UPDATE
                SET charged = charged + excluded.charged,
                    granted = max(granted + ?, returned + charged + excluded.charged)
            """,
            [key, holder, charge, charge, overrun],
        )
    desk.touched.update(attempt.leased)
    return replace(attempt, lease_charged_nano=charges.usd)


def _hold(desk: _Desk, attempt: Attempt, *, new: bool) -> None:
    """Bring an attempt's holds to what it may still cost: nothing once it is settled or released."""
    standing = set[str]() if new else _standing(desk.db, attempt.attempt_id)
    due: Iterable[str] = dict.fromkeys((*(attempt.balances or ()), *attempt.leased)) if attempt.open else ()
    for key in standing.difference(due):
        desk.db.conn.execute("DELETE FROM holds WHERE balance = ? AND attempt_id = ?", [key, attempt.attempt_id])
    held = attempt.held
    expected = Amounts(attempt.expected_nano, attempt.expected_tokens)
    for key in due:
        kind = kind_of(key)
        balances.ensure(desk.db, key, desk.policy)
        desk.db.conn.execute(
            "INSERT OR REPLACE INTO holds (balance, attempt_id, holder, expected, lent) VALUES (?, ?, ?, ?, ?)",
            [key, attempt.attempt_id, attempt.holder, expected[kind], held[kind] if key in attempt.leased else 0],
        )
    desk.touched.update(standing, due)


def _standing(db: Database, attempt_id: str) -> set[str]:
    rows = db.conn.execute("SELECT balance FROM holds WHERE attempt_id = ?", [attempt_id]).fetchall()
    return {key for (key,) in rows}
