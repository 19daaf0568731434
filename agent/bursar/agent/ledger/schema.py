"""What stands in the ledger's tables, and how does a file of an earlier version become a present one?"""

from __future__ import annotations

import logging
import sqlite3

from sqlite_utils import Database

from bursar.agent.ledger.migrations import MIGRATIONS

_log = logging.getLogger(__name__)
_STRICT_SINCE = (3, 37)


class SchemaError(Exception):
    """A database file that this version cannot work with; the text says why and what to do."""


def upgrade(db: Database) -> None:
    """
    Bring a file, new or old, to the present schema. Raises `SchemaError` for one of a newer version.

    A new one is made in one transaction, which reaches the disk once. An old one keeps what each step did, so that it
    goes on where it was killed, and the log says that it takes a while.
    """
    refuse_newer(db)
    steps = [migration.name for migration in MIGRATIONS.pending(db)]
    if not MIGRATIONS.applied(db):
        with db.atomic():
            MIGRATIONS.apply(db)
    elif steps:
        _log.warning(
            "the ledger is of an earlier version and is brought to this one (%s): with a million calls in it this "
            "takes some minutes, and nothing is answered meanwhile; if it is stopped it goes on at the next start",
            ", ".join(steps),
        )
        MIGRATIONS.apply(db)
        _log.warning("the ledger is of this version now")


def refuse_newer(db: Database) -> None:
    """Raise `SchemaError` where the file knows a migration that this version does not, or SQLite is too old."""
    if sqlite3.sqlite_version_info < _STRICT_SINCE:
        raise SchemaError(f"SQLite {sqlite3.sqlite_version} is too old: use a Python that brings 3.37 or newer")
    newer = sorted({migration.name for migration in MIGRATIONS.applied(db)} - _known())
    if newer:
        raise SchemaError(f"it was written by a newer Bursar (it has {', '.join(newer)}): upgrade Bursar")


def refuse_older(db: Database) -> None:
    """Raise `SchemaError` where a migration is missing, for those who may only read."""
    missing = [migration.name for migration in MIGRATIONS.pending(db)]
    if missing:
        raise SchemaError(f"it lacks {', '.join(missing)}: start the agent on it once, which upgrades it")


def _known() -> set[str]:
    """The names of all migrations of this version: those that an empty database lacks."""
    with Database(memory=True) as empty:
        return {migration.name for migration in MIGRATIONS.pending(empty)}
