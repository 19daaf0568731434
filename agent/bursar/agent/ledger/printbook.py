"""How are fingerprints kept, and read again beside what their calls cost?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from sqlite_utils import Database

from bursar.policies.fingerprint import STRETCH_BYTES, Block, Cause, Fingerprint
from bursar.policies.usage import Usage


class Node(NamedTuple):
    """A prefix: its last block, and the prefix before it. `depth` counts blocks from 1, pseudo-blocks too."""

    id: int
    parent: int
    """0 at the beginning."""
    depth: int
    hash: bytes
    """Of its own block alone: equal blocks elsewhere have the same."""
    section: str
    place: int
    """As `Block.index`."""
    part: int
    kind: str
    role: str
    bytes: int
    tokens: int
    """An estimate; see `Block.tokens`."""
    cacheable: bool


class Prompt(NamedTuple):
    """One call whose fingerprint is known, with what the API billed for it."""

    attempt_id: str
    at_ns: int
    ttft_ns: int
    route: str
    model: str
    node: int
    """The whole prompt: the id of its last node."""
    marks: tuple[tuple[int, str], ...]
    """Depth (from 1) and time to live of each mark that it had, automatic caching apart."""
    automatic: str
    conversation: str
    share: float
    usage: Usage
    cost_nano: int | None
    action: str
    reason: str
    miss_reason: str
    cause: Cause | None
    """Why it left the prompt before it; None where it did not, or that is not known."""
    break_depth: int
    """From 1; 0 where there is no cause."""
    break_offset: int
    break_length: int
    shared_after: int
    modifiers: tuple[str, ...] = ()
    """Of its price, as `batch` or `fast`."""


_USAGE = tuple(Usage.__dataclass_fields__)
_COLUMNS = f"""
    f.attempt_id, a.at_ns, f.ttft_ns, a.route, a.model, f.node, f.marks, f.automatic, f.conversation, f.share,
        a.cost_nano, a.action, a.reason, f.miss_reason, f.cause, f.depth, f.offset, f.length, f.shared_after,
        a.modifiers, {", ".join(f"coalesce(a.{name}, 0)" for name in _USAGE)}
"""
_COUNTS = "a.state = 'settled' AND a.basis = 'usage' AND a.duplicate_of IS NULL"
_PROMPTS = f"""
    SELECT {_COLUMNS} FROM attempts AS a JOIN fingerprints AS f ON f.attempt_id = a.attempt_id
    WHERE {_COUNTS} AND a.at_ns >= ? AND a.at_ns < ? AND (? IS NULL OR a.route GLOB ?)
    ORDER BY a.at_ns, a.attempt_id
"""
_LATEST = f"""
    SELECT {_COLUMNS} FROM (
        SELECT * FROM attempts INDEXED BY attempts_route WHERE route = ? AND at_ns < ? ORDER BY at_ns DESC LIMIT ?
    ) AS a CROSS JOIN fingerprints AS f ON f.attempt_id = a.attempt_id
    WHERE {_COUNTS} ORDER BY a.at_ns DESC, a.attempt_id LIMIT ?
"""


def keep(db: Database, prints: Iterable[Fingerprint], now_ns: int) -> int:
    """Keep those that are new; how many those were. One known already stays as it is."""
    kept = 0
    for one in prints:
        if db.conn.execute("SELECT 1 FROM fingerprints WHERE attempt_id = ?", [one.attempt_id]).fetchone() is None:
            _keep(db, one, now_ns)
            kept += 1
    return kept


def prompts(db: Database, since_ns: int, until_ns: int, route: str | None = None) -> Iterator[Prompt]:
    """Calls in order of time, never all in memory; `route` is a glob."""
    return map(_prompt, db.conn.execute(_PROMPTS, [since_ns, until_ns, route, route]))


def latest(db: Database, route: str, until_ns: int, *, limit: int, look: int) -> list[Prompt]:
    """
    The newest calls of a route, by its exact name, in order of time: so many at most.

    Where few have fingerprints the search ends after `look` calls, so that it takes as long however many there are.
    """
    rows = db.conn.execute(_LATEST, [route, until_ns, look, limit]).fetchall()
    return [_prompt(row) for row in reversed(rows)]


def count(db: Database, since_ns: int, until_ns: int) -> int:
    """How many fingerprints there are of calls sent in that time, for a progress bar."""
    found: int = db.conn.execute(
        "SELECT count(*) FROM attempts AS a JOIN fingerprints AS f ON f.attempt_id = a.attempt_id "
        "WHERE a.at_ns >= ? AND a.at_ns < ?",
        [since_ns, until_ns],
    ).fetchone()[0]
    return found


def node(db: Database, node_id: int) -> Node:
    """One node. Raises `KeyError`."""
    row = db.conn.execute(f"SELECT {_NODE} FROM nodes WHERE id = ?", [node_id]).fetchone()
    if row is None:
        raise KeyError(node_id)
    return _node(row)


def nodes(db: Database, first: int, last: int) -> Iterator[Node]:
    """Nodes by a range of their ids, both ends among them: far quicker than one by one where most are wanted."""
    return map(_node, db.conn.execute(f"SELECT {_NODE} FROM nodes WHERE id BETWEEN ? AND ?", [first, last]))


def path(db: Database, node_id: int, known: dict[int, Node]) -> tuple[Node, ...]:
    """The nodes of a prompt from its beginning; `known` keeps what was read, for the next one."""
    found: list[Node] = []
    while node_id:
        one = known.get(node_id)
        if one is None:
            one = known[node_id] = node(db, node_id)
        found.append(one)
        node_id = one.parent
    return tuple(reversed(found))


def stretches(db: Database, node_id: int) -> tuple[bytes, ...]:
    """Hashes of a node's text up to each cut; empty where they were not told."""
    row = db.conn.execute("SELECT hashes FROM stretches WHERE node = ?", [node_id]).fetchone()
    text: bytes = row[0] if row is not None else b""
    return tuple(text[place : place + STRETCH_BYTES] for place in range(0, len(text), STRETCH_BYTES))


def purge(db: Database, before_ns: int, *, limit: int) -> int:
    """Forget fingerprints told before an instant, so many at a time, and nodes that nothing has met since."""
    gone = db.conn.execute(
        "DELETE FROM fingerprints WHERE attempt_id IN (SELECT attempt_id FROM fingerprints WHERE told_ns < ? LIMIT ?)",
        [before_ns, limit],
    ).rowcount
    if gone < limit:  # a node is met whenever anything behind it is: its children are never younger
        old = "SELECT id FROM nodes WHERE seen_ns < ?"
        db.conn.execute(f"DELETE FROM stretches WHERE node IN ({old})", [before_ns])
        db.conn.execute("DELETE FROM nodes WHERE seen_ns < ?", [before_ns])
    return gone


_NODE = "id, parent, depth, hash, section, place, part, kind, role, bytes, tokens, cacheable"


def _prompt(row: tuple[Any, ...]) -> Prompt:
    attempt_id, at_ns, ttft_ns, named, model, node, marks, automatic, conversation, share, *rest = row
    cost, action, reason, miss, cause, depth, offset, length, after, modifiers, *usage = rest
    return Prompt(
        attempt_id,
        at_ns,
        ttft_ns,
        named,
        model,
        node,
        _marks_of(marks),
        automatic,
        conversation,
        share,
        Usage(*usage),
        cost,
        action,
        reason,
        miss,
        Cause(cause) if cause is not None else None,
        depth or 0,
        offset or 0,
        length or 0,
        after or 0,
        _modifiers(modifiers or "[]"),
    )


def _node(row: tuple[Any, ...]) -> Node:
    return Node._make((*row[:-1], bool(row[-1])))


def _keep(db: Database, one: Fingerprint, now_ns: int) -> None:
    parent = 0
    ids: list[int] = []
    for depth, block in enumerate(one.blocks, start=1):
        parent = _interned(db, parent, depth, block, now_ns)
        ids.append(parent)
    for place, hashes in one.stretches.items():
        db.conn.execute(
            "INSERT INTO stretches VALUES (?, ?) ON CONFLICT DO NOTHING", [ids[place], bytes.fromhex("".join(hashes))]
        )
    marks = {depth: block.mark for depth, block in enumerate(one.blocks, start=1) if block.mark}
    brk = one.brk
    told = (None,) * 5 if brk is None else (str(brk.cause), brk.depth + 1, brk.offset, brk.length, brk.shared_after)
    row = [one.attempt_id, now_ns, parent, one.conversation, one.share, one.ttft_ns, one.automatic]
    db.conn.execute(
        f"INSERT INTO fingerprints VALUES ({', '.join('?' * 14)})", [*row, _marks_text(marks), one.miss_reason, *told]
    )


def _interned(db: Database, parent: int, depth: int, block: Block, now_ns: int) -> int:
    """The node of a block behind a prefix, made where nobody met it before; it has been met now in any case."""
    digest = bytes.fromhex(block.hash)
    row = db.conn.execute(
        "UPDATE nodes SET seen_ns = max(seen_ns, ?) WHERE parent = ? AND hash = ? RETURNING id",
        [now_ns, parent, digest],
    ).fetchone()
    if row is None:
        values = [parent, digest, depth, str(block.section), block.index, block.part, block.kind, block.role]
        row = db.conn.execute(
            "INSERT INTO nodes (parent, hash, depth, section, place, part, kind, role, bytes, tokens, cacheable, "
            "seen_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            [*values, block.bytes, block.tokens, block.cacheable, now_ns],
        ).fetchone()
    found: int = row[0]
    return found


@lru_cache(maxsize=256)
def _modifiers(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _marks_text(marks: Mapping[int, str]) -> str:
    return " ".join(f"{depth}:{ttl}" for depth, ttl in marks.items())


def _marks_of(text: str) -> tuple[tuple[int, str], ...]:
    pairs = (one.partition(":") for one in text.split())
    return tuple((int(depth), ttl) for depth, _, ttl in pairs)
