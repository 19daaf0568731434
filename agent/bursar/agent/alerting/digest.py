"""What did a week cost, why more or less than the one before, and what was saved?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple, get_args

from sqlite_utils import Database

from bursar.agent.alerting.background import RouteCost
from bursar.agent.alerting.causes import CAUSES, change_by_cause
from bursar.agent.alerting.message import Field, Listing, Message
from bursar.agent.alerting.savings import Savings, savings_of
from bursar.agent.alerting.wording import about, clock, signed
from bursar.agent.ledger import reports, usagebook, weekbook
from bursar.policies.policy import Digest, Weekday
from bursar.policies.prices import PriceBook

WEEK = timedelta(days=7)
ROUTES = 5
_SECOND = 10**9
_DAYS: tuple[Weekday, ...] = get_args(Weekday)
_WHY = {
    "volume": "more or fewer calls",
    "mix": "other models",
    "size": "longer or shorter calls",
    "cache": "more or less of the prompts out of the cache",
    "price": "prices, batches and places",
}


class Span(NamedTuple):
    """From one instant up to, and without, another; seconds since the epoch."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Told:
    """A week beside the one before. Money in nano-dollars."""

    week: Span
    before: Span
    spent: int
    spent_before: int
    calls: int
    calls_before: int
    unknown: int
    """Charges of unknown cost, in neither sum."""
    causes: dict[str, int]
    savings: Savings
    routes: tuple[RouteCost, ...]

    @property
    def step(self) -> str:
        """What it stands under in the outbox."""
        return step_of(self.week)

    @property
    def silent(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.calls or self.calls_before)


def step_of(week: Span) -> str:
    """The name of a week's digest: one message for each week and channel."""
    return f"week to {datetime.fromtimestamp(week.until, UTC):%Y-%m-%dT%H:%MZ}"


def due_week(digest: Digest, now: int, zone: tzinfo) -> Span:
    """The last week whose digest is due: it ended with the midnight before the day and hour at which it is told."""
    local = datetime.fromtimestamp(now, zone)
    back = (local.weekday() - _DAYS.index(digest.day)) % 7
    day = local.date() - timedelta(days=back)
    if back == 0 and local.hour < digest.hour:
        day -= WEEK
    since, until = (datetime(at.year, at.month, at.day, tzinfo=zone) for at in (day - WEEK, day))
    return Span(int(since.timestamp()), int(until.timestamp()))


def last_week(now: int) -> Span:
    """The seven days up to now."""
    return Span(now - 7 * 86_400, now)


def tell_of(db: Database, week: Span, zone: tzinfo, book: PriceBook) -> Told:
    """All of it, out of the ledger."""
    before = Span(_week_earlier(week.since, zone), week.since)
    old, new = (weekbook.week_of(db, span.since * _SECOND, span.until * _SECOND) for span in (before, week))
    totals, totals_before = (reports.totals(db, span.since * _SECOND, span.until * _SECOND) for span in (week, before))
    return Told(
        week=week,
        before=before,
        spent=totals["nano_usd"],
        spent_before=totals_before["nano_usd"],
        calls=totals["calls"],
        calls_before=totals_before["calls"],
        unknown=totals["unknown_charges"],
        causes=change_by_cause(old, new),
        savings=savings_of(usagebook.groups_of(db, week.since * _SECOND, week.until * _SECOND), book),
        routes=_routes(db, week, before),
    )


def to_json(told: Told) -> dict[str, Any]:
    """For programs; money in nano-dollars."""
    plain = asdict(told)
    plain["routes"] = [route._asdict() for route in told.routes]
    plain["week"], plain["before"] = (_instants(span) for span in (told.week, told.before))
    return {"kind": "digest", **plain, "change": told.spent - told.spent_before}


def compose_digest(told: Told, zone: tzinfo) -> Message:
    """The message of a week."""
    change = told.spent - told.spent_before
    relative = f", {change * 100 / told.spent_before:+.0f}%" if told.spent_before else ""
    causes = [f"{name} {signed(nano)}" for name, nano in told.causes.items() if nano]
    saved = _saved(told.savings)
    routes = [_route(route) for route in told.routes]
    said = (
        f"{about(told.spent, 'usd')} in {told.calls:,} calls, {signed(change)}{relative} against the week before.",
        f"By cause: {', '.join(causes)}." if causes else "",
        f"Saved: {', '.join(saved)}." if saved else "",
        f"{_charges(told.unknown)} of unknown cost, in no sum." if told.unknown else "",
        f"Most went to {', '.join(routes)}." if routes else "",
    )
    listings = (
        Listing("Why it changed", tuple(f"{_named(name)}: {signed(told.causes[name])}" for name in CAUSES)),
        Listing("Saved", tuple(saved) or ("nothing yet: see `bursar advise`",)),
        Listing("Where it went", tuple(routes) or ("nowhere",)),
    )
    return Message(
        headline=f"Claude spending of the week to {clock(told.week.until, zone)}",
        sentences=tuple(sentence for sentence in said if sentence),
        data=to_json(told),
        fields=(
            Field("Spent", f"{about(told.spent, 'usd')} in {told.calls:,} calls"),
            Field("The week before", f"{about(told.spent_before, 'usd')} in {told.calls_before:,} calls"),
            Field("Change", f"{signed(change)}{relative}"),
            *([Field("Of unknown cost", _charges(told.unknown))] if told.unknown else []),
        ),
        listings=listings,
        footer="bursar digest · bursar report --since 7d",
    )


def _charges(count: int) -> str:
    return "1 charge" if count == 1 else f"{count:,} charges"


def _named(cause: str) -> str:
    return f"{cause} ({_WHY[cause]})"


def _saved(savings: Savings) -> list[str]:
    listed = (
        (savings.cache_reads, "by reading the cache"),
        (savings.downgrades, "by smaller models"),
        (savings.batches, "by batches"),
    )
    said = [f"{about(nano, 'usd')} {how}" for nano, how in listed if nano]
    if savings.cache_writes and said:
        said.append(f"less {about(savings.cache_writes, 'usd')} paid for writing the cache")
    return said


def _route(route: RouteCost) -> str:
    named = f"{route.route or 'calls without a route'}: {about(route.nano, 'usd')}"
    return named if route.before is None else f"{named} ({signed(route.nano - route.before)})"


def _routes(db: Database, week: Span, before: Span) -> tuple[RouteCost, ...]:
    new, old = (
        {row["route"]: row["nano_usd"] for row in reports.by(db, ["route"], span.since * _SECOND, span.until * _SECOND)}
        for span in (week, before)
    )
    dearest = sorted(new.items(), key=lambda item: (-item[1], item[0]))[:ROUTES]
    return tuple(RouteCost(route, nano, old.get(route, 0)) for route, nano in dearest if nano)


def _week_earlier(at: int, zone: tzinfo) -> int:
    """By the local clock, so that both weeks turn at midnight also where it was changed in between."""
    return int((datetime.fromtimestamp(at, zone) - WEEK).timestamp())


def _instants(span: Span) -> dict[str, str]:
    return {name: datetime.fromtimestamp(at, UTC).isoformat() for name, at in span._asdict().items()}
