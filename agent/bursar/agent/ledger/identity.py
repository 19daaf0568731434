"""Which ledger is this file, and has it lost commits that it once had?"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from sqlite_utils import Database

_log = logging.getLogger(__name__)


def count(db: Database) -> None:
    """One more commit; to be called within it."""
    db.conn.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'commits'")


def read(db: Database) -> tuple[str, int]:
    """The ledger's own name, the same in every copy, and how many commits this file has seen."""
    found: dict[str, str] = dict(db.conn.execute("SELECT key, value FROM meta").fetchall())
    return found["ledger"], int(found["commits"])


def kept(db: Database, name: str, made: str = "") -> str:
    """A text that this ledger keeps for itself under a name; `made` is kept where there is none yet and it is some."""
    if made:
        db.conn.execute("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING", [name, made])
    row = db.conn.execute("SELECT value FROM meta WHERE key = ?", [name]).fetchone()
    return "" if row is None else str(row[0])


def keep(db: Database, name: str, text: str) -> None:
    """Keep another text under a name."""
    db.conn.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", [name, text])


def leave_mark(db: Database, path: Path) -> None:
    """Write both beside the file. Where that fails an older copy goes unnoticed, and nothing else."""
    ledger, commits = read(db)
    mark, draft = _mark(path), path.with_name(f"{path.name}.commits.new")
    try:
        draft.write_text(json.dumps({"ledger": ledger, "commits": commits}))
        os.replace(draft, mark)
    except OSError as error:
        _log.warning("an older copy of %s would go unnoticed: %s cannot be written (%s)", path, mark, error.strerror)


def lost_commits(db: Database, path: Path) -> int:
    """How many commits the file in this place had seen before that this one has not: 0, unless it is an older copy."""
    ledger, commits = read(db)
    try:
        before = json.loads(_mark(path).read_text())
        return max(int(before["commits"]) - commits, 0) if before["ledger"] == ledger else 0
    except (OSError, ValueError, KeyError, TypeError):  # no mark, or none of ours
        return 0


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.commits")
