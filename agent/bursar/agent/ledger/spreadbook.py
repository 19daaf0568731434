"""How do times and lengths of answers lie, however many there were?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlite_utils import Database

from bursar.agent.ledger.octaves import low_of, middle_of
from bursar.agent.ledger.wholedays import PARTS, parts

What = Literal["duration", "first_token", "output"]
"""Milliseconds from sending to the answer's end, or to its first chunk; tokens."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """So many values from `low` up to, and without, `high`: milliseconds or tokens."""

    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How values lie, on a scale of quarter octaves."""

    steps: tuple[tuple[int, int], ...] = ()
    """Steps (see `octaves`) and how many values lie on each, from the smallest."""

    @property
    def count(self) -> int:
        """Of all values."""
        return sum(count for _, count in self.steps)

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """Those that are not empty, from the smallest."""
        return tuple(Bucket(low_of(step), low_of(step + 1), count) for step, count in self.steps)

    def quantile(self, q: float) -> int | None:
        """The value that the share `q` (0 to 1) of all does not exceed, less than a tenth off; None without values."""
        left = q * self.count
        for step, count in self.steps:
            left -= count
            if left <= 0:
                return middle_of(step)
        return None


def spread(db: Database, what: What, since_ns: int, until_ns: int, *, route: str | None = None) -> Spread:
    """How times (milliseconds) or output (tokens) lie, of the attempts that counted and say so."""
    rows = db.conn.execute(
        f"SELECT bucket, sum(count) {_FROM_SPREADS} GROUP BY bucket HAVING sum(count) > 0 ORDER BY bucket",
        {"what": what, "route": route, **parts(since_ns, until_ns)},
    ).fetchall()
    return Spread(tuple(rows))


def spreads_by_route(db: Database, what: What, since_ns: int, until_ns: int) -> dict[str, Spread]:
    """The same for each route: ask each `Spread` for its quantiles."""
    rows = db.conn.execute(
        f"SELECT route, bucket, sum(count) {_FROM_SPREADS} GROUP BY route, bucket HAVING sum(count) > 0 "
        "ORDER BY route, bucket",
        {"what": what, "route": None, **parts(since_ns, until_ns)},
    ).fetchall()
    found: dict[str, list[tuple[int, int]]] = {}
    for route, step, count in rows:
        found.setdefault(route, []).append((step, count))
    return {route: Spread(tuple(steps)) for route, steps in found.items()}


_FROM_SPREADS = f"""
    FROM {PARTS} CROSS JOIN spreads
    ON what = :what AND seconds = part AND slot >= since AND slot < until
        AND (:route IS NULL OR route = :route)
"""
