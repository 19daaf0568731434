"""What the provider has billed, and may still bill: the truth that no account of ours may fall below."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Sending:
    """One request that left, in nano-dollars."""

    keys: tuple[str, ...]
    """The balances that lent for it."""
    bound: int
    cost: int = 0
    """What it is billed, once it is."""
    may_bill: bool = True
    told: bool = False
    """Whether the process wrote down what it cost."""
    freed: bool = False
    """Whether the process wrote down that it cost nothing."""

    @property
    def exposure(self) -> int:
        """What it has cost, or may still cost."""
        return self.bound if self.may_bill else self.cost


class Provider:
    """Every request that ever left, by attempt."""

    def __init__(self) -> None:
        self.sendings: dict[str, Sending] = {}
        self.exposure: dict[str, int] = {}
        """By balance: spent in truth, and the bounds of what may still be billed."""
        self.moves = 0

    def leaves(self, attempt_id: str, keys: tuple[str, ...], bound: int) -> Sending:
        """A request is out: from now on it may be billed, up to its bound."""
        assert attempt_id not in self.sendings, f"{attempt_id} left twice"
        sending = self.sendings[attempt_id] = Sending(keys, bound)
        self._move(sending, bound)
        return sending

    def bills(self, sending: Sending, cost: int) -> None:
        """It is answered, or refused at no cost: never more than its bound."""
        assert 0 <= cost <= sending.bound, f"billed {cost}, bound {sending.bound}"
        before = sending.exposure
        sending.cost, sending.may_bill = cost, False
        self._move(sending, cost - before)

    def _move(self, sending: Sending, by: int) -> None:
        self.moves += 1
        for key in sending.keys:
            self.exposure[key] = self.exposure.get(key, 0) + by
