"""Are the accounts in order: is every sum that is kept what it is a sum of?"""

from __future__ import annotations

from collections.abc import Iterator

from sqlite_utils import Database

from bursar.agent.ledger.sumtables import COUNTED
from bursar.policies.usage import Usage

_FIGURES = ("charges", "calls", "nano", "estimated_nano", "unknown", "incomplete", *Usage.__dataclass_fields__)


def wrong(db: Database) -> list[str]:
    """What is not as it should be, a sentence each; empty for accounts in order."""
    return [*_file(db), *_balances(db), *_holds(db), *_sums(db)]


def _file(db: Database) -> Iterator[str]:
    for (said,) in db.conn.execute("PRAGMA integrity_check").fetchall():
        if said != "ok":
            yield f"The file is damaged: {said}."


def _balances(db: Database) -> Iterator[str]:
    """A balance is what was posted to it, rolled up or not."""
    rows = db.conn.execute(
        """
        SELECT key, spent_nano - rolled_nano - coalesce(sum(nano), 0),
            balances.unknown_nano - rolled_unknown_nano - coalesce(sum(postings.unknown_nano), 0),
            spent_tokens - rolled_tokens - coalesce(sum(tokens), 0), calls - rolled_calls - count(attempt_id)
        FROM balances LEFT JOIN postings ON balance = key GROUP BY key
        """
    ).fetchall()
    names = ("nano-dollars", "nano-dollars of bounds", "tokens", "calls")
    for key, *differences in rows:
        for name, difference in zip(names, differences, strict=True):
            if difference:
                yield f"Balance {key} is off by {difference:,} {name} from what was posted to it."


def _holds(db: Database) -> Iterator[str]:
    rows = db.conn.execute(
        "SELECT DISTINCT attempt_id FROM holds WHERE attempt_id NOT IN "
        "(SELECT attempt_id FROM attempts WHERE state IN ('held', 'sent', 'provisional'))"
    ).fetchall()
    for (attempt_id,) in rows:
        yield f"Attempt {attempt_id} holds money and is in flight no more."


def _sums(db: Database) -> Iterator[str]:
    """What was spent by hour, all hours together, is what attempts say, rolled up or not."""
    kept = db.conn.execute(f"SELECT {_TOTALS} FROM sums WHERE label = '' AND seconds = 3600").fetchone()
    rolled = db.conn.execute(f"SELECT {_TOTALS} FROM rollups").fetchone()
    told = db.conn.execute(_OF_ATTEMPTS).fetchone()
    for name, sum_, old, new in zip(_FIGURES, kept, rolled, told, strict=True):
        if sum_ != old + new:
            yield f"The sums by hour are off by {sum_ - old - new:,} {_NAMES.get(name, name)} from what attempts say."


_NAMES = {"nano": "nano-dollars", "estimated_nano": "nano-dollars of bounds"}
_TOTALS = ", ".join(f"coalesce(sum({name}), 0)" for name in _FIGURES)
_OF_ATTEMPTS = f"""
SELECT count(*), count(DISTINCT CASE call_id WHEN '' THEN attempt_id ELSE call_id END), coalesce(sum(cost_nano), 0),
    coalesce(sum(CASE basis WHEN 'estimate' THEN cost_nano END), 0), count(*) - count(cost_nano),
    count(CASE WHEN cost_nano IS NOT NULL AND missing NOT IN ('', '[]') THEN 1 END),
    {", ".join(f"coalesce(sum({name}), 0)" for name in Usage.__dataclass_fields__)}
FROM attempts WHERE {COUNTED}
"""
