"""The shipped ledger as a simulated world drives it: the one module that knows its tables and functions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from sqlite_utils import Database
from tests.soak.premises import HOST, MODEL, Clock
from tests.soak.turns import Stage

from bursar.agent.adoption import Adoption
from bursar.agent.ledger import balances, lending, open_for_reading, schema
from bursar.agent.ledger.booking import book
from bursar.agent.serving.wire import parse_request
from bursar.policies import protocol
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Policy
from bursar.policies.protocol import SyncRequest, SyncResponse
from bursar.policies.records import Settled
from bursar.policies.usage import Usage

JOURNALS = "journal"
"""Where a state folder has them."""

Told = Callable[[SyncRequest, SyncResponse], object]


class AgentDied(ConnectionResetError):  # noqa: N818 - the condition is the name
    """The agent was killed while it had a message."""


@dataclass(frozen=True, slots=True)
class Row:
    """A balance in the ledger, in nano-dollars."""

    ceiling: int | None
    spent: int
    folded: int
    """The sum of its postings, which `spent` is to equal."""
    out: int


_ROWS = """
SELECT key, spent_nano,
    (SELECT coalesce(sum(nano), 0) FROM postings WHERE balance = key),
    (SELECT coalesce(sum(granted - returned - charged), 0) FROM leases WHERE balance = key)
FROM balances
"""


class Accounts:
    """The shipped ledger in memory: answers guards, and recovers who is dead."""

    def __init__(self, policy: Policy, clock: Clock, told: Told) -> None:
        self.policy = policy
        self._clock = clock
        self._told = told
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        _template().conn.backup(connection)
        self.db = Database(connection, execute_plugins=False)
        self._ceilings: dict[str, int] = {}

    def receive(self, body: bytes, *, dies: str = "") -> Any:
        """One message, as the agent's route takes it; `dies` before or after its commit, or not at all."""
        request = parse_request(body)
        with self.db.atomic():
            response = lending.sync(self.db, request, policy=self.policy, now_ns=self._clock.wall_ns())
            if dies == "before":
                raise AgentDied
        self._told(request, response)
        if dies == "after":
            raise AgentDied
        return protocol.to_json(response)

    def close_holder(self, holder: str) -> None:
        """Recover a process that is proven dead."""
        with self.db.atomic():
            lending.close_holder(self.db, holder, policy=self.policy, now_ns=self._clock.wall_ns())

    def spend(self, nano: int) -> None:
        """Something was spent before, by somebody else."""
        at = self._clock.wall_ns()
        charge = Charge("before", nano, Usage(), Basis.USAGE, MODEL, MODEL, "desk", at_ns=at)
        with self.db.atomic():
            book(self.db, [Settled(charge)], holder=None, policy=self.policy, now_ns=at)

    def rows(self) -> dict[str, Row]:
        """Every balance."""
        return {key: Row(self.ceiling(key), *amounts) for key, *amounts in self._all(_ROWS)}

    def ceiling(self, key: str) -> int | None:
        """How far a balance may go; of the twin of one that may be overdrawn, its limit."""
        if key not in self._ceilings:
            row = balances.read(self.db, key, self._clock.wall_ns())
            if row is None or row.ceiling is None:
                return None
            self._ceilings[key] = row.ceiling
        return self._ceilings[key]

    def attempts(self) -> dict[str, str]:
        """The state of every attempt."""
        return dict(self._all("SELECT attempt_id, state FROM attempts"))

    def posted(self) -> dict[str, dict[str, int]]:
        """By attempt, what it counts as in each balance."""
        found: dict[str, dict[str, int]] = {}
        for attempt, key, nano in self._all("SELECT attempt_id, balance, nano FROM postings"):
            found.setdefault(attempt, {})[key] = nano
        return found

    def lent(self) -> dict[tuple[str, str], int]:
        """By holder and balance, what was ever lent and has not come back."""
        rows = self._all("SELECT holder, balance, granted - returned FROM leases")
        return {(holder, key): lent for holder, key, lent in rows}

    def leases_out(self) -> dict[tuple[str, str], int]:
        """What each holder may still cost each balance, where that is not nothing."""
        rows = self._all("SELECT holder, balance, granted - returned - charged FROM leases")
        return {(holder, key): out for holder, key, out in rows if out}

    def holds(self) -> list[str]:
        """Attempts that the ledger still sets money aside for."""
        return [attempt for (attempt,) in self._all("SELECT attempt_id FROM holds")]

    @property
    def changes(self) -> int:
        """Grows whenever anything is written."""
        return self.db.conn.total_changes

    def close(self) -> None:
        """Forget it all."""
        self.db.conn.close()

    def _all(self, query: str) -> list[Any]:
        return self.db.conn.execute(query).fetchall()


class Desk:
    """What the shipped adoption books through, in steps that others may come between."""

    def __init__(self, accounts: Accounts, stage: Stage) -> None:
        self._accounts = accounts
        self._stage = stage
        self.ledger = self

    def sync(self, request: SyncRequest) -> Future[Any]:
        """Book the records of a journal."""
        self._stage.pause("adopt")
        body = protocol.to_body(request)
        return _done(self._accounts.receive(body))

    def close_holder(self, holder: str) -> Future[None]:
        """Close an incarnation."""
        self._stage.pause("close")
        self._accounts.close_holder(holder)
        self._stage.pause("closed")
        return _done(None)

    @contextmanager
    def reading(self) -> Generator[Database]:
        """The accounts as they stand."""
        yield self._accounts.db

    def adoption(self, folder: Path) -> Adoption:
        """The shipped adoption of the journals under a state folder."""
        return Adoption(folder / JOURNALS, HOST, cast(Any, self))


@dataclass(frozen=True, slots=True)
class Charged:
    """What one attempt counts as, in nano-dollars."""

    nano: int
    exact: bool
    """Whether these are the API's own figures."""


def charged(ledger: Path, label: str) -> dict[str, list[Charged]]:
    """Everything that counts in a ledger file, by the value of a label."""
    found: dict[str, list[Charged]] = {}
    query = "SELECT labels, basis, nano FROM postings JOIN attempts USING (attempt_id)"
    with open_for_reading(ledger) as db:
        for labels, basis, nano in db.conn.execute(query).fetchall():
            found.setdefault(json.loads(labels)[label], []).append(Charged(nano, basis == Basis.USAGE.value))
    return found


def leaked(ledger: Path) -> list[str]:
    """Holds and leases in a ledger file whose processes are all gone."""
    with open_for_reading(ledger) as db:
        holds = db.conn.execute("SELECT attempt_id FROM holds").fetchall()
        out = db.conn.execute(
            "SELECT holder, granted - returned - charged FROM leases WHERE granted - returned - charged != 0"
        ).fetchall()
    return [f"hold of {attempt} leaked" for (attempt,) in holds] + [f"{left} leaked by {who}" for who, left in out]


def _done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future


@cache
def _template() -> Database:
    db = Database(sqlite3.connect(":memory:", check_same_thread=False), execute_plugins=False)
    schema.upgrade(db)
    return db
