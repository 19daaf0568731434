"""Empty ledgers, in memory and in files, as copies of one that is made once: making one takes far longer."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlite_utils import Database

from bursar.agent.ledger import schema


def ledger() -> Database:
    """A ledger of the present schema with nothing in it; it is its caller's to close."""
    copy = Database(memory=True)
    _made().conn.backup(copy.conn)
    return copy


def file(path: Path) -> Path:
    """The path, with an empty ledger there for `Ledger` to open, unless there is one already."""
    if not path.exists():
        path.write_bytes(_made().conn.serialize())
    return path


@cache
def _made() -> Database:
    made = Database(memory=True)
    schema.upgrade(made)
    return made
