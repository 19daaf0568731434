"""How much of a run's own budget is left, in the worst case?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Purse:
    """Money of one run, in nano-dollars. What is on its way counts with its bound until it is known what it cost."""

    limit: int
    spent: int = 0
    _held: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def left(self) -> int:
        """What may still be promised."""
        return self.limit - self.spent - sum(self._held.values())

    def hold(self, worst: dict[str, int]) -> bool:
        """Set the bounds of these attempts aside, all or none; whether there was enough."""
        if sum(worst.values()) > self.left:
            return False
        self._held.update(worst)
        return True

    def settle(self, attempt_id: str, cost: int | None) -> None:
        """It cost so much; where nobody knows, its bound is gone."""
        bound = self._held.pop(attempt_id, 0)
        self.spent += bound if cost is None else cost


def most_affordable(worsts: Sequence[int], left: int) -> int:
    """How many of these, from the first on, fit into what is left together."""
    count = 0
    for worst in worsts:
        left -= worst
        if left < 0:
            break
        count += 1
    return count
