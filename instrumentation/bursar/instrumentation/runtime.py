"""What one instrumented process holds, wired in one place: rules, journal, leases, guard, sync."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from bursar.instrumentation.batches import Batches
from bursar.instrumentation.config import Config
from bursar.instrumentation.guard import Guard
from bursar.instrumentation.ids import Ids
from bursar.instrumentation.journal import Journal
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import AgentLink
from bursar.instrumentation.metrics import Metrics
from bursar.instrumentation.quiet import forget_told, quiet
from bursar.instrumentation.rules import keep_snapshot, load_snapshot, rules_of, shipped_rules
from bursar.instrumentation.served import Served, Servings
from bursar.instrumentation.sync import Sync
from bursar.policies.charge import Charge
from bursar.policies.protocol import Holder, Snapshot
from bursar.policies.records import Record, Released, to_line

log = logging.getLogger("bursar")

CLOSING_SECONDS = 2.0
Observer = Callable[[Charge], None]


class Runtime:
    """Built by `instrument()`; a forked child builds its own. One straight construction, torn down in reverse."""

    def __init__(self, config: Config, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.config = config
        self.clock_ns = clock_ns
        self.pid = os.getpid()
        self.ids = Ids()
        self.leases = Leases()
        self.servings = Servings()
        self.batches = Batches()
        self.metrics = Metrics(config.metrics, config.metric_labels)
        self.observers: list[Observer] = []
        self.traced = False
        """Whether tracing was set up: at the first call, since an application sets up its own before it makes one."""
        self._journal: Journal | None = None
        self._journal_lock = threading.Lock()
        self.rules = shipped_rules(config.prices_file)
        snapshot = load_snapshot(config.state_dir) if config.agent else None
        if snapshot is not None:
            self.rules = rules_of(snapshot, self.rules)
        self.sync = self._sync() if config.agent else None
        self.guard = Guard(
            self.leases,
            lambda: self.rules,
            self.sync,
            enforce=config.enforce,
            without_rules=config.on_unreachable,
            on_release=self._never_sent,
        )

    def record(self, record: Record) -> None:
        """Journal a record, and let it be shipped soon."""
        self.journal.append(to_line(record))
        if self.sync is not None:
            self.sync.nudge()

    def tell(self, charge: Charge) -> None:
        """Hand a final charge to whoever listens in this process."""
        self.servings.keep(charge)
        for observer in tuple(self.observers):
            with quiet("tell an observer of a charge"):
                observer(charge)

    def served(self, response_id: str) -> Served | None:
        """What is known of a recent response."""
        return self.servings.find(response_id)

    @property
    def journal(self) -> Journal:
        """The journal, opened by the first call that needs it: a process without calls leaves no file."""
        if self._journal is None:
            with self._journal_lock:
                if self._journal is None:
                    self._journal = Journal(self.config.state_dir, self.ids.holder)
        return self._journal

    def flush(self, timeout: float) -> bool:
        """Ship everything to the agent; whether it has booked it all. Without an agent the journal is all there is."""
        return self.sync.flush(timeout) if self.sync is not None else True

    def close(self) -> None:
        """The end of the process, or of instrumentation: ship, give money back, let go of the journal."""
        journal = self._journal
        if self.sync is None or (journal is None and not self.rules.heard):
            shipped = journal is None or journal.drained
        else:
            shipped = self.sync.close(CLOSING_SECONDS)
        if journal is not None:
            journal.close(remove=shipped)

    def abandon(self) -> None:
        """In a forked child: everything here is the parent's. Drop what is inherited without a word to anybody."""
        if self.sync is not None:
            self.sync.abandon()
        if self._journal is not None:
            self._journal.abandon()

    def _never_sent(self, attempt_id: str) -> None:
        self.record(Released(attempt_id, "never sent"))

    def _sync(self) -> Sync:
        config, agent = self.config, self.config.agent or ""
        return Sync(
            AgentLink(agent, config.token_file),
            AgentLink(agent, config.token_file),
            self._holder,
            lambda: self.journal,
            self.leases,
            on_views=lambda views: self.guard.standings.see(views),
            watched=lambda: self.guard.standings.watched(),
            on_snapshot=self._take_snapshot,
            on_unclaimed=self._never_sent,
        )

    def _holder(self) -> Holder:
        journal = self.journal
        return Holder(
            id=self.ids.holder,
            pid=self.pid,
            host=socket.gethostname(),
            started_ns=self.clock_ns(),
            journal=str(journal.path) if journal.writable else None,
            service=self.config.service,
        )

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        rules = rules_of(snapshot, shipped_rules(self.config.prices_file))
        self.rules = rules if rules.heard else replace(self.rules, heard=self.rules.heard)
        with quiet("keep the agent's rules"):
            keep_snapshot(self.config.state_dir, snapshot)


_runtime: Runtime | None = None
_lock = threading.Lock()


def current_runtime() -> Runtime | None:
    """The runtime in force; None while nothing is instrumented."""
    return _runtime


def install(config: Config) -> Runtime:
    """Build a runtime and put it in force, closing the one before."""
    global _runtime
    with _lock:
        before, _runtime = _runtime, Runtime(config)
    if before is not None:
        before.close()
    return _runtime


def remove() -> None:
    """Take the runtime out of force and close it."""
    global _runtime
    with _lock:
        before, _runtime = _runtime, None
    if before is not None:
        before.close()


def _after_fork() -> None:
    """A child starts with no lease, new ids and a journal of its own; locks it inherited may be held by nobody."""
    global _runtime, _lock
    _lock = threading.Lock()
    forget_told()
    parent = _runtime
    if parent is None:
        return
    _runtime = None
    with quiet("start afresh after a fork"):
        parent.abandon()
        child = Runtime(parent.config, parent.clock_ns)
        child.observers = parent.observers
        child.traced = parent.traced
        child.batches = parent.batches.heir()
        _runtime = child


os.register_at_fork(after_in_child=_after_fork)
