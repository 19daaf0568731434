"""In which tables do spans wait to be passed on, and how does each receiver stand?"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bursar.agent.ledger.writer import LedgerError

_VERSION = 1
_BUSY_SECONDS = 5.0
_MOST_LOG_BYTES = 4 * 2**20
_FREE_PAGES = 256
_SCHEMA = f"""
CREATE TABLE parcels (
    target TEXT NOT NULL, number INTEGER NOT NULL, part TEXT NOT NULL DEFAULT '', spans INTEGER NOT NULL,
    bytes INTEGER NOT NULL, alone INTEGER NOT NULL DEFAULT 0, queued_ns INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (target, number, part)
) STRICT;
CREATE TABLE targets (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL DEFAULT '', url TEXT NOT NULL DEFAULT '',
    protocol TEXT NOT NULL DEFAULT '', present INTEGER NOT NULL DEFAULT 0, last INTEGER NOT NULL DEFAULT 0,
    spans INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0, passed_over INTEGER NOT NULL DEFAULT 0,
    overflowed INTEGER NOT NULL DEFAULT 0, abandoned INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,
    next_try_ns INTEGER NOT NULL DEFAULT 0, failing_since_ns INTEGER, last_sent_ns INTEGER, last_error TEXT,
    last_error_ns INTEGER
) STRICT;
CREATE TRIGGER parcel_comes AFTER INSERT ON parcels BEGIN
    UPDATE targets SET spans = spans + NEW.spans, bytes = bytes + NEW.bytes WHERE name = NEW.target;
END;
CREATE TRIGGER parcel_goes AFTER DELETE ON parcels BEGIN
    UPDATE targets SET spans = spans - OLD.spans, bytes = bytes - OLD.bytes WHERE name = OLD.target;
END;
PRAGMA user_version = {_VERSION};
"""
"""
parcels: `number` in the order they came, `part` a path of halves. targets: `present`
whether the policy has it, when the agent last looked; `last` the last number given; sums of what
waits are kept by the triggers; the other counts are spans by `forwardqueue.Fate`.
"""


@dataclass(frozen=True, slots=True)
class TargetState:
    """How one receiver stands. Counts are spans; instants nanoseconds since the epoch."""

    name: str
    kind: str = ""
    url: str = ""
    protocol: str = ""
    present: bool = False
    """Whether the policy has it, when the agent last looked."""
    spans: int = 0
    """Waiting."""
    bytes: int = 0
    """What they take on the disk."""
    oldest_ns: int | None = None
    """When the oldest that waits came."""
    sent: int = 0
    refused: int = 0
    passed_over: int = 0
    overflowed: int = 0
    abandoned: int = 0
    tries: int = 0
    """Tries in a row that failed."""
    next_try_ns: int = 0
    failing_since_ns: int | None = None
    last_sent_ns: int | None = None
    last_error: str | None = None
    last_error_ns: int | None = None

    @property
    def dropped(self) -> int:
        """Spans that are gone without having been taken."""
        return self.refused + self.overflowed + self.abandoned


def path_beside(ledger: Path) -> Path:
    """Where the queue of a ledger lies."""
    return ledger.with_name(f"{ledger.name}.forwards")


def states(path: Path) -> list[TargetState]:
    """How every receiver stands, by name; none where there is no file. Raises `LedgerError`."""
    if not path.exists():
        return []
    with explained(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return read_states(db)


def open_file(path: Path) -> sqlite3.Connection:
    """The file with the present tables, durable at every commit. Raises `sqlite3.Error`."""
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA journal_size_limit = {_MOST_LOG_BYTES}")
        _make(db)
    except BaseException:  # whatever it is: nobody else has the connection to close; raised again
        db.close()
        raise
    return db


def give_back(db: sqlite3.Connection) -> None:
    """Shorten the file by the pages that nothing needs; a megabyte of them stays for what comes next."""
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    if free > _FREE_PAGES:
        # As a script: `execute` steps once, which is one page.
        db.executescript(f"PRAGMA incremental_vacuum({free - _FREE_PAGES});")


def _make(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
    elif version != _VERSION:
        raise sqlite3.DatabaseError(f"it is of version {version}, and this Bursar knows version {_VERSION}")


_STATES = """
SELECT name, kind, url, protocol, present, spans, bytes,
    (SELECT min(queued_ns) FROM parcels WHERE target = name AND number =
        (SELECT min(number) FROM parcels WHERE target = name)),
    sent, refused, passed_over, overflowed, abandoned, tries, next_try_ns, failing_since_ns, last_sent_ns, last_error,
    last_error_ns
FROM targets ORDER BY name
"""


def read_states(db: sqlite3.Connection) -> list[TargetState]:
    """How every receiver stands, by name."""
    return [TargetState(*row) for row in db.execute(_STATES)]


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Turn what SQLite says about the file into a `LedgerError` that names it."""
    try:
        yield
    except sqlite3.Error as error:
        raise LedgerError(
            f"the queue of spans to be passed on, {path}, cannot be used ({error}): free disk space or make it "
            "readable and writable. Where it is broken delete it: spans that wait are lost with it, and no money"
        ) from error
