"""Which calls are put off, and where does each of them stand?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlite_utils import Database

from bursar.policies.deferral import Offer, State

WAITING = (State.QUEUED, State.SUBMITTING, State.IN_PROGRESS)
"""The states in which a batch is hoped for."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """A call that was put off. Amounts in nano-dollars, instants in nanoseconds; see `migrations.m013_deferrals`."""

    id: str
    key: str
    route: str
    model: str
    requested_model: str
    labels: Mapping[str, str]
    call_id: str
    state: State
    first_attempt: str
    attempt_id: str
    fallback: str | None
    fallback_sent: bool
    attempts: int
    failures: int
    batch: str | None
    credential: str
    betas: str
    span: int
    prefix: str
    bytes: int
    at_ns: int
    due_ns: int
    taken_ns: int
    flush_ns: int
    fall_back_ns: int
    ended_ns: int | None
    delivered_ns: int | None
    balances: tuple[str, ...] | None
    hard: tuple[str, ...]
    most: int
    expected: int
    most_tokens: int
    expected_tokens: int
    sync_most: int
    sync_expected: int
    bounded: bool
    reason: str
    decision: Mapping[str, Any]
    status: int = 0
    why: str = ""

    @property
    def told(self) -> State:
        """Where it stands for people: what was handed over is delivered, however it ended."""
        return State.DELIVERED if self.delivered_ns is not None else self.state

    @property
    def over(self) -> bool:
        """Whether there is an answer, or never will be."""
        return self.state.over


@dataclass(frozen=True, slots=True)
class Line:
    """What waits to be sent with one credential, under the same betas, for about as long; the oldest first."""

    credential: str
    betas: str
    span: int
    count: int
    bytes: int
    flush_ns: int
    """When the first of them is to be sent at the latest."""
    due_ns: int
    """When the first of them is no longer waited for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One call of a line."""

    id: str
    attempt_id: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Text:
    """A request or an answer as it is kept."""

    sealed: bool
    text: bytes = field(repr=False)


_COLUMNS = tuple(Deferral.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM deferrals"
_INSERT = f"INSERT INTO deferrals ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' for _ in _COLUMNS)})"
_SOME = 500
_JSON = ("labels", "balances", "hard", "decision")


def made(offer: Offer, *, prefix: str, span: int, now_ns: int, flush_ns: int, fall_back_ns: int) -> Deferral:
    """The deferral that an offer becomes when it is taken."""
    same = {name: getattr(offer, name) for name in _COLUMNS if name in Offer.__dataclass_fields__}
    return Deferral(
        **same,
        state=State.QUEUED,
        first_attempt=offer.attempt_id,
        fallback=None,
        fallback_sent=False,
        attempts=1,
        failures=0,
        batch=None,
        span=span,
        prefix=prefix,
        bytes=len(offer.body.encode()),
        taken_ns=now_ns,
        flush_ns=flush_ns,
        fall_back_ns=fall_back_ns,
        ended_ns=None,
        delivered_ns=None,
    )


def add(db: Database, deferral: Deferral) -> None:
    """Keep a new one."""
    db.conn.execute(_INSERT, [_column(getattr(deferral, name)) for name in _COLUMNS])


def find(db: Database, deferral_id: str) -> Deferral | None:
    """The one of this id."""
    return next(_found(db, "WHERE id = ?", [deferral_id]), None)


def find_all(db: Database, ids: Iterable[str]) -> list[Deferral]:
    """Those of these ids that there are."""
    wanted = list(dict.fromkeys(ids))
    parts = [wanted[start : start + _SOME] for start in range(0, len(wanted), _SOME)]
    return [one for part in parts for one in _found(db, f"WHERE id IN ({_marks(part)})", part)]


def with_key(db: Database, route: str, key: str) -> Deferral | None:
    """The newest of a route that the application named so."""
    return next(_found(db, "WHERE route = ? AND key = ? ORDER BY taken_ns DESC LIMIT 1", [route, key]), None)


def with_attempt(db: Database, attempt_id: str) -> Deferral | None:
    """The one that an attempt was made of."""
    row = db.conn.execute("SELECT deferral FROM tries WHERE attempt_id = ?", [attempt_id]).fetchone()
    return None if row is None else find(db, row[0])


def newest(db: Database, limit: int, *, every: bool = True) -> list[Deferral]:
    """The newest; without those that are over unless `every`."""
    where = "" if every else "WHERE state IN ('queued', 'submitting', 'in_progress', 'fallen_back')"
    return list(_found(db, f"{where} ORDER BY taken_ns DESC, id LIMIT ?", [limit]))


def change(db: Database, deferral_id: str, **values: Any) -> None:
    """Change columns of one."""
    columns = ", ".join(f"{name} = ?" for name in values)
    db.conn.execute(
        f"UPDATE deferrals SET {columns} WHERE id = ?", [*(_column(v) for v in values.values()), deferral_id]
    )


def lines(db: Database) -> list[Line]:
    """All that is queued, by what may travel together."""
    rows = db.conn.execute(
        "SELECT credential, betas, span, count(*), sum(bytes), min(flush_ns), min(fall_back_ns) FROM deferrals "
        "WHERE state = 'queued' GROUP BY credential, betas, span ORDER BY min(flush_ns)"
    ).fetchall()
    return [Line(*row) for row in rows]


def waiting(db: Database, line: Line, limit: int) -> list[Waiting]:
    """The first of a line, the oldest first."""
    rows = db.conn.execute(
        "SELECT id, attempt_id, bytes FROM deferrals WHERE state = 'queued' AND credential = ? AND betas = ? "
        "AND span = ? ORDER BY taken_ns, id LIMIT ?",
        [line.credential, line.betas, line.span, limit],
    ).fetchall()
    return [Waiting(*row) for row in rows]


def due_to_fall_back(db: Database, now_ns: int, limit: int) -> list[Deferral]:
    """Those that no batch will make in time any more."""
    where = "WHERE state IN ('queued', 'submitting', 'in_progress') AND fall_back_ns <= ? ORDER BY fall_back_ns LIMIT ?"
    return list(_found(db, where, [now_ns, limit]))


def fallen(db: Database) -> list[Deferral]:
    """Those that are to be answered at the ordinary price, and are not yet."""
    return list(_found(db, "WHERE state = 'fallen_back'", []))


def put_in(
    db: Database, batch: str, line: Line, *, limit: int, bytes_left: int, framing: int, empty: bool
) -> tuple[int, int]:
    """
    Put the first calls of a line into a batch, as many as it may take; `framing` is what each costs beside its text.

    An `empty` batch takes one in any case. Returns how many and how many bytes they are, framing included.
    """
    chosen: list[Waiting] = []
    size = 0
    for one in waiting(db, line, limit):
        needs = one.bytes + len(one.attempt_id) + framing
        if size + needs > bytes_left and (chosen or not empty):
            break
        chosen.append(one)
        size += needs
    db.conn.executemany(
        "UPDATE deferrals SET state = 'submitting', batch = ? WHERE id = ?", [(batch, one.id) for one in chosen]
    )
    db.conn.executemany("UPDATE tries SET batch = ? WHERE attempt_id = ?", [(batch, one.attempt_id) for one in chosen])
    return len(chosen), size


def of_batch(db: Database, batch: str) -> list[Waiting]:
    """What is in a batch that is being sent, in the order in which it travels: shared prefixes beside each other."""
    rows = db.conn.execute(
        "SELECT deferrals.id, tries.attempt_id, bytes FROM tries JOIN deferrals ON deferrals.id = tries.deferral "
        "WHERE tries.batch = ? ORDER BY prefix, taken_ns, deferrals.id",
        [batch],
    ).fetchall()
    return [Waiting(*row) for row in rows]


def started(db: Database, batch: str) -> None:
    """The API has a batch: what is in it is in progress."""
    db.conn.execute("UPDATE deferrals SET state = 'in_progress' WHERE batch = ? AND state = 'submitting'", [batch])


def put_back(db: Database, batch: str, flush_ns: int) -> int:
    """A batch never left: what is in it waits again, under the same attempts, until `flush_ns` at the latest."""
    changed = db.conn.execute(
        "UPDATE deferrals SET state = 'queued', batch = NULL, flush_ns = ? WHERE batch = ? AND state = 'submitting'",
        [flush_ns, batch],
    )
    db.conn.execute("UPDATE tries SET batch = NULL WHERE batch = ? AND outcome IS NULL", [batch])
    return changed.rowcount


def in_batch(db: Database, batch: str, limit: int) -> list[Deferral]:
    """Some of those whose present attempt is in a batch and that still wait for it."""
    where = "WHERE batch = ? AND state IN ('submitting', 'in_progress') ORDER BY id LIMIT ?"
    return list(_found(db, where, [batch, limit]))


def keep_text(db: Database, deferral_id: str, kind: str, text: Text) -> None:
    """Keep a request or an answer."""
    db.conn.execute(
        "INSERT OR REPLACE INTO deferral_texts (deferral, kind, sealed, text) VALUES (?, ?, ?, ?)",
        [deferral_id, kind, int(text.sealed), text.text],
    )


def text_of(db: Database, deferral_id: str, kind: str) -> Text | None:
    """A request or an answer, while it is kept."""
    row = db.conn.execute(
        "SELECT sealed, text FROM deferral_texts WHERE deferral = ? AND kind = ?", [deferral_id, kind]
    ).fetchone()
    return None if row is None else Text(bool(row[0]), bytes(row[1]))


def sealed_texts(db: Database) -> int:
    """How many requests and answers need a key to be read."""
    total: int = db.conn.execute("SELECT count(*) FROM deferral_texts WHERE sealed").fetchone()[0]
    return total


def deliver(db: Database, ids: Iterable[str], now_ns: int) -> None:
    """Note that the answers of those that are over were handed over."""
    for one in ids:
        db.conn.execute(
            "UPDATE deferrals SET delivered_ns = ? WHERE id = ? AND delivered_ns IS NULL AND ended_ns IS NOT NULL",
            [now_ns, one],
        )


def purge(db: Database, *, delivered_before_ns: int, taken_before_ns: int, limit: int) -> int:
    """
    Forget what need not be kept, so many calls at once: texts of what was delivered, and all that is too old.

    Returns how many calls were touched.
    """
    delivered = db.conn.execute(
        "SELECT id FROM deferrals WHERE delivered_ns <= ? AND EXISTS "
        "(SELECT 1 FROM deferral_texts WHERE deferral = id) LIMIT ?",
        [delivered_before_ns, limit],
    ).fetchall()
    old = db.conn.execute(
        "SELECT id FROM deferrals WHERE taken_ns <= ? AND ended_ns IS NOT NULL LIMIT ?", [taken_before_ns, limit]
    ).fetchall()
    for (one,) in (*delivered, *old):
        db.conn.execute("DELETE FROM deferral_texts WHERE deferral = ?", [one])
    for (one,) in old:
        db.conn.execute("DELETE FROM tries WHERE deferral = ?", [one])
        db.conn.execute("DELETE FROM deferrals WHERE id = ?", [one])
    db.conn.execute("DELETE FROM batches WHERE made_ns <= ? AND state IN ('collected', 'failed')", [taken_before_ns])
    return len({*delivered, *old})


def _found(db: Database, where: str, values: list[Any]) -> Iterator[Deferral]:
    for row in db.conn.execute(f"{_SELECT} {where}", values).fetchall():
        yield _deferral(dict(zip(_COLUMNS, row, strict=True)))


def _deferral(row: dict[str, Any]) -> Deferral:
    for name in _JSON:
        row[name] = None if row[name] is None else json.loads(row[name])
    row["balances"] = None if row["balances"] is None else tuple(row["balances"])
    row["hard"] = tuple(row["hard"])
    row["state"] = State(row["state"])
    row["bounded"], row["fallback_sent"] = bool(row["bounded"]), bool(row["fallback_sent"])
    return Deferral(**row)


def _column(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, State):
        return value.value
    if isinstance(value, Mapping):
        return json.dumps(dict(value), separators=(",", ":"))  # pyright: ignore[reportUnknownArgumentType]
    return json.dumps(value) if isinstance(value, tuple | list) else value


def _marks(values: list[str]) -> str:
    return ", ".join("?" for _ in values)
