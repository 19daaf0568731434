"""Where is what a run costs booked, and its result kept: by the agent that runs, or in a ledger that nobody writes?"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from sqlite_utils import Database

from bursar.agent.commands import agenturl
from bursar.agent.evals import desk
from bursar.agent.ledger import Ledger, LedgerInUse, evalbook, samplebook
from bursar.agent.ledger.evalbook import Evaluation
from bursar.agent.settings import Settings
from bursar.policies import protocol, records
from bursar.policies.policy import Policy
from bursar.policies.protocol import Holder, SyncRequest
from bursar.policies.records import Record

T = TypeVar("T")
Order = Callable[[str, Mapping[str, object]], Any]
"""Have a running agent do something; see `agenturl.order`."""

CHUNK = 200
"""Records in one message."""


class Books:
    """
    A run as a process of its own that makes calls, to the ledger like any other.

    Its journal is empty, and locked while it lives: what a run that was killed had sent is then found by the agent, and
    counts as its bound. Each booking goes to whoever has the ledger at that moment, so an agent may start meanwhile.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        clock_ns: Callable[[], int],
        policy: Policy | None = None,
        order: Order = agenturl.order,
    ) -> None:
        """`policy` is what a ledger without an agent books by."""
        self._settings = settings
        self._clock_ns = clock_ns
        self._policy = policy
        self._order = order
        journal = settings.journals / f"{name}.jsonl"
        self._holder = Holder(name, os.getpid(), socket.gethostname(), clock_ns(), str(journal), "bursar eval")
        self._journal = journal
        self._lock: int | None = None

    def __enter__(self) -> Books:
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._journal, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say goodbye, unless something went wrong: then whoever finds the journal sees what was left."""
        try:
            if error is None:
                self._sync((), goodbye=True)
                self._journal.unlink(missing_ok=True)
        finally:
            if self._lock is not None:
                os.close(self._lock)

    def book(self, found: Iterable[Record]) -> None:
        """Book what became of attempts. Raises as `agenturl.order` does, and `LedgerError`."""
        told = [records.to_json(record) for record in found]
        for start in range(0, len(told), CHUNK):
            self._sync(tuple(told[start : start + CHUNK]))

    def keep(self, evaluation: Evaluation) -> None:
        """Keep a result: from then on it is a licence, or the end of one."""
        self._done(desk.EVALS, asdict(evaluation), partial(evalbook.keep, evaluation=evaluation))

    def _sync(self, told: tuple[Mapping[str, Any], ...], *, goodbye: bool = False) -> None:
        request = SyncRequest(self._holder, seq=0, records=told, goodbye=goodbye)
        try:
            with _opened(self._settings.db, self._clock_ns) as ledger:
                ledger.sync(request, policy=self._policy).result()
        except LedgerInUse:
            self._order(protocol.PATH, protocol.to_json(request))

    def _done(self, path: str, body: Mapping[str, object], job: Callable[[Database], T]) -> Any:
        return carried_out(self._settings.db, self._clock_ns, path, body, job, self._order)


def forgotten(settings: Settings, route: str, clock_ns: Callable[[], int], order: Order = agenturl.order) -> int:
    """Delete the samples of a route at once; how many there were."""
    job = partial(samplebook.forget, route=route)
    found = carried_out(settings.db, clock_ns, desk.FORGET, {"route": route}, job, order)
    return int(found["forgotten"]) if isinstance(found, dict) else int(found)  # pyright: ignore[reportUnknownArgumentType]


def carried_out(
    db: Path,
    clock_ns: Callable[[], int],
    path: str,
    body: Mapping[str, object],
    job: Callable[[Database], T],
    order: Order,
) -> Any:
    """A job on the ledger, or the same asked of the agent that has it. Raises as both do."""
    try:
        with _opened(db, clock_ns) as ledger:
            return ledger.submit(job).result()
    except LedgerInUse:
        return order(path, body)


class _opened:  # noqa: N801 - reads as what it does
    """A ledger that nobody writes, while the block lasts. Raises `LedgerInUse`."""

    def __init__(self, path: Path, clock_ns: Callable[[], int]) -> None:
        self._ledger = Ledger(path, clock_ns=clock_ns)

    def __enter__(self) -> Ledger:
        return self._ledger

    def __exit__(self, *_: object) -> None:
        self._ledger.close()
