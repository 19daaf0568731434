"""Protocols that look like the shipped one and do not hold: the checker has to see what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from sqlite_utils import Database
from tests.soak.premises import ignore
from tests.soak.world import World

from bursar.agent.ledger import booking, holders, life
from bursar.agent.ledger.balances import Balance
from bursar.agent.ledger.life import Attempt as Booked
from bursar.agent.ledger.life import State
from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.leases import Leases

SILENT_SECONDS = 5

Variant = Callable[[], AbstractContextManager[object]]
"""Puts a broken protocol in the place of the shipped one; brings the step that it takes in addition, if any."""


@contextmanager
def swapped(owner: Any, name: str, other: Any) -> Generator[None]:
    """Another value for an attribute of the shipped code while the block lasts."""
    before = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, before)


def settle_is_dropped() -> AbstractContextManager[object]:
    """What a call cost is free again at its process."""

    def settle(leases: Leases, attempt_id: str, *_: int | None) -> None:
        leases.release(attempt_id)

    return swapped(Leases, "settle", settle)


def sent_is_not_journalled() -> AbstractContextManager[object]:
    """A crash hides what was in flight."""
    return swapped(Attempt, "sent", ignore)


@contextmanager
def holds_go_back() -> Generator[None]:
    """A process returns what calls in flight hold as well."""
    shipped = Leases.give_back

    def give_back(leases: Leases, *, everything: bool = False) -> dict[str, int]:
        slices: Any = leases._slices  # pyright: ignore[reportPrivateUsage] - a variant of it
        returned = shipped(leases, everything=everything)
        return {key: amount + slices[key].held for key, amount in returned.items()}

    with swapped(Leases, "give_back", give_back):
        yield


@contextmanager
def deltas_instead_of_sums() -> Generator[None]:
    """A process says what it gives back now, and the agent adds it up: what is doubled counts twice."""
    shipped = Leases.give_back
    told: dict[int, dict[str, int]] = {}

    def give_back(leases: Leases, *, everything: bool = False) -> dict[str, int]:
        before, after = told.get(id(leases), {}), shipped(leases, everything=everything)
        told[id(leases)] = after
        return {key: amount - before.get(key, 0) for key, amount in after.items() if amount != before.get(key, 0)}

    def take_back(db: Database, holder_id: str, returned: Mapping[str, int]) -> None:
        for key, amount in returned.items():
            db.conn.execute(
                "UPDATE leases SET returned = min(returned + ?, granted - charged) WHERE balance = ? AND holder = ?",
                [amount, key, holder_id],
            )

    with swapped(Leases, "give_back", give_back), swapped(holders, "take_back", take_back):
        yield


@contextmanager
def orphans_cost_nothing() -> Generator[None]:
    """What a dead process had in flight is taken to be free."""
    shipped = life.as_orphan

    def as_orphan(attempt: Booked, now_ns: int) -> Booked:
        known = shipped(attempt, now_ns)
        return known if attempt.state is State.HELD else replace(known, state=State.RELEASED)

    with swapped(booking, "as_orphan", as_orphan):
        yield


def lent_is_spent() -> AbstractContextManager[object]:
    """Who asks for what lies idle elsewhere is refused, as if it were spent."""
    return swapped(Balance, "unspent", Balance.pool)


@contextmanager
def leases_expire() -> Generator[Callable[[World], None]]:
    """What a process holds that has been silent for a while is lent to others."""

    def expire(world: World) -> None:
        before = world.clock.wall_ns() - SILENT_SECONDS * 10**9
        world.accounts.db.conn.execute(
            "UPDATE leases SET returned = granted - charged "
            "WHERE holder IN (SELECT id FROM holders WHERE last_seen_ns < ?)",
            [before],
        )
        world.accounts.db.conn.commit()

    yield expire


VARIANTS: Mapping[str, Variant] = {
    "settle is dropped": settle_is_dropped,
    "sent is not journalled": sent_is_not_journalled,
    "holds go back": holds_go_back,
    "deltas instead of sums": deltas_instead_of_sums,
    "orphans cost nothing": orphans_cost_nothing,
    "leases expire": leases_expire,
    "lent is spent": lent_is_spent,
}
