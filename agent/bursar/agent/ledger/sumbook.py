"""What was spent, on what and for whom: out of the sums by hour, however much there was?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, tzinfo

from sqlite_utils import Database

from bursar.agent.ledger import usagebook
from bursar.agent.ledger.sumtables import DAY, FIGURES, HOUR, MINUTE
from bursar.agent.ledger.usagebook import Group
from bursar.agent.ledger.wholedays import PARTS, parts
from bursar.policies.usage import Usage

KEYS = ("route", "requested_model", "model", "action", "batch")
"""What sums can be grouped by; `batch` is the text `batch` for what went in one, and empty for the rest."""
OTHER = "other"
"""What is not among the dearest of a series, together."""
MOST_LINES = 7
"""So many of them have a line of their own."""
MOST_SLOTS = 20_000
MOST_NAMES, MOST_VALUES = 20, 50
_LABEL_ROWS = 20_000
_SECOND = 10**9


class SumError(ValueError):
    """What the sums cannot tell; the text says what they can."""


@dataclass(frozen=True, slots=True)
class Spend:
    """
    What something comes to. Money in nano-dollars, tokens by class.

    `calls` counts each call with a charge once, with the first of its attempts that has one. `unknown` charges are in
    no sum of money. `failures` are attempts that cost nothing since an error answered, or nobody; `refusals` calls
    that a budget kept back; `escalations` attempts at a strong model after a cheap answer that did not do.
    """

    charges: int = 0
    calls: int = 0
    nano: int = 0
    estimated_nano: int = 0
    unknown: int = 0
    incomplete: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    thinking: int = 0
    web_searches: int = 0
    web_fetches: int = 0
    failures: int = 0
    refusals: int = 0
    escalations: int = 0

    @property
    def prompt(self) -> int:
        """All tokens that went in: uncached, read and written."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def cache_share(self) -> float | None:
        """Of the prompt tokens, those read from the cache: 0 to 1, None without any."""
        return self.cache_read / self.prompt if self.prompt else None

    @property
    def error_share(self) -> float | None:
        """Of the attempts that were sent and are over, those that failed: 0 to 1, None without any."""
        over = self.failures + self.charges
        return self.failures / over if over else None

    @property
    def cost_per_call_nano(self) -> int | None:
        """In nano-dollars, a half to the even one; None without calls."""
        if not self.calls:
            return None
        whole, rest = divmod(self.nano, self.calls)
        return whole + (2 * rest > self.calls or (2 * rest == self.calls and whole % 2 == 1))

    def __add__(self, other: Spend) -> Spend:
        return Spend(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Row:
    """What was spent on one combination of the keys' values, in the order of the keys."""

    key: tuple[str, ...]
    spend: Spend


@dataclass(frozen=True, slots=True)
class Line:
    """What one value of the key comes to in each slot: nano-dollars, and calls; gaps are zero."""

    key: str
    nano: list[int]
    calls: list[int]


@dataclass(frozen=True, slots=True)
class Series:
    """Sums over time: the dearest line first, `OTHER` last."""

    slots: tuple[int, ...]
    """Where each begins, in seconds since the epoch."""
    lines: tuple[Line, ...]


def total(db: Database, since_ns: int, until_ns: int, *, label: str = "", route: str | None = None) -> Spend:
    """
    All that was spent from one instant up to (without) another: of an hour, all where its beginning is in it.

    `label` is `name=value`; empty for everything.
    """
    rows = by(db, (), since_ns, until_ns, label=label, route=route)
    return rows[0].spend


def by(
    db: Database, keys: Sequence[str], since_ns: int, until_ns: int, *, label: str = "", route: str | None = None
) -> list[Row]:
    """
    The same for each combination of the keys' values (of `KEYS`), the dearest first.

    Refused calls have a `requested_model`, and an empty `model`. Raises `SumError` for a key there is none of.
    """
    columns = [_column(key) for key in keys]
    values = {"label": label, "route": route, **parts(since_ns, until_ns)}
    groups = f"GROUP BY {', '.join(str(place + 1) for place in range(len(keys)))}" if keys else ""
    sums = [f"coalesce(sum({name}), 0)" for name in FIGURES]
    sql = f"SELECT {', '.join((*columns, *sums))} {_FROM} {groups}"
    rows = [Row(tuple(row[: len(keys)]), Spend(*row[len(keys) :])) for row in db.conn.execute(sql, values).fetchall()]
    return sorted(rows, key=lambda row: (-row.spend.nano, -row.spend.calls, row.key))


def edges(since_ns: int, until_ns: int, step_seconds: int, tz: tzinfo = UTC) -> tuple[int, ...]:
    """
    Where the slots of a series begin, in seconds since the epoch: the first holds `since`, the last ends with `until`.

    Steps of whole days begin at midnight in `tz`, days longer or shorter than 24 hours among them; others at multiples
    of the step since the epoch. Raises `SumError` for a step that is no whole number of minutes, and for
    more than `MOST_SLOTS` of them.
    """
    if step_seconds <= 0 or step_seconds % MINUTE:
        raise SumError(f"a step must be a whole number of minutes, got {step_seconds} s")
    first, last = since_ns // _SECOND, -(-until_ns // _SECOND)
    if last - first > MOST_SLOTS * step_seconds:
        raise SumError(f"that is more than {MOST_SLOTS:,} slots: ask for a longer step, or less time")
    if step_seconds % DAY:
        return tuple(range(first - first % step_seconds, last, step_seconds))
    day = datetime.fromtimestamp(first, tz).date()
    found: list[int] = []
    while (at := int(datetime(day.year, day.month, day.day, tzinfo=tz).timestamp())) < last:
        found.append(at)
        day += timedelta(seconds=step_seconds)
    return tuple(found)


def series(
    db: Database,
    key: str | None,
    since_ns: int,
    until_ns: int,
    *,
    step_seconds: int,
    label: str = "",
    route: str | None = None,
    tz: tzinfo = UTC,
    most: int = MOST_LINES,
) -> Series:
    """
    What was spent in each slot (see `edges`), by the values of a key, or in all where it is None.

    Steps that are no whole hours are made of minutes, which are kept for two days, and not for labels. The dearest
    `most` values have a line each, the rest is one. All that lies in the first slot counts, also before `since`.
    Raises `SumError` for a key there is none of, a step that does not fit, or minutes of a label.
    """
    seconds = MINUTE if step_seconds % HOUR else HOUR
    if seconds == MINUTE and label:
        raise SumError("of a label only hours are kept: ask for a step of whole hours")
    slots = edges(since_ns, until_ns, step_seconds, tz)
    if not slots:
        return Series((), ())
    column = "''" if key is None else _column(key)
    bounds = {"since": -(-slots[0] // seconds), "until": -(-until_ns // (seconds * _SECOND))}
    rows = db.conn.execute(
        f"SELECT {column}, slot, nano, calls {_FROM_SLOTS} ORDER BY slot",
        {"label": label, "route": route, "seconds": seconds, **bounds},
    )
    found: dict[str, Line] = {}
    at = place = -1
    for name, slot, nano, calls in rows:  # added up here: by the database, that takes a sort of them all
        if slot != at:
            at, place = slot, bisect_right(slots, slot * seconds) - 1
        line = found.get(name)
        if line is None:
            line = found[name] = Line(name, [0] * len(slots), [0] * len(slots))
        line.nano[place] += nano
        line.calls[place] += calls
    return Series(slots, dearest(list(found.values()), most))


def groups(db: Database, since_ns: int, until_ns: int, *, route: str | None = None, label: str = "") -> list[Group]:
    """
    What `usagebook.groups_of` tells of attempts, out of the sums, for `savings_of`.

    Of a kind of which some costs are unknown the charges are those that are known, while its tokens are all. What was
    rolled up before there were sums has no modifiers.
    """
    day = f"slot * seconds / {DAY}"
    rows = db.conn.execute(
        f"SELECT model, requested_model, action, {day}, price_id, modifiers, sum(charges - unknown), sum(nano), "
        f"{', '.join(f'sum({name})' for name in _USAGE)} {_FROM} "
        f"GROUP BY model, requested_model, action, {day}, price_id, modifiers HAVING sum(charges - unknown) > 0",
        {"label": label, "route": route, **parts(since_ns, until_ns)},
    ).fetchall()
    return [usagebook.group(*row) for row in rows]


def labels(db: Database, since_ns: int, until_ns: int) -> dict[str, list[str]]:
    """
    Which labels were met, by name, on the days (UTC) of a stretch: names and values most used first.

    At most `MOST_NAMES` of `MOST_VALUES` each; where very many differ, of the newest days.
    """
    rows = db.conn.execute(
        """
        SELECT name, value, sum(count) AS count FROM (
            SELECT name, value, count FROM label_days WHERE day >= ? AND day <= ? ORDER BY day DESC LIMIT ?
        ) GROUP BY name, value HAVING sum(count) > 0 ORDER BY count DESC, name, value
        """,
        [since_ns // (DAY * _SECOND), (until_ns - 1) // (DAY * _SECOND), _LABEL_ROWS],
    ).fetchall()
    found: dict[str, list[str]] = {}
    used: dict[str, int] = {}
    for name, value, count in rows:
        used[name] = used.get(name, 0) + count
        found.setdefault(name, []).append(value)
    names = sorted(found, key=lambda name: (-used[name], name))[:MOST_NAMES]
    return {name: found[name][:MOST_VALUES] for name in names}


_USAGE = tuple(Usage.__dataclass_fields__)
_ROUTE = "(:route IS NULL OR route = :route)"
_FROM_SLOTS = f"""
    FROM sums WHERE label = :label AND seconds = :seconds AND slot >= :since AND slot < :until AND {_ROUTE}
"""
_FROM = f"""
    FROM {PARTS} CROSS JOIN sums
    ON label = :label AND seconds = part AND slot >= since AND slot < until AND {_ROUTE}
"""


def _column(key: str) -> str:
    if key not in KEYS:
        raise SumError(f"there is no key {key!r}: use {', '.join(KEYS)}")
    return """CASE WHEN modifiers LIKE '%"batch"%' THEN 'batch' ELSE '' END""" if key == "batch" else key


def dearest(lines: Sequence[Line], most: int = MOST_LINES) -> tuple[Line, ...]:
    """Those that stand for themselves, the dearest first, and one for the rest."""
    ranked = sorted(lines, key=lambda line: (-sum(line.nano), -sum(line.calls), line.key))
    rest = ranked[most:]
    if not rest:
        return tuple(ranked)
    nano, calls = ([sum(slot) for slot in zip(*columns, strict=True)] for columns in _columns(rest))
    return (*ranked[:most], Line(OTHER, nano, calls))


def _columns(lines: Sequence[Line]) -> tuple[list[list[int]], list[list[int]]]:
    return [line.nano for line in lines], [line.calls for line in lines]
