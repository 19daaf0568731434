"""How much is lent to whom: what a process is answered, and what comes back from it, alive or dead?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

from sqlite_utils import Database

from bursar.agent.ledger import attempts, balances, holders, queue, reserves, slices, steps
from bursar.agent.ledger.balances import Look
from bursar.agent.ledger.booking import Booked, book, hold, orphan
from bursar.agent.ledger.holders import HolderState
from bursar.agent.ledger.life import Attempt, State
from bursar.policies import protocol, records
from bursar.policies.balancekey import Amounts, Kind, is_reserve, kind_of, told_of
from bursar.policies.policy import Policy
from bursar.policies.protocol import Answer, BalanceView, Need, SyncRequest, SyncResponse, Verdict

SHARES = 256
"""
A need that may be trimmed gets this part of what is left, and never less than it cannot do without: then two hundred
callers with a large `max_tokens` do not shut each other out. Must be fixed; a share by observed concurrency starves.
"""

HELD = "held"
"""What is missing is held for calls in flight."""
LENT = "lent"
"""What is missing lies idle with a process, which is told to give it back."""
SPENT = "spent"
NO_BALANCE = "no_balance"
"""The policy has no such budget or window: the asker decided by another version of it."""


def sync(db: Database, request: SyncRequest, *, policy: Policy | None, now_ns: int) -> SyncResponse:
    """
    Book what a process tells, take what it returns, lend what it needs.

    Money is lent only to an active incarnation by its newest message; an older one, or one of a process that is gone,
    still delivers charges and returns. The snapshot is left to the caller.
    """
    holder = request.holder.id
    may_ask = holders.register(db, request.holder, seq=request.seq, now_ns=now_ns)
    active = _state(db, holder) is HolderState.ACTIVE
    if active:
        holders.mend(db, holder, {key: n for key, n in request.granted_seen.items() if balances.known(key, policy)})
    booked = _book_sound(db, request, policy=policy, now_ns=now_ns)
    if active:
        holders.take_back(db, holder, request.returned)
    answers = _answer_all(db, request, policy=policy, now_ns=now_ns) if may_ask else ()
    if not active:
        _settle_late(db, holder, policy=policy, now_ns=now_ns)
    elif request.goodbye:
        _say_goodbye(db, holder, policy=policy, now_ns=now_ns)
    asked = [key for need in request.needs for key in need.balances]
    aside: dict[str, int] = {}
    if active and not request.goodbye and protocol.RESERVES in request.knows:
        # Brought up to a level and not added to, it does no harm in a message that comes late or twice.
        aside = reserves.renew(db, holder, (*asked, *request.views), policy, now_ns)
    granted = _granted(db, holder, {*asked, *request.returned, *request.granted_seen, *booked.balances, *aside})
    look = cache(partial(balances.read, db, now_ns=now_ns))  # from here on nothing is lent, and nothing comes back
    return SyncResponse(
        granted=granted,
        answers=answers,
        views=_views(db, (*asked, *request.views), policy, now_ns, look),
        keep=slices.kept(db, holder, granted, now_ns, look) if active and not request.goodbye else (),
        reserves=aside,
        settled=holders.settled(db, holder, granted) if protocol.FORGETS in request.knows else None,
    )


def lend_exactly(db: Database, holder: str, need: Need, *, policy: Policy | None, now_ns: int) -> Answer:
    """
    Lend to the agent itself for an attempt that is new: all that it needs and nothing on top, or say why not.

    Of what is neither `most` nor granted whole nothing is lent: the request is fixed.
    """
    keys, most = _once(need.balances), _most(need)
    pools: dict[str, int] = {}
    for key in keys:
        pool = _pool(db, key, policy, now_ns)
        if pool is None:
            return Answer(need.attempt_id, Verdict.WAIT, reason=NO_BALANCE, balance=told_of(key))
        pools[key] = pool
    # Those who wait for the same money wait for less time than this will: they go first.
    ahead = {key: queue.ahead(db, key, need.attempt_id, most[kind_of(key)], now_ns) for key in keys}
    blocked = _lacking(pools, ahead, most)
    if blocked:
        slices.want(db, (key for _, key in blocked), now_ns)
        return _no(db, need, most, ahead, min(blocked)[1], now_ns)
    slices.lend(db, holder, {key: most[kind_of(key)] for key in keys}, most)
    hold(db, _held(need, holder, most, now_ns))
    return _grant(need, most)


def close_holder(db: Database, holder: str, *, policy: Policy | None = None, now_ns: int) -> Booked:
    """
    Recover a process that is proven dead and whose journal has been read and booked.

    What it sent and never settled counts as its bound; all else that was lent to it comes back.
    """
    booked = orphan(db, holder, policy=policy, now_ns=now_ns)
    freed = holders.square(db, holder)
    holders.move(db, holder, HolderState.RECOVERED)
    return Booked(booked.balances | freed, booked.duplicates)


def _state(db: Database, holder: str) -> HolderState | None:
    known = holders.find(db, holder)
    return None if known is None else known.state


def _say_goodbye(db: Database, holder: str, *, policy: Policy | None, now_ns: int) -> None:
    """Close an incarnation: holds that never left are released, and only what is in flight stays lent."""
    unsent = [attempt for attempt in attempts.open_of(db, holder) if attempt.state is State.HELD]
    releases = [records.Released(attempt.attempt_id, "the process ended") for attempt in unsent]
    book(db, releases, holder=holder, policy=policy, now_ns=now_ns)
    holders.square(db, holder)
    holders.move(db, holder, HolderState.CLOSED)


def _settle_late(db: Database, holder: str, *, policy: Policy | None, now_ns: int) -> None:
    """Bring the leases of a process that is gone in line with what came to light after its end."""
    if _state(db, holder) is HolderState.RECOVERED:
        orphan(db, holder, policy=policy, now_ns=now_ns)
    holders.square(db, holder)


def _book_sound(db: Database, request: SyncRequest, *, policy: Policy | None, now_ns: int) -> Booked:
    """Book every record that can be understood; count the others, so that one bad line never blocks the good ones."""
    touched: set[str] = set()
    duplicates: list[str] = []
    skipped = 0
    for value in request.records:
        booked = _book_one(db, value, holder=request.holder.id, policy=policy, now_ns=now_ns)
        if booked is None:
            skipped += 1
        else:
            touched |= booked.balances
            duplicates += booked.duplicates
    if skipped:
        holders.count_skipped(db, request.holder.id, skipped)
    return Booked(frozenset(touched), tuple(duplicates))


_BAD_RECORD = (
    records.RecordError,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    AttributeError,
    TypeError,
    ValueError,
    OverflowError,
)
"""What a record of wrong shapes runs into: our own check, a column's type, or a value used as what it is not."""


def _book_one(
    db: Database, value: Mapping[str, Any], *, holder: str, policy: Policy | None, now_ns: int
) -> Booked | None:
    try:
        with db.atomic():
            return book(db, [records.from_json(value)], holder=holder, policy=policy, now_ns=now_ns)
    except _BAD_RECORD:
        return None


def _answer_all(db: Database, request: SyncRequest, *, policy: Policy | None, now_ns: int) -> tuple[Answer, ...]:
    answers = (_answer(db, request, need, policy=policy, now_ns=now_ns) for need in request.needs)
    return tuple(answer for answer in answers if answer is not None)


def _answer(db: Database, request: SyncRequest, need: Need, *, policy: Policy | None, now_ns: int) -> Answer | None:
    """All balances of a need or none of them; None for an attempt that has left already."""
    holder = request.holder.id
    attempt = attempts.load(db, need.attempt_id)
    if attempt is not None and attempt.state is not State.HELD:
        return None
    if attempt is not None and _on_the_wire(db, request, attempt, need):
        return _grant(need, attempt.held)
    keys = _once(need.balances)
    pools: dict[str, int] = {}
    for key in keys:
        pool = _pool(db, key, policy, now_ns)
        if pool is None:
            return Answer(need.attempt_id, Verdict.WAIT, reason=NO_BALANCE, balance=told_of(key))
        pools[key] = pool
    most, least = _most(need), _least(need)
    amounts = _shared(pools, most, least)
    # Nobody waits for a balance that is roomy.
    tight = [key for key, pool in pools.items() if pool < slices.ROOMY * most[kind_of(key)]]
    ahead = {key: queue.ahead(db, key, need.attempt_id, least[kind_of(key)], now_ns) for key in tight}
    blocked = _lacking(pools, ahead, amounts)
    if blocked:
        slices.want(db, (key for _, key in blocked), now_ns)
        answer = _no(db, need, least, ahead, min(blocked)[1], now_ns)
        if answer.verdict is Verdict.WAIT:
            for _, key in blocked:
                queue.wait(db, key, need.attempt_id, least[kind_of(key)], now_ns)
        return answer
    if tight:
        queue.served(db, need.attempt_id, now_ns)
    times = slices.lend(db, holder, {key: amounts[kind_of(key)] for key in keys}, most)
    for key, more in slices.bonuses(db, pools, most, times).items():
        holders.grant(db, holder, key, more)
    hold(db, _held(need, holder, amounts, now_ns))
    return _grant(need, amounts)


def _lacking(pools: Mapping[str, int], ahead: Mapping[str, int], amounts: Amounts) -> list[tuple[int, str]]:
    """Each balance that has too little once those are served who are ahead, and by how much, as a negative amount."""
    left = {key: pool - ahead.get(key, 0) - amounts[kind_of(key)] for key, pool in pools.items()}
    return [(missing, key) for key, missing in left.items() if missing < 0]


def _grant(need: Need, amounts: Amounts) -> Answer:
    return Answer(need.attempt_id, Verdict.GRANTED, amount=amounts.usd, tokens=amounts.tokens)


def _most(need: Need) -> Amounts:
    return Amounts(max(need.most, 0), max(need.most_tokens, 0), 1, max(need.expected, 0))


def _least(need: Need) -> Amounts:
    """What a need cannot do without: an expectation is not fitted, and a call is a call."""
    most = _most(need)
    usd, tokens = min(max(need.least, 0), most.usd), min(max(need.least_tokens, 0), most.tokens)
    return Amounts(usd, tokens, 1, min(most.expected, usd))


def _shared(pools: Mapping[str, int], most: Amounts, least: Amounts) -> Amounts:
    """
    What a need is lent of each kind: all of it where there is plenty, else its share of what is left.

    An expectation is one of nano-dollars, and never above what is lent of these.
    """
    left = [
        min((pool for key, pool in pools.items() if kind_of(key) is kind), default=most[kind] * SHARES)
        for kind in (Kind.USD, Kind.TOKENS)
    ]
    usd, tokens = (min(most[i], max(least[i], left[i] // SHARES)) for i in (Kind.USD, Kind.TOKENS))
    return Amounts(usd, tokens, 1, min(most.expected, usd))


def _on_the_wire(db: Database, request: SyncRequest, attempt: Attempt, need: Need) -> bool:
    """
    Whether the grant of this very attempt was made and its answer lost.

    Then it travels with this response, and is not made twice.
    """
    amounts, most, least = attempt.held, _most(need), _least(need)
    fits = all(least[kind] <= amounts[kind] <= most[kind] for kind in (Kind.USD, Kind.TOKENS))
    fits = fits and amounts.expected == min(most.expected, amounts.usd)
    if attempt.bound_nano is None or not fits or attempt.leased != _once(need.balances):
        return False
    granted = holders.granted(db, request.holder.id)
    return all(granted.get(key, 0) - request.granted_seen.get(key, 0) >= amounts[kind_of(key)] for key in need.balances)


def _pool(db: Database, key: str, policy: Policy | None, now_ns: int) -> int | None:
    if is_reserve(key):  # set aside by the agent alone
        return None
    if balances.known(key, policy):
        balances.ensure(db, key, policy)
    balance = balances.read(db, key, now_ns)
    return None if balance is None else balance.pool


def _no(db: Database, need: Need, least: Amounts, ahead: Mapping[str, int], nearest: str, now_ns: int) -> Answer:
    """
    Wait where money that is out could come back, else refuse, naming the balance that is spent.

    Which of the two it is waited for: what lies idle with a process is on its way back as soon as that is told.
    """
    short: list[str] = []
    for key in need.balances:
        balance = balances.read(db, key, now_ns)
        if balance is None or balance.unspent is None or balance.pool is None:
            continue
        if balance.unspent < least[kind_of(key)]:
            return Answer(need.attempt_id, Verdict.REFUSED, reason=SPENT, balance=told_of(key))
        if balance.pool + slices.idle(db, key) - ahead.get(key, 0) < least[kind_of(key)]:
            short.append(key)
    nearest = short[0] if short else nearest
    return Answer(need.attempt_id, Verdict.WAIT, reason=HELD if short else LENT, balance=told_of(nearest))


def _held(need: Need, holder: str, amounts: Amounts, now_ns: int) -> Attempt:
    return Attempt(
        attempt_id=need.attempt_id,
        holder=holder,
        at_ns=now_ns,
        bound_nano=amounts.usd,
        expected_nano=amounts.expected,
        bound_tokens=amounts.tokens,
        expected_tokens=min(max(need.expected_tokens, 0), amounts.tokens),
        leased=_once(need.balances),
    )


def _granted(db: Database, holder: str, keys: Iterable[str]) -> dict[str, int]:
    granted = holders.granted(db, holder)
    return {key: granted[key] for key in sorted(keys) if key in granted}


def _views(
    db: Database, keys: Iterable[str], policy: Policy | None, now_ns: int, look: Look
) -> tuple[BalanceView, ...]:
    wanted = _once(keys)
    for key in wanted:
        if balances.known(key, policy):
            balances.ensure(db, key, policy)
    return steps.keep(db, balances.views(db, wanted, policy, now_ns, look), policy, now_ns)


def _once(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys))
