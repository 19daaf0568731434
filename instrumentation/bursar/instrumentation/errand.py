"""What has to be known of an attempt before it may leave, and what it leaves with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from bursar.policies.decision import Decision
from bursar.policies.plan import Plan
from bursar.policies.values import value

if TYPE_CHECKING:
    from bursar.instrumentation.asking import Deferred
    from bursar.instrumentation.deferring import Deferring
    from bursar.instrumentation.marks import Marks


class Counting(Protocol):
    """Counts the input tokens of one request, on a model; None where that fails."""

    def now(self, model: str) -> int | None: ...

    async def later(self, model: str) -> int | None: ...


@value
class Errand:
    """What the guard wants to know about one attempt of a call."""

    attempt_id: str
    route: str
    labels: Mapping[str, str]
    body: Mapping[str, Any]
    at_ns: int
    region: str | None = None
    """The cloud region its endpoint bills by, for clients of Bedrock and Vertex."""
    settled_model: str | None = None
    """The model an earlier attempt of this call was planned on: a retry keeps its call's plan."""
    settled_plan: Plan | None = None
    """How that attempt was changed."""
    betas: str | None = None
    """The request's `anthropic-beta` header: features that another model may not know."""
    linked: bool = False
    """Whether another organisation is billed for it: then it costs this one nothing."""
    context_tokens: int | None = 0
    """Of the prompt, what the API holds and the body does not show: the thread so far. None: nobody knows how much."""
    conversation: str = ""
    """What conversation it belongs to; empty where no budget asks."""
    run: str = ""
    """What run it belongs to; empty where no budget asks."""
    counting: Counting | None = None
    """Who counts its input tokens exactly; None where nobody does."""
    converse: Callable[[], str] = str
    """Tells the conversation it belongs to also where no budget asks: looked for only where it matters."""
    deferring: Deferring | None = None
    """Who tells whether it may be put off; None where nobody would have it put off."""
    repeats: tuple[float, ...] = ()
    """When this very request was made of late, itself included, where that is so often that it may be a loop."""
    batch: bool = False
    """Whether it is for a batch: at half the price, on the model it asks for, and nobody waits for its turn."""
    marks: Marks | None = None
    """The cache marks that `body` was given, told of once it leaves."""

    @property
    def asked(self) -> str:
        """The model that the request names."""
        model = self.body.get("model")
        return model if type(model) is str else str(model or "")


@value
class Admission:
    """The attempt may leave, changed by `changes`, and counts against `balances`."""

    balances: tuple[str, ...] | None = None
    leased: tuple[str, ...] = ()
    bound_nano: int | None = None
    expected_nano: int = 0
    bound_tokens: int | None = None
    expected_tokens: int = 0
    text_bytes: int = 0
    """How large the text of the request is, to learn from how many tokens it came to; zero: nothing is to be learnt."""
    changes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Parameters to set; `REMOVED` stands for one to leave out."""
    dropped_betas: tuple[str, ...] = ()
    """What to leave out of its `anthropic-beta` header."""
    decision: Decision | None = None
    deferred: Deferred | None = None
    """It does not leave: the agent has it, and its answer comes later."""


DAY_NS = 86_400 * 10**9


def utc_day(at_ns: int) -> date:
    """The day in UTC of an instant in nanoseconds since the epoch: whose price holds."""
    return _day(at_ns // DAY_NS)


@lru_cache(maxsize=16)
def _day(number: int) -> date:
    return date(1970, 1, 1) + timedelta(days=number)
