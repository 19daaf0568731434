"""What are the rules: budgets, steps, routes and channels, and which of them does a call meet?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

from bursar.policies.amounts import Limit, Loop, Velocity
from bursar.policies.balancekey import KIND_OF_UNIT, BalanceKey, encoded
from bursar.policies.forward import Forward
from bursar.policies.route import CacheMode, Capture, Route
from bursar.policies.windows import (
    CALENDAR_WINDOWS,
    MIDNIGHT,
    OWN_WINDOWS,
    Anchor,
    Window,
    own_window,
    rolling_window,
    window_at,
)


class Mode(StrEnum):
    """Whether a policy acts."""

    OBSERVE = "observe"
    """Decide, record and tell; change nothing."""
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """What calls may do while the agent is away: `limited` to an amount per balance and outage."""

    kind: Literal["open", "closed", "limited"]
    amount_nano: int | None = None
    """Nano-dollars, for `limited` only."""


@dataclass(frozen=True, slots=True)
class Unbounded:
    """How a call is admitted whose cost its request does not bound (server tools without `max_uses`, advisor, …)."""

    kind: Literal["reserve", "refuse", "overdraft"]
    amount_nano: int | None = None
    """Nano-dollars, for `reserve` only."""


ActionKind = Literal["alert", "downgrade", "batch", "effort", "throttle", "loop", "block"]


@dataclass(frozen=True, slots=True)
class StepAction:
    """One thing a step does."""

    kind: ActionKind
    channel: str | None = None
    """Whom an `alert` tells."""
    target: Literal["rung", "cheapest"] | None = None
    """How far a `downgrade` goes: one rung of the ladder, or to its end."""


USUAL_LOOP = Loop(20, 600.0)


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at a share of the limit (spent and expected holds), or at so much money in so many seconds."""

    label: str
    """As the file writes it, such as `80%`: the name of the step in every message."""
    share: Fraction | None
    velocity: Velocity | None
    actions: tuple[StepAction, ...]
    loop: Loop | None = None
    """The same request so often that it is taken for a loop; then neither share nor velocity."""

    @property
    def changes(self) -> bool:
        """Whether it changes calls, rather than telling of them or refusing them."""
        return any(action.kind not in ("alert", "block") for action in self.actions)

    def does(self, kind: ActionKind) -> bool:
        """Whether one of the actions is of this kind."""
        return any(action.kind == kind for action in self.actions)


Watched = Literal["burn", "forecast", "creep"]
"""What is looked out for beside the steps; see `outlook`."""


@dataclass(frozen=True, slots=True)
class Raise:
    """What an override adds to a limit, in its unit: for one scope value, or (None) for each."""

    scope: str | None
    amount: int


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit for a scope over a window."""

    name: str
    """Where one table has several limits, with the window behind a colon: `support:day`."""
    limit: Limit
    every: str
    """`hour`, `day`, `week`, `month`, `rolling 24h` and its like, `conversation` or `run`."""
    begins: Anchor = MIDNIGHT
    """Where windows of the calendar begin."""
    timezone: str | None = None
    """None: the policy's."""
    match: Mapping[str, str] = field(default_factory=dict[str, str])
    """Globs by name: `route`, `model`, else a label. Empty: every call."""
    per: tuple[str, ...] = ()
    """A balance for each combination of these labels' values (or of `route`, `model`). Empty: one balance."""
    overdraft_nano: int = 0
    fit: Literal["trim", "asked"] = "trim"
    patience_seconds: float = 2.0
    unbounded: Unbounded = Unbounded("reserve", 500_000_000)
    steps: tuple[Step, ...] = ()
    """By rising share; those at a velocity come last."""
    mode: Mode | None = None
    """None: the policy's."""
    on_unreachable: Unreachable | None = None
    """None: the policy's."""
    raises: tuple[Raise, ...] = ()
    """What overrides add to the limit for now; no file writes them."""
    watch: tuple[Watched, ...] = ()
    """What the channels of its alerts are told of beside its steps."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Everybody whom one of its steps alerts, each once, in the order of the steps."""
        actions = (action for step in self.steps for action in step.actions if action.kind == "alert")
        return tuple(dict.fromkeys(action.channel for action in actions if action.channel is not None))

    @property
    def block_share(self) -> Fraction | None:
        """The share at which calls are refused; None for a soft budget."""
        return min((step.share for step in self.steps if step.share is not None and step.does("block")), default=None)

    @property
    def hard(self) -> bool:
        """Whether this budget refuses calls: it has a `block` step."""
        return self.block_share is not None

    def limit_of(self, scope: str) -> int:
        """The limit of one scope value in the limit's unit, with what overrides add to it."""
        return self.limit.amount + sum(r.amount for r in self.raises if r.scope is None or r.scope == scope)

    def soft_ceiling_of(self, scope: str) -> int:
        """
        What charges and the expectations of holds may reach, in the limit's unit.

        The block's share of the limit, rounded down; for a soft budget its limit.
        """
        share, limit = self.block_share, self.limit_of(scope)
        return limit if share is None else int(share * limit)

    def ceiling_of(self, scope: str) -> int:
        """What charges and the worst cases of holds may reach, in the limit's unit: the overdraft comes on top."""
        return self.soft_ceiling_of(scope) + (self.overdraft_nano if self.hard else 0)

    @property
    def velocities(self) -> tuple[Velocity, ...]:
        """The amounts in a span that any of its steps stands at."""
        return tuple(step.velocity for step in self.steps if step.velocity is not None)

    @property
    def loops(self) -> tuple[Step, ...]:
        """
        The steps at a loop.

        A budget that writes none has one all the same, which only tells the channels that its other alerts tell.
        """
        written = tuple(step for step in self.steps if step.loop is not None)
        alerts = dict.fromkeys(action for step in self.steps for action in step.actions if action.kind == "alert")
        if written or not alerts:
            return written
        return (Step("loop", None, None, tuple(alerts), USUAL_LOOP),)

    def matches(self, *, route: str, model: str, labels: Mapping[str, str]) -> bool:
        """Whether a call meets every glob; a label that the call lacks meets none, not even `*`."""
        return all(
            (value := _value(name, route, model, labels)) is not None and fnmatchcase(value, glob)
            for name, glob in self.match.items()
        )

    def scope(self, labels: Mapping[str, str], route: str, model: str) -> str:
        """
        The scope value of a call, as in `tenant=acme,user=bob`; a missing label's value is empty.

        `%`, `,` and `|` in a value are percent-encoded, so that no two combinations share a balance.
        """
        values = ((name, _value(name, route, model, labels) or "") for name in self.per)
        return ",".join(f"{name}={encoded(value)}" for name, value in values)

    def window(self, at: datetime, zone: tzinfo, *, conversation: str = "", run: str = "") -> Window:
        """The window that holds a call of an instant, by the policy's `zone` where the budget has none of its own."""
        if self.every in CALENDAR_WINDOWS:
            return window_at(self.every, at, zone if self.timezone is None else zone_of(self.timezone), self.begins)
        if self.every in OWN_WINDOWS:
            return own_window(self.every, conversation if self.every == "conversation" else run)
        return rolling_window(self.every)

    def balance_key(self, window: Window, scope: str) -> str:
        """The balance's name everywhere; see `balancekey`."""
        return str(BalanceKey(self.name, window.window_id, scope, KIND_OF_UNIT[self.limit.unit]))


ChannelKind = Literal["slack", "webhook", "log"]


@dataclass(frozen=True, slots=True)
class Channel:
    """Where alerts go."""

    name: str
    kind: ChannelKind
    url_env: str | None = None
    """The environment variable that holds the secret URL; None for `log`."""


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


@dataclass(frozen=True, slots=True)
class Digest:
    """When and where the week's spending is told, by the policy's clock."""

    channel: str
    day: Weekday = "monday"
    hour: int = 9


@dataclass(frozen=True)
class Policy:
    """One policy file, understood: frozen, and swapped as a whole."""

    version: int
    mode: Mode
    id: str = ""
    """The id of the rules that it is part of, by which decisions name them; empty where nobody gave one."""
    timezone: str = "UTC"
    on_unreachable: Unreachable = Unreachable("open")
    unknown_price: Literal["dearest", "refuse"] = "dearest"
    ladder: tuple[str, ...] = ()
    """Models from strong to cheap."""
    budgets: tuple[Budget, ...] = ()
    routes: tuple[Route, ...] = ()
    requires_eval: bool = False
    """Whether calls go to a weaker model only where an eval of that model on their route passed; see `licence`."""
    channels: tuple[Channel, ...] = (Channel("log", "log"),)
    """Those of the file, and `log`, which exists in any case."""
    forwards: tuple[Forward, ...] = ()
    """Who else gets the spans that the agent receives."""
    digest: Digest | None = None
    """None: the week is not told by itself."""
    warnings: tuple[str, ...] = ()
    """What the file says and this release does not act on, in plain words."""
    kept: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict[str, Any])
    """What the agent works out from it for each balance again and again, kept beside it."""

    @cached_property
    def fewest_in_a_loop(self) -> int | None:
        """How often a request must come again before any budget takes it for a loop; None where none ever does."""
        return min((step.loop.times for b in self.budgets for step in b.loops if step.loop is not None), default=None)

    @property
    def zone(self) -> tzinfo:
        """The time zone in which windows turn."""
        return zone_of(self.timezone)

    def ladder_for(self, route: str) -> tuple[str, ...]:
        """The ladder of a route: its own, else the policy's."""
        own = next((known.ladder for known in self.routes if known.name == route), None)
        return self.ladder if own is None else own

    def lossy_for(self, route: str) -> bool:
        """Whether a route's requests may lose something; one that the file does not name may not."""
        return any(known.lossy for known in self.routes if known.name == route)

    def requires_eval_for(self, route: str) -> bool:
        """Whether a route's calls are moved only to models that an eval vouches for."""
        own = next((known.requires_eval for known in self.routes if known.name == route), None)
        return self.requires_eval if own is None else own

    @cached_property
    def captures(self) -> Mapping[str, Capture]:
        """By route, what is kept of its calls' content."""
        return {route.name: route.capture for route in self.routes if route.capture is not None}

    def named(self, route: str) -> Route | None:
        """The route of that name, if the file has one."""
        return next((known for known in self.routes if known.name == route), None)

    def cache_for(self, route: str) -> CacheMode:
        """What is done about a route's prompt cache; one that the file does not name is advised on."""
        known = self.named(route)
        return "advise" if known is None else known.cache

    @cached_property
    def puts_off(self) -> bool:
        """Whether any step puts calls off."""
        return any(step.does("batch") for budget in self.budgets for step in budget.steps)

    @property
    def lowers_effort(self) -> bool:
        """Whether any step lowers effort."""
        return any(step.does("effort") for budget in self.budgets for step in budget.steps)


def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises what `ZoneInfo` raises; UTC needs no database, which containers lack."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _value(name: str, route: str, model: str, labels: Mapping[str, str]) -> str | None:
    """What a call has under a name of `match` or `per`; route and model go before labels of those names."""
    match name:
        case "route":
            return route
        case "model":
            return model
        case _:
            return labels.get(name)
