"""What does an attempt count as, in which balances? Balances and flows are folds over it, kept in the same step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import groupby
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import balances, flows
from bursar.agent.ledger.life import Attempt
from bursar.policies.balancekey import Amounts, parse_balance_key
from bursar.policies.policy import Policy


class Posting(NamedTuple):
    """What one attempt counts as in one balance."""

    nano: int = 0
    unknown_nano: int = 0
    """The part of it that is a bound and no figure of the API's."""
    tokens: int = 0
    at_ns: int = 0
    """When the attempt was sent: the minute and hour that its flow counts in."""
    calls: int = 0
    """One; zero where there is no posting."""


_NONE = Posting()
_MINUTE_NS = flows.MINUTE * 10**9


def bring(db: Database, attempt: Attempt, *, policy: Policy | None, now_ns: int) -> set[str]:
    """Bring an attempt's postings to what it counts as, and return the keys of the balances that moved."""
    standing, due = _standing(db, attempt.attempt_id), _due(attempt)
    moved = {key for key in {**standing, **due} if standing.get(key) != due.get(key)}
    for key in sorted(moved):
        balances.ensure(db, key, policy)
        _move(db, attempt.attempt_id, key, standing.get(key, _NONE), due.get(key, _NONE), now_ns)
    return moved


def add(db: Database, new: Sequence[Attempt], *, policy: Policy | None, now_ns: int) -> set[str]:
    """What `bring` does for attempts that are new and have no postings: sum by sum instead of one by one."""
    due = [(attempt.attempt_id, key, posting) for attempt in new for key, posting in _due(attempt).items()]
    db.conn.executemany(_POST, [(attempt_id, key, *posting[:4]) for attempt_id, key, posting in due])
    minutes: dict[tuple[str, int], Posting] = {}
    for _, key, posting in due:
        minute = (key, posting.at_ns // _MINUTE_NS)
        minutes[minute] = _sum(minutes.get(minute, _NONE), posting)
    for key, postings in groupby(sorted(minutes.items()), key=lambda item: item[0][0]):
        balances.ensure(db, key, policy)
        told = [posting for _, posting in postings]
        _raise(db, key, _NONE, reduce(_sum, told), now_ns)
        for posting in told:
            _flow(db, key, _NONE, posting)
    return {key for _, key, _ in due}


def _sum(one: Posting, other: Posting) -> Posting:
    """Of two postings of about the same time, or none."""
    return Posting(
        one.nano + other.nano,
        one.unknown_nano + other.unknown_nano,
        one.tokens + other.tokens,
        other.at_ns,
        one.calls + other.calls,
    )


def _due(attempt: Attempt) -> Mapping[str, Posting]:
    posted = attempt.posted
    if posted is None:
        return {}
    posting = Posting(posted.usd, attempt.unknown_nano, posted.tokens, attempt.at_ns, 1)
    return dict.fromkeys(attempt.balances or (), posting)


def _standing(db: Database, attempt_id: str) -> Mapping[str, Posting]:
    rows = db.conn.execute(
        "SELECT balance, nano, unknown_nano, tokens, at_ns FROM postings WHERE attempt_id = ?", [attempt_id]
    ).fetchall()
    return {key: Posting(nano, unknown, tokens, at_ns, 1) for key, nano, unknown, tokens, at_ns in rows}


_POST = (
    "INSERT OR REPLACE INTO postings (attempt_id, balance, nano, unknown_nano, tokens, at_ns) VALUES (?, ?, ?, ?, ?, ?)"
)


def _move(db: Database, attempt_id: str, key: str, old: Posting, new: Posting, now_ns: int) -> None:
    if new.calls:
        db.conn.execute(_POST, [attempt_id, key, *new[:4]])
    else:
        db.conn.execute("DELETE FROM postings WHERE attempt_id = ? AND balance = ?", [attempt_id, key])
    _raise(db, key, old, new, now_ns)
    _flow(db, key, old, new)


def _raise(db: Database, key: str, old: Posting, new: Posting, now_ns: int) -> None:
    db.conn.execute(
        "UPDATE balances SET spent_nano = spent_nano + ?, unknown_nano = unknown_nano + ?, "
        "spent_tokens = spent_tokens + ?, calls = calls + ?, moved_ns = max(moved_ns, ?) WHERE key = ?",
        [
            new.nano - old.nano,
            new.unknown_nano - old.unknown_nano,
            new.tokens - old.tokens,
            new.calls - old.calls,
            now_ns,
            key,
        ],
    )


def _flow(db: Database, key: str, old: Posting, new: Posting) -> None:
    try:
        flow = flows.flow_of(parse_balance_key(key))
    except ValueError:  # a key that no policy of ours wrote: it has no budget, and so no flow
        return
    if old.at_ns == new.at_ns or not (old.calls and new.calls):
        at_ns = new.at_ns if new.calls else old.at_ns
        flows.add(db, flow, at_ns, _less(new, old))
    else:
        flows.add(db, flow, old.at_ns, _less(_NONE, old))
        flows.add(db, flow, new.at_ns, _less(new, _NONE))


def _less(new: Posting, old: Posting) -> Amounts:
    return Amounts(new.nano - old.nano, new.tokens - old.tokens, new.calls - old.calls)
