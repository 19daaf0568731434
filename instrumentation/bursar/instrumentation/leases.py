"""What this process may still spend: its slices of balances, and the holds drawn on them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hold:
    """Money set aside in every one of these balances for one attempt in flight."""

    balances: tuple[str, ...]
    amount: int


class Leases:
    """
    The process's side of the lease protocol (DESIGN's algorithms, section 1.1), in nano-dollars.

    Per balance three counters that only grow: granted (the agent's word, merged by maximum), returned and charged.
    `free = granted - returned - charged - holds`. Every step moves money between them under one lock.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._granted: dict[str, int] = {}
        self._returned: dict[str, int] = {}
        self._charged: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self._holds: dict[str, Hold] = {}

    def free(self, balance: str) -> int:
        """What may still be held; negative while a charge has overrun its hold and the agent does not know yet."""
        with self._lock:
            return (
                self._granted.get(balance, 0)
                - self._returned.get(balance, 0)
                - self._charged.get(balance, 0)
                - self._held.get(balance, 0)
            )

    def hold(self, attempt_id: str, balances: tuple[str, ...], amount: int) -> bool:
        """Set money aside in all of the balances, or in none."""
        with self._lock:
            self._drop(attempt_id)
            if any(self.free(balance) < amount for balance in balances):
                return False
            self._holds[attempt_id] = Hold(balances, amount)
            for balance in balances:
                self._held[balance] = self._held.get(balance, 0) + amount
            return True

    def settle(self, attempt_id: str, cost: int | None) -> None:
        """The hold becomes a charge; with an unknown cost, a charge of all that was held. Once per attempt."""
        with self._lock:
            hold = self._drop(attempt_id)
            if hold is None:
                return
            for balance in hold.balances:
                charged = hold.amount if cost is None else cost
                self._charged[balance] = self._charged.get(balance, 0) + charged

    def release(self, attempt_id: str) -> None:
        """The attempt cost nothing: what it held is free again."""
        with self._lock:
            self._drop(attempt_id)

    def merge(self, granted: Mapping[str, int], holds: Mapping[str, Hold] | None = None) -> None:
        """
        Take over what the agent says it granted in all; older words change nothing.

        `holds`, by attempt id, are made in the same step: between a grant and its hold nobody may give the money back.
        """
        with self._lock:
            for balance, amount in granted.items():
                self._granted[balance] = max(self._granted.get(balance, 0), amount)
            for attempt_id, hold in (holds or {}).items():
                self.hold(attempt_id, hold.balances, hold.amount)

    def held(self, attempt_id: str) -> bool:
        """Whether money is set aside for an attempt."""
        with self._lock:
            return attempt_id in self._holds

    def give_back(self) -> dict[str, int]:
        """Return all that is free, and say what was ever returned. Lost messages repeat it."""
        with self._lock:
            for balance in self._granted:
                free = self.free(balance)
                if free > 0:
                    self._returned[balance] = self._returned.get(balance, 0) + free
            return dict(self._returned)

    def busy(self) -> set[str]:
        """The balances that money is held in."""
        with self._lock:
            return {balance for hold in self._holds.values() for balance in hold.balances}

    def granted(self) -> dict[str, int]:
        """The most ever granted, as far as this process knows."""
        with self._lock:
            return dict(self._granted)

    def _drop(self, attempt_id: str) -> Hold | None:
        hold = self._holds.pop(attempt_id, None)
        if hold is not None:
            for balance in hold.balances:
                self._held[balance] -= hold.amount
        return hold
