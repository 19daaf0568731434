"""What are the rules: budgets, steps, routes and channels, and which of them does a call meet?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from enum import StrEnum
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from bursar.policies.amounts import Limit, Velocity
from bursar.policies.windows import CALENDAR_WINDOWS, Window


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


@dataclass(frozen=True, slots=True)
class Step:
    """What happens at a share of the limit (spent and expected holds), or at so much money in so many seconds."""

    label: str
    """As the file writes it, such as `80%`: the name of the step in every message."""
    share: Fraction | None
    velocity: Velocity | None
    actions: tuple[StepAction, ...]

    def does(self, kind: ActionKind) -> bool:
        """Whether one of the actions is of this kind."""
        return any(action.kind == kind for action in self.actions)


Watched = Literal["burn", "forecast", "creep"]
"""What is looked out for beside the steps; see `outlook`."""


class BalanceKey(NamedTuple):
    """One budget, one window, one scope value."""

    budget: str
    window_id: str
    scope: str


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit for a scope over a window."""

    name: str
    limit: Limit
    every: str
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

    @property
    def kept(self) -> bool:
        """Whether this release keeps balances for it: a calendar window and a limit in USD."""
        return self.every in CALENDAR_WINDOWS and self.limit.unit == "usd"

    @property
    def ceiling(self) -> int:
        """
        What holds and charges together may reach, in the limit's unit.

        The block's share of the limit, rounded down, and the overdraft; for a soft budget its limit.
        """
        share = self.block_share
        return self.limit.amount if share is None else int(share * self.limit.amount) + self.overdraft_nano

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
        return ",".join(f"{name}={value.translate(_ENCODED)}" for name, value in values)

    def balance_key(self, window: Window, scope: str) -> str:
        """The balance's name everywhere: budget, window id and scope between bars. See `parse_balance_key`."""
        return f"{self.name}|{window.window_id}|{scope}"


@dataclass(frozen=True, slots=True)
class Find:
    """How a call without a route of its own is recognised: globs that must all match; None asks nothing."""

    code: str | None = None
    """The nearest caller outside the SDK and frameworks, as in `desk.triage:run`."""
    http_route: str | None = None
    span: str | None = None
    """The name of the enclosing span."""
    baggage: str | None = None
    """One entry of the baggage as `key=value`."""
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """The application's name for a kind of work, and what such work allows."""

    name: str
    find: Find | None = None
    """None: never found, only named by the application."""
    ladder: tuple[str, ...] | None = None
    """None: the policy's."""
    may_wait_seconds: float | None = None
    """None: never put off."""
    cache: Literal["off", "advise", "auto"] = "off"


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


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy file, understood: frozen, and swapped as a whole."""

    version: int
    mode: Mode
    timezone: str = "UTC"
    on_unreachable: Unreachable = Unreachable("open")
    unknown_price: Literal["dearest", "refuse"] = "dearest"
    ladder: tuple[str, ...] = ()
    """Models from strong to cheap."""
    budgets: tuple[Budget, ...] = ()
    routes: tuple[Route, ...] = ()
    channels: tuple[Channel, ...] = (Channel("log", "log"),)
    """Those of the file, and `log`, which exists in any case."""
    digest: Digest | None = None
    """None: the week is not told by itself."""
    warnings: tuple[str, ...] = ()
    """What the file says and this release does not act on, in plain words."""

    @property
    def zone(self) -> tzinfo:
        """The time zone in which windows turn."""
        # UTC needs no time zone database, which small containers lack.
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)

    def ladder_for(self, route: str) -> tuple[str, ...]:
        """The ladder of a route: its own, else the policy's."""
        own = next((known.ladder for known in self.routes if known.name == route), None)
        return self.ladder if own is None else own


def find_route(
    policy: Policy,
    *,
    code: str | None,
    http_route: str | None = None,
    span: str | None = None,
    baggage: Mapping[str, object] | None = None,
    service: str | None = None,
) -> Route | None:
    """The first route of the policy whose every `find` glob matches; what is not known about the call matches none."""
    entries = [f"{key}={value}" for key, value in (baggage or {}).items()]
    seen = {"code": _one(code), "http_route": _one(http_route), "span": _one(span), "service": _one(service)}
    for route in policy.routes:
        if route.find is not None and _found(route.find, {**seen, "baggage": entries}):
            return route
    return None


def parse_balance_key(key: str) -> BalanceKey:
    """What `Budget.balance_key` put together; raises ValueError for any other text."""
    parts = key.split("|", 2)
    if len(parts) != 3:
        raise ValueError(f"{key!r} is no balance key: expected BUDGET|WINDOW|SCOPE")
    return BalanceKey(*parts)


_ENCODED = str.maketrans({"%": "%25", ",": "%2C", "|": "%7C"})


def _value(name: str, route: str, model: str, labels: Mapping[str, str]) -> str | None:
    """What a call has under a name of `match` or `per`; route and model go before labels of those names."""
    match name:
        case "route":
            return route
        case "model":
            return model
        case _:
            return labels.get(name)


def _found(find: Find, seen: Mapping[str, list[str]]) -> bool:
    globs = {name: getattr(find, name) for name in seen}
    return all(any(fnmatchcase(text, glob) for text in seen[name]) for name, glob in globs.items() if glob is not None)


def _one(text: str | None) -> list[str]:
    return [] if text is None else [text]
