"""What does the application get when a budget refuses a call?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from bursar.policies.amounts import Unit, written


class RefusalReason(StrEnum):
    """Why a call was refused."""

    SPENT = "spent"
    """The money is spent, or held for calls that will spend it."""
    HELD = "held"
    """Only holds of calls in flight stand in the way; they settle soon."""
    LENT = "lent"
    """Money is lent to a process that did not give it back when asked."""
    UNBOUNDED = "unbounded"
    """The request does not bound the call's cost, and the budget refuses such calls."""
    UNREACHABLE = "unreachable"
    """The agent is away, and the budget is closed, or its allowance for an outage used up."""
    UNKNOWN_PRICE = "unknown_price"
    """No price is known for the model, and the policy refuses such calls."""
    LOOP = "loop"
    """The very same request was made again and again."""
    UNUSUAL = "unusual"
    """Far more was spent in the last hour than is usual at this time: there must be a loop."""
    VELOCITY = "velocity"
    """Too much was spent within a short time; what is older falls out of it by itself."""
    LATE = "late"
    """It was put off, and its answer did not come: it expired or was cancelled, and could not be sent at once."""


class BudgetExceeded(Exception):  # noqa: N818 - the name that applications catch
    """
    A budget refused a call before it was sent. The only exception that Bursar raises into an application.

    `limit`, `spent`, `held` and `needed` are in `unit`: nano-dollars where that is `usd`. `balance` is the balance key
    (`budget|window|scope`). `needed` is what the call may cost at most, None where nothing bounds it. `window_end` is
    when the window turns, None where it never does. `retry_after` is in seconds, None where waiting does not help.
    `figures` are the numbers behind the decision, as the ledger keeps them under `decision_id`: `bursar explain` shows
    them.
    """

    def __init__(
        self,
        *,
        budget: str,
        balance: str,
        window_start: datetime | None,
        window_end: datetime | None,
        limit: int,
        spent: int,
        held: int,
        needed: int | None,
        reason: RefusalReason,
        remedy: str,
        retry_after: float | None,
        route: str,
        model: str,
        decision_id: str,
        unit: Unit = "usd",
        figures: Mapping[str, Any] | None = None,
    ) -> None:
        self.budget = budget
        self.balance = balance
        self.window_start = window_start
        self.window_end = window_end
        self.limit = limit
        self.spent = spent
        self.held = held
        self.needed = needed
        self.unit: Unit = unit
        self.figures: Mapping[str, Any] = figures or {}
        self.reason = reason
        self.remedy = remedy
        self.retry_after = retry_after
        self.route = route
        self.model = model
        self.decision_id = decision_id
        super().__init__(self._message())

    def __reduce__(self) -> tuple[Callable[[], BudgetExceeded], tuple[()], dict[str, Any]]:
        """Keyword-only arguments need saying twice: as arguments to make the copy, and as state with any notes."""
        fields = {name: value for name, value in vars(self).items() if name != "__notes__"}
        return partial(type(self), **fields), (), dict(vars(self))

    def _message(self) -> str:
        said = f"{self._who()}: {self._sums()}{self._why()}"
        if self.window_end is not None:
            said += f"; its window turns at {self.window_end.isoformat(timespec='minutes')}"
        if self.retry_after is not None:
            said += f"; try again in {self.retry_after:g} s"
        return f"{said}. Remedy: {self.remedy}"

    def _who(self) -> str:
        scope = "".join(self.balance.split("|")[2:3])
        return f"{self.budget} ({scope})" if scope else self.budget or "call refused"

    def _sums(self) -> str:
        if not self.balance:
            return ""
        held = f" and {written(self.held, self.unit)} held" if self.held else ""
        return f"{written(self.spent, self.unit).split()[0]} of {written(self.limit, self.unit)} spent{held}, "

    def _why(self) -> str:
        needs = "an unknown amount" if self.needed is None else written(self.needed, self.unit)
        match self.reason:
            case RefusalReason.SPENT:
                return f"this call may need {needs}"
            case RefusalReason.HELD:
                return f"this call may need {needs} and calls in flight hold what is left"
            case RefusalReason.LENT:
                return f"this call may need {needs} and what is left is lent to a process that does not answer"
            case RefusalReason.UNBOUNDED:
                return "the request does not bound what this call may cost"
            case RefusalReason.UNREACHABLE:
                return f"this call may need {needs} and the agent cannot be reached"
            case RefusalReason.UNKNOWN_PRICE:
                return f'no price is known for the model "{self.model}"'
            case RefusalReason.LOOP:
                return "the very same request is made again and again"
            case RefusalReason.UNUSUAL:
                return "its last hour cost far more than is usual at this time"
            case RefusalReason.VELOCITY:
                return "it is being spent faster than the policy allows"
            case RefusalReason.LATE:
                return "this call was put off and no answer came in time"
