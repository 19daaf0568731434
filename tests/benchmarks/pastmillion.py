"""What does a ledger of very many calls look like? One made up, with fingerprints, straight into its tables."""

from __future__ import annotations

import json
import random
import sqlite3
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger import sumtables
from bursar.agent.ledger.schema import upgrade
from bursar.policies.prices import price, shipped_book
from bursar.policies.usage import Part, Usage, UsageReport

A_DAY = 33_333
"""Calls, so that a million is thirty days: what is older is rolled up."""
DAY_SECONDS = 86_400
SECOND = 10**9
_AT_ONCE = 20_000
_LIVES = 300 * SECOND


@dataclass(frozen=True, slots=True)
class Work:
    """A route: what stands first in all of its prompts, and how its conversations go. Tokens, seconds."""

    route: str
    model: str
    share: int
    """Of the calls, in per cent."""
    tools: int = 0
    system: int = 0
    turns: tuple[int, int] = (1, 1)
    adds: tuple[int, int] = (50, 400)
    """What each turn of either side adds."""
    pause: tuple[float, float] = (5, 240)
    blocks: int = 1
    """Of each message: an agent's tools are called several at a time."""
    marks: bool = False
    """Whether it caches its system prompt."""
    opening: tuple[int, int] | None = None
    """A document in front of the first question."""


WORKS = (
    Work("support.triage", "claude-haiku-5-5", 22, system=2_400),
    Work("support.answer", "claude-sonnet-5-5", 14, tools=1_200, system=3_000, turns=(1, 9)),
    Work("support.summary", "claude-haiku-5-5", 8, system=900, adds=(500, 4_000)),
    Work("sales.mail", "claude-sonnet-5-5", 6, system=1_800, marks=True),
    Work("search.rewrite", "claude-haiku-5-5", 14, system=400),
    Work("contracts.ask", "claude-opus-5-5", 6, system=1_000, turns=(1, 5), opening=(4_000, 20_000)),
    Work(
        "code.agent", "claude-opus-5-5", 12, tools=3_000, system=4_000, turns=(5, 30), adds=(100, 2_000), pause=(3, 30)
    ),
    Work("code.review", "claude-sonnet-5-5", 4, tools=2_000, system=2_500, turns=(2, 8), blocks=4, pause=(3, 60)),
    Work("reports.night", "claude-sonnet-5-5", 4, system=5_000, marks=True),
    Work("games.npc", "claude-haiku-5-5", 6, system=1_500, turns=(3, 20), pause=(4, 90)),
    Work("kyc.check", "claude-haiku-4-5-20251001", 3, system=3_500),
    Work("desk.talk", "claude-fable-5-2", 1, tools=800, system=2_000, turns=(2, 12), pause=(60, 1_500)),
)

Row = tuple[Any, ...]


def make(path: Path, calls: int, until_ns: int) -> None:
    """A ledger of so many calls that were made up to an instant, as many each day."""
    db = Database(path)
    upgrade(db)
    connection: sqlite3.Connection = db.conn
    connection.execute("PRAGMA synchronous = off")
    since_ns = until_ns - calls * DAY_SECONDS * SECOND // A_DAY
    for work in WORKS:
        maker = _Maker(work, connection)
        maker.fill(calls * work.share // 100, since_ns, until_ns)
    connection.commit()
    with db.atomic():
        sumtables.fill(db)  # as the upgrade does with what is there
    db.close()


class _Maker:
    """Makes the calls of one route, and writes them some thousands at a time."""

    def __init__(self, work: Work, connection: sqlite3.Connection) -> None:
        self._work = work
        self._dice = random.Random(work.route)
        self._connection = connection
        self._nodes: list[Row] = []
        self._attempts: list[Row] = []
        self._prints: list[Row] = []
        (known,) = connection.execute("SELECT coalesce(max(id), 0) FROM nodes").fetchone()
        self._ids = count(known + 1)
        self._numbers = count(1)
        self._lives_until_ns = 0
        """When the cached system prompt ends, on routes that mark it."""

    def fill(self, calls: int, since_ns: int, until_ns: int) -> None:
        """So many of them, in conversations spread over that time."""
        typical = sum(self._work.turns) / 2
        gap = int((until_ns - since_ns) * typical / max(1, calls))
        shared, at_ns, left = self._shared(until_ns), since_ns, calls
        while left > 0:
            at_ns += int(self._dice.expovariate(1 / gap))
            if at_ns >= until_ns:
                at_ns = since_ns + self._dice.randrange(until_ns - since_ns)
            left -= self._conversation(shared, at_ns, until_ns, min(left, self._dice.randint(*self._work.turns)))
            if len(self._attempts) >= _AT_ONCE:
                self._write()
        self._write()

    def _shared(self, at_ns: int) -> _Prefix:
        """What all prompts of the route begin with; met up to the end, so that it is not forgotten before they are."""
        prefix = _Prefix()
        for place in range(8 if self._work.tools else 0):
            prefix = self._node(prefix, at_ns, "tools", place, "tool", "", self._work.tools // 8)
        prefix = self._node(prefix, at_ns, "system", -1, "settings", "", 0)
        prefix = self._node(prefix, at_ns, "system", 0, "text", "", self._work.system)
        return self._node(prefix, at_ns, "messages", -1, "settings", "", 0)

    def _conversation(self, prefix: _Prefix, at_ns: int, until_ns: int, turns: int) -> int:
        """Calls that go on from each other; how many there were."""
        work, dice, shared = self._work, self._dice, prefix
        named, tenant = dice.randbytes(8).hex(), f"t{int(dice.paretovariate(1)) % 200}"
        if work.opening is not None:
            prefix = self._node(prefix, at_ns, "messages", 0, "document", "user", dice.randint(*work.opening))
        for turn in range(turns):
            prefix = self._message(prefix, at_ns, 2 * turn, "user")
            output = dice.randint(*work.adds)
            self._call(shared, prefix, at_ns, tenant, named, output)
            prefix = self._message(prefix, at_ns, 2 * turn + 1, "assistant")
            at_ns = min(until_ns - 1, at_ns + int(dice.uniform(*work.pause) * SECOND))
        return turns

    def _message(self, prefix: _Prefix, at_ns: int, index: int, role: str) -> _Prefix:
        for part in range(self._work.blocks):
            tokens = self._dice.randint(*self._work.adds) // self._work.blocks
            prefix = self._node(prefix, at_ns, "messages", index, "text", role, tokens, part=part)
        return prefix

    def _node(
        self, parent: _Prefix, at_ns: int, section: str, place: int, kind: str, role: str, tokens: int, part: int = 0
    ) -> _Prefix:
        made = _Prefix(next(self._ids), parent.tokens + tokens, parent.depth + 1)
        where = (section, place, part, kind, role)
        text = self._dice.randbytes(8)
        self._nodes.append((made.id, parent.id, text, made.depth, *where, 4 * tokens, tokens, place >= 0, at_ns))
        return made

    def _call(self, shared: _Prefix, prompt: _Prefix, at_ns: int, tenant: str, conversation: str, output: int) -> None:
        work = self._work
        attempt = f"{work.route}-{next(self._numbers):x}"
        read = shared.tokens if work.marks and at_ns < self._lives_until_ns else 0
        write = shared.tokens - read if work.marks else 0
        if work.marks:
            self._lives_until_ns = at_ns + _LIVES
        used = Usage(input=prompt.tokens - read - write, cache_read=read, cache_write_5m=write, output=output)
        quote = price(UsageReport(used, (Part(used),)), model=work.model, at=_day(at_ns), book=_BOOK)
        labels = json.dumps({"tenant": tenant, "env": "prod"})
        counts = (used.input, read, write, 0, output, 0, 0, 0)
        said = (attempt, attempt, at_ns, work.route, work.model, work.model, labels, quote.cost_nano_usd)
        self._attempts.append((*said, *counts, quote.price_id, attempt, at_ns + 2 * SECOND))
        marks = f"{shared.depth - 1}:5m" if work.marks else ""
        told = (attempt, at_ns, prompt.id, conversation, 1.0, SECOND, "", marks, "")
        self._prints.append(told)

    def _write(self) -> None:
        write = self._connection.executemany
        write(f"INSERT INTO nodes VALUES ({', '.join('?' * 13)})", self._nodes)
        write(_ATTEMPT, self._attempts)
        write(_PRINT, self._prints)
        for rows in (self._nodes, self._attempts, self._prints):
            rows.clear()


class _Prefix(NamedTuple):
    id: int = 0
    tokens: int = 0
    depth: int = 0


_BOOK = shipped_book()
_ATTEMPT = """
    INSERT INTO attempts (
        attempt_id, call_id, at_ns, route, model, requested_model, labels, cost_nano,
        input, cache_read, cache_write_5m, cache_write_1h, output, thinking, web_searches, web_fetches,
        price_id, response_id, settled_ns,
        state, sent, expected_nano, leased, action, reason, decision, basis, floor_nano, modifiers, source, own_final,
        lines, missing
    )
    VALUES (
        ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
        'settled', 1, 0, '[]', 'go', 'within', '{}', 'usage', 0, '[]', 'journal', 1, '[]', '[]'
    )
"""
_PRINT = f"""
    INSERT INTO fingerprints (
        attempt_id, told_ns, node, conversation, share, ttft_ns, automatic, marks, miss_reason
    ) VALUES ({", ".join("?" * 9)})
"""


def _day(at_ns: int) -> date:
    return datetime.fromtimestamp(at_ns // SECOND, UTC).date()
