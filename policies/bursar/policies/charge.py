"""A charge: one attempt's usage at a price, in whole nano-dollars, and how sure we are of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from operator import attrgetter
from typing import Any

from bursar.policies.cascade import Stage
from bursar.policies.usage import Usage
from bursar.policies.values import value


class Basis(StrEnum):
    """Where a charge's figures come from, from the most to the least exact."""

    USAGE = "usage"
    """The API's own figures."""
    SPAN = "span"
    """Somebody else's span; `missing` names what it could not see."""
    ESTIMATE = "estimate"
    """Aborted or orphaned: a bound, said so."""
    UNKNOWN = "unknown"
    """No price or no usage: counted beside every total, never zero dollars."""

    @property
    def rank(self) -> int:
        """Smaller is more exact; of two charges for one attempt the smaller stays."""
        return list(Basis).index(self)


@value
class Line:
    """One row of a charge's explanation: so many units at so much each."""

    label: str
    """`input`, `cache_read`, `cache_write_5m`, `cache_write_1h`, `output` or `web_search`."""
    quantity: int
    """Tokens, or requests for `web_search`."""
    pico_usd_each: int
    """Pico-dollars (1e-12 USD) a token or request, all modifiers applied."""
    nano_usd: int
    """This line's share; the lines of a charge add up to its cost exactly."""
    model: str
    price_id: str
    """Empty where there was no price: such a line says what was used, and not what it cost."""


@value
class Charge:
    """
    What one attempt cost.

    `cost_nano_usd` is in nano-dollars (1e-9 USD), or None when it cannot be known: no price row, or no usage.
    """

    attempt_id: str
    cost_nano_usd: int | None
    usage: Usage
    basis: Basis
    model: str
    """As served; the requested one where no response said otherwise."""
    requested_model: str
    route: str
    call_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    price_id: str | None = None
    request_id: str | None = None
    response_id: str | None = None
    at_ns: int = 0
    """When the attempt was sent, in nanoseconds since the epoch: the day of the price and of the budget window."""
    lines: tuple[Line, ...] = ()
    missing: tuple[str, ...] = ()
    """What these figures could not see, or why the cost is unknown."""
    modifiers: tuple[str, ...] = ()
    """`batch`, `fast`, `geo:us`, `regional`: what moved the price off the list, or will once there is one."""
    action: str = "go"
    """What the engine decided for this call; see `decision.Action`."""
    reason: str = ""
    stage: Stage | None = None
    """Its place in a cascade; None for a call that is part of none."""
    told_nano_usd: int | None = None
    """What its sender, such as Claude Code, itself holds that it cost, in nano-dollars: shown, and counted nowhere."""
    duration_ns: int | None = None
    """From sending it until its answer was read, broken off or given up; None where nobody measured, as in a batch."""
    first_token_ns: int | None = None
    """From sending it to the first event of its answer, of a stream; None otherwise."""
    stop_reason: str | None = None
    """Why its answer ended, such as `max_tokens`: in the API's words, or those of whoever told it."""

    @property
    def estimated(self) -> bool:
        """Whether the figures are a bound instead of the API's final ones."""
        return self.basis is Basis.ESTIMATE

    @property
    def tokens(self) -> int | None:
        """All its tokens, in and out: what budgets in tokens count. None where no usage was seen."""
        return None if self.usage == _UNSEEN else self.usage.prompt + self.usage.output

    def lasting(self, duration_ns: int | None) -> Charge:
        """The same once its attempt is over; made for every stream, where `dataclasses.replace` takes too long."""
        fields: tuple[Any, ...] = _FIELDS(self)
        changed: tuple[Any, ...] = (*fields[:_DURATION], duration_ns, *fields[_DURATION + 1 :])
        return Charge(*changed)


_UNSEEN = Usage()
_FIELDS = attrgetter(*Charge.__dataclass_fields__)
_DURATION = list(Charge.__dataclass_fields__).index("duration_ns")
