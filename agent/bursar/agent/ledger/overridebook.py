"""Which overrides were ever made, by whom and why, and which rules were in force when?"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlite_utils import Database

from bursar.policies.overrides import Override, from_json
from bursar.policies.protocol import Snapshot


@dataclass(frozen=True, slots=True)
class Entry:
    """An override, and how it ended if somebody took it back."""

    override: Override
    ended_ns: int | None
    ended_by: str | None


def keep(db: Database, override: Override) -> None:
    """Note a new override."""
    row = asdict(override)
    db.conn.execute(f"INSERT INTO overrides ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})", row)


def end(db: Database, budget: str, *, now_ns: int, by: str) -> tuple[Override, ...]:
    """Take back what is still in force of a budget's overrides; which ones these were."""
    ended = tuple(override for override in standing(db, now_ns) if override.budget == budget)
    for override in ended:
        db.conn.execute("UPDATE overrides SET ended_ns = ?, ended_by = ? WHERE id = ?", [now_ns, by, override.id])
    return ended


def standing(db: Database, now_ns: int) -> tuple[Override, ...]:
    """Overrides that are not over and not taken back."""
    return tuple(entry.override for entry in _found(db, "WHERE ended_ns IS NULL AND until_ns > ?", now_ns))


def history(db: Database) -> list[Entry]:
    """Every override there ever was, the newest first."""
    return _found(db, "WHERE since_ns >= ?", 0)


def keep_rules(db: Database, snapshot: Snapshot, now_ns: int) -> None:
    """Note that a process is told these rules: what the decisions that it makes by them are explained by."""
    db.conn.execute(
        "INSERT INTO rulebook (id, told_ns, policy, prices, overrides, file) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET told_ns = max(told_ns, excluded.told_ns)",
        [snapshot.id, now_ns, snapshot.policy, snapshot.prices, snapshot.overrides, snapshot.file],
    )


def rules(db: Database, snapshot_id: str) -> Snapshot | None:
    """Rules that were in force, by their id."""
    return _snapshot(db, "WHERE id = ?", snapshot_id)


def latest_rules(db: Database) -> Snapshot | None:
    """The rules that a process was told last."""
    return _snapshot(db, "WHERE told_ns >= ? ORDER BY told_ns DESC, id LIMIT 1", 0)


def _snapshot(db: Database, where: str, value: str | int) -> Snapshot | None:
    row = db.conn.execute(f"SELECT id, policy, prices, file, overrides FROM rulebook {where}", [value]).fetchone()
    return None if row is None else Snapshot(*row)


def _found(db: Database, where: str, value: int) -> list[Entry]:
    cursor = db.conn.execute(f"SELECT * FROM overrides {where} ORDER BY since_ns DESC, id", [value])
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [Entry(from_json(row), row["ended_ns"], row["ended_by"]) for row in rows]
