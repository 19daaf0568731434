"""Are the accounts in order: is every sum that is kept what it is a sum of?"""

from __future__ import annotations

from collections.abc import Iterator

from sqlite_utils import Database


def wrong(db: Database) -> list[str]:
    """What is not as it should be, a sentence each; empty for accounts in order."""
    return [*_file(db), *_balances(db), *_holds(db)]


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
