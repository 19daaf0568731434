"""What one instrumented process holds, wired in one place: rules, journal, leases, guard, sync."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bursar.instrumentation.batches import Batches
from bursar.instrumentation.belonging import Conversations
from bursar.instrumentation.capturing import Sampler
from bursar.instrumentation.config import Config
from bursar.instrumentation.desk import Desk
from bursar.instrumentation.dial import Dial
from bursar.instrumentation.fingerprinting import Fingerprinting
from bursar.instrumentation.guard import Guard
from bursar.instrumentation.ids import Ids
from bursar.instrumentation.journal import Journal, abandon_all
from bursar.instrumentation.leases import Leases
from bursar.instrumentation.link import AgentLink
from bursar.instrumentation.metrics import Metrics
from bursar.instrumentation.quiet import forget_told, quiet
from bursar.instrumentation.rules import keep_snapshot, load_snapshot, rules_of, shipped_rules
from bursar.instrumentation.served import PutOff, Served, Servings
from bursar.instrumentation.sync import Sync
from bursar.instrumentation.waiter import Waiter
from bursar.policies.changes import Change
from bursar.policies.charge import Basis, Charge
from bursar.policies.protocol import Holder, Snapshot
from bursar.policies.records import Record, Released, Settled, to_line

log = logging.getLogger("bursar")

CLOSING_SECONDS = 2.0
PRINTS_SECONDS = 0.5
"""How long the end waits for fingerprints: they are advice, and money comes first."""
_LAST = -100
"""In the order in which `multiprocessing` ends a process: after its queues."""
Observer = Callable[[Charge], None]


class Runtime:
    """Built by `instrument()`, and begun again in a forked child. One straight construction, torn down in reverse."""

    def __init__(self, config: Config, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.config = config
        self.clock_ns = clock_ns
        self.batches = Batches()
        self.observers: list[Observer] = []
        self.traced = False
        """Whether tracing was set up: at the first call, since an application sets up its own before it makes one."""
        self._inherited: tuple[str, ...] = ()
        """How the ids of attempts begin that are those of the processes which this one was forked from."""
        self.rules = shipped_rules(config.prices_file)
        snapshot = load_snapshot(config.state_dir) if config.agent else None
        if snapshot is not None:
            self.rules = rules_of(snapshot, self.rules)
        self._begin()

    def _begin(self) -> None:
        """Make what is one process's alone."""
        config = self.config
        self.pid = os.getpid()
        self.ids = Ids()
        self.leases = Leases()
        self.servings = Servings()
        self.conversations = Conversations(os.urandom(16), self.ids.call)
        self.metrics = Metrics(config.metrics, config.metric_labels)
        self._journal: Journal | None = None
        self._journal_lock = threading.Lock()
        self._dial = Dial(config.agent, config.ca_file) if config.agent else None
        self.sync = self._sync() if config.agent else None
        self.desk: Desk | None = None
        self.waiter: Waiter | None = None
        self.prints: Fingerprinting | None = None
        self.sampler: Sampler | None = None
        if config.agent:
            self.prints = Fingerprinting(self._link(), lambda: self.ids.holder, lambda: self.rules)
            self.sampler = Sampler(self._link)
            self.waiter = waiter = Waiter(self._link(), lambda request: desk.withdraw(request))
            self.desk = desk = Desk(self._link, waiter.withdraw)
        self.guard = Guard(
            self.leases,
            lambda: self.rules,
            self.sync,
            self.desk,
            enforce=config.enforce,
            without_rules=config.on_unreachable,
            on_release=self._never_sent,
            on_loop=self.record,
        )

    def record(self, record: Record) -> None:
        """Journal a record, and let it be shipped soon."""
        if self._inherited and isinstance(record, Settled | Released) and record.attempt_id.startswith(self._inherited):
            return  # sent before the fork: its end is the parent's to tell
        self.journal.append(to_line(record))
        if self.sync is not None:
            self.sync.nudge()

    def tell(self, charge: Charge, changes: tuple[Change, ...] = (), put_off: PutOff | None = None) -> None:
        """Hand a final charge to whoever listens in this process, with what was changed of its request."""
        self.servings.keep(charge, changes, put_off)
        for observer in tuple(self.observers):
            with quiet("tell an observer of a charge"):
                observer(charge)

    def settle(self, charge: Charge, text_bytes: int = 0) -> None:
        """What a request of a batch cost is journalled; then what was held for it is free, and its density learnt."""
        self.record(Settled(charge))
        self.leases.settle(charge.attempt_id, charge.cost_nano_usd, charge.tokens)
        if text_bytes and charge.basis is Basis.USAGE:
            usage = charge.usage
            self.guard.estimates.learn(
                charge.route, charge.model, usage.output, prompt_tokens=usage.prompt, text_bytes=text_bytes
            )

    def release(self, attempt_id: str, why: str) -> None:
        """A request of a batch is known to have cost nothing."""
        self.record(Released(attempt_id, why))
        self.leases.release(attempt_id)

    def answered(self, response_id: str | None, conversation: str) -> None:
        """A response belongs to a conversation, where that is known."""
        if response_id is not None and conversation:
            self.conversations.answered(response_id, conversation)

    def served(self, response: Any) -> Served | None:
        """What is known of a recent response."""
        return self.servings.find(response)

    @property
    def journal(self) -> Journal:
        """The journal, opened by the first call that needs it: a process without calls leaves no file."""
        if self._journal is None:
            with self._journal_lock:
                if self._journal is None:
                    self._journal = Journal(self.config.state_dir, self.ids.holder)
        return self._journal

    def flush(self, timeout: float) -> bool:
        """
        Ship everything to the agent; whether it has booked it all. Without an agent the journal is all there is.

        Fingerprints are told too, in what is left of the time; nothing is lost where that is not enough.
        """
        self.metrics.count()
        if self.sampler is not None:
            self.sampler.flush(timeout)
        if self.sync is None:
            return True
        until = time.monotonic() + timeout
        booked = self.sync.flush(timeout)
        if self.prints is not None and booked:
            self.prints.flush(max(until - time.monotonic(), 0))
        return booked

    def close(self) -> None:
        """The end of the process, or of instrumentation: ship, give money back, let go of the journal."""
        self.metrics.count()
        if self.sampler is not None:
            self.sampler.close()
        if self.waiter is not None and self.desk is not None:
            self.waiter.close()
            self.desk.close()
        journal = self._journal
        if self.sync is None or (journal is None and not self.rules.heard):
            shipped = journal is None or journal.drained
        else:
            shipped = self.sync.close(CLOSING_SECONDS)
        if self.prints is not None:
            self.prints.close(PRINTS_SECONDS if shipped else 0)
        # While another thread has a call under way the lock has to say that this process lives.
        if journal is not None and not self.leases.holding:
            journal.close(remove=shipped)

    def renew(self) -> None:
        """
        In a forked child: drop what is the parent's without a word to anybody, and begin again, in place.

        So calls that were under way go on with what is the child's. Takes no lock: threads that held one are not here.
        """
        self._inherited = (*self._inherited, self.ids.prefix)
        if self.sync is not None:
            self.sync.abandon()
        if self.sampler is not None:
            self.sampler.abandon()
        if self.waiter is not None and self.desk is not None:
            self.waiter.abandon()
            self.desk.abandon()
        if self.prints is not None:
            self.prints.abandon()
        self.batches = self.batches.heir()
        self._begin()

    def _never_sent(self, attempt_id: str) -> None:
        self.record(Released(attempt_id, "never sent"))

    def _sync(self) -> Sync:
        return Sync(
            self._link(),
            self._link(),
            self._holder,
            lambda: self.journal,
            self.leases,
            on_views=lambda views: self.guard.standings.see(views),
            watched=lambda: self.guard.standings.watched(),
            on_snapshot=self.hear,
            on_unclaimed=self._never_sent,
            line=self._link(),
            beside=lambda: self.metrics.count(),
        )

    def _link(self) -> AgentLink:
        assert self._dial is not None  # nobody asks where there is no agent
        return AgentLink(self._dial, self.config.token_file)

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

    def hear(self, snapshot: Snapshot) -> None:
        """Put what an agent says in force, and keep it for the next process."""
        rules = rules_of(snapshot, shipped_rules(self.config.prices_file))
        self.rules = rules if rules.heard else replace(self.rules, heard=self.rules.heard)
        with quiet("keep the agent's rules"):
            keep_snapshot(self.config.state_dir, snapshot)


_runtime: Runtime | None = None
_lock = threading.Lock()


def current_runtime() -> Runtime | None:
    """The runtime in force; None while nothing is instrumented."""
    if _runtime is not None and _runtime.pid != os.getpid():
        _after_fork()  # forked by code that Python knows nothing of, such as a server written in C
    return _runtime


def install(config: Config) -> Runtime:
    """Build a runtime and put it in force, closing the one before."""
    global _runtime
    with _lock:
        before, _runtime = current_runtime(), Runtime(config)
    if before is not None:
        before.close()
    return _runtime


def remove() -> None:
    """Take the runtime out of force and close it."""
    global _runtime
    with _lock:
        before, _runtime = current_runtime(), None
    if before is not None:
        before.close()


def _after_fork() -> None:
    """A child starts with no lease, new ids and a journal of its own; locks it inherited may be held by nobody."""
    global _runtime, _lock
    _lock = threading.Lock()
    forget_told()
    abandon_all()
    runtime, _runtime = _runtime, None
    if runtime is not None:
        with quiet("start afresh after a fork"):
            runtime.renew()
            _close_with_multiprocessing(runtime)
            _runtime = runtime


def _close_with_multiprocessing(runtime: Runtime) -> None:
    """A process of `multiprocessing` ends without `atexit`: what is lent to it goes back by its own way of ending."""
    util: Any = sys.modules.get("multiprocessing.util")
    if util is None:
        return

    def close_at_its_end(_: Runtime) -> None:
        util.Finalize(None, remove, exitpriority=_LAST)

    # It first forgets all that was to be done at the parent's end, and then calls this.
    util.register_after_fork(runtime, close_at_its_end)


os.register_at_fork(after_in_child=_after_fork)
