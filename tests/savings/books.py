"""How does a day that was played stand in a ledger? Its charges as guards would book them, and its fingerprints."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlite_utils import Database
from tests.savings.prints import Blur, Worker
from tests.savings.stage import EPOCH, Played
from tests.savings.workload import Workload

from bursar.agent.ledger import printbook
from bursar.agent.ledger.booking import book
from bursar.agent.ledger.schema import upgrade
from bursar.policies.fingerprint import Fingerprint
from bursar.policies.records import Record, Sent, Settled

SECOND = 10**9


@contextmanager
def ledger(day: Workload, played: Played, blur: Blur) -> Generator[Database]:
    """A ledger of this day alone, in memory."""
    db = Database(memory=True)
    try:
        upgrade(db)
        book(db, [*_records(day, played)], holder="proof", policy=None, now_ns=EPOCH * SECOND)
        printbook.keep(db, _prints(day, played, Worker(blur)), EPOCH * SECOND)
        yield db
    finally:
        db.close()


def _records(day: Workload, played: Played) -> Iterator[Record]:
    """All that is told of money: made at this moment in truth, dated as they were played."""
    for number, charge in played.charges.items():
        at_ns = EPOCH * SECOND + round(day.asks[number].at * SECOND)
        attempt, model = charge.attempt_id, charge.model
        yield Sent(attempt, attempt, at_ns, day.route, model, charge.requested_model)
        yield Settled(replace(charge, route=day.route, at_ns=at_ns, call_id=attempt))


def _prints(day: Workload, played: Played, worker: Worker) -> Iterator[Fingerprint]:
    for number, charge in played.charges.items():
        ask = day.asks[number]
        told = worker.fingerprint(charge.attempt_id, ask.body, ask.begins)
        if told is not None:
            yield told
