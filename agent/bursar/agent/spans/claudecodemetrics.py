"""What do Claude Code's metrics tell that its sessions used, where its events are not exported?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from bursar.agent.ledger import sightings
from bursar.agent.spans import claudecode
from bursar.agent.spans.claudecode import LIFETIME, UNTOLD
from bursar.agent.spans.seenevent import SeenPoint, text
from bursar.agent.spans.seenspan import AttributeValue
from bursar.agent.spans.spancharge import day, nano_of
from bursar.policies.charge import Basis, Charge
from bursar.policies.policy import Policy
from bursar.policies.prices import PriceBook, price
from bursar.policies.usage import Part, Usage, UsageReport

TOKENS, COST = "claude_code.token.usage", "claude_code.cost.usage"
SUMMED = "number of requests: a sum over one interval of the metrics"

_TYPE = "type"
_CLASSES = {"input": "input", "output": "output", "cacheRead": "cache_read", "cacheCreation": "cache_write_5m"}
"""By a point's type, the token class that it counts; how long a cache write lives no metric tells."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one session used in one stretch of time, of one model and for one kind of query."""

    session: str
    point: SeenPoint
    """One of its points, for what all of them say."""
    tokens: Mapping[str, int]
    told_nano: int | None
    since_ns: int
    until_ns: int
    kinds: tuple[str, ...]

    @property
    def attempt_id(self) -> str:
        """The same however often it is sent; other kinds of the same stretch, sent apart, are another."""
        about = sorted((name, value) for name, value in self.point.attributes.items() if name != _TYPE)
        return f"claude-code-metrics-{claudecode.digest(about, self.until_ns, self.kinds)}"


def is_metric(name: str) -> bool:
    """Whether a metric counts what Claude Code used."""
    return name in (TOKENS, COST)


def used(db: Database, points: Iterable[SeenPoint]) -> list[Used]:
    """
    What points tell that is news: running totals by what they grew, in the ledger's transaction.

    Points without a session are passed over, since nothing could tell whether events count the same.
    """
    groups: dict[tuple[object, ...], list[tuple[SeenPoint, float, int]]] = {}
    for point in points:
        session = text(point.attributes, "session.id")
        news = None if session is None else _news(db, point)
        if news is not None and news[0] > 0:
            groups.setdefault((*_about(point), point.until_ns), []).append((point, *news))
    return [one for one in map(_together, groups.values()) if one.tokens]


def charge_of(one: Used, book: PriceBook, *, policy: Policy | None) -> Charge:
    """
    The charge for such a sum: an estimate, since it hides its requests and the lifetime of its cache writes.

    It is dated by the end of its stretch.
    """
    usage = Usage(**one.tokens)
    attributes, resource = one.point.attributes, one.point.resource
    model = text(attributes, "model") or ""
    report = UsageReport(usage, (Part(usage),), speed=text(attributes, "speed"))
    quote = price(report, model=model, at=day(one.until_ns), book=book)
    unseen = (SUMMED, *UNTOLD, *((LIFETIME,) if usage.cache_write else ()))
    return Charge(
        attempt_id=one.attempt_id,
        cost_nano_usd=quote.cost_nano_usd,
        usage=usage,
        basis=Basis.UNKNOWN if quote.cost_nano_usd is None else Basis.ESTIMATE,
        model=model,
        requested_model=model,
        route=claudecode.route_of(resource, policy),
        labels=claudecode.labels_of(attributes, resource),
        price_id=quote.price_id,
        at_ns=one.until_ns,
        lines=quote.lines,
        missing=tuple(dict.fromkeys((*quote.missing, *unseen))),
        modifiers=quote.modifiers,
        told_nano_usd=one.told_nano,
    )


def _about(point: SeenPoint) -> tuple[tuple[str, AttributeValue], ...]:
    return tuple(sorted((name, value) for name, value in point.attributes.items() if name != _TYPE))


def _news(db: Database, point: SeenPoint) -> tuple[float, int] | None:
    """By how much a point says that its counter grew, and since when."""
    if not point.cumulative:
        return point.value, point.since_ns
    stream = claudecode.digest(point.metric, sorted(point.attributes.items()))
    return sightings.increase(db, stream, point.since_ns, point.until_ns, point.value)


def _together(news: Sequence[tuple[SeenPoint, float, int]]) -> Used:
    """The points of one stretch, metric by metric and type by type."""
    first = news[0][0]
    tokens: dict[str, int] = {}
    told_nano: int | None = None
    kinds: set[str] = set()
    for point, value, _ in news:
        if point.metric == COST:
            told_nano = nano_of(value)
            continue
        kind = text(point.attributes, _TYPE) or ""
        counted = _CLASSES.get(kind)
        if counted is not None:
            tokens[counted] = tokens.get(counted, 0) + int(value)
            kinds.add(kind)
    return Used(
        text(first.attributes, "session.id") or "",
        first,
        tokens,
        told_nano,
        min(since_ns for _, _, since_ns in news),
        max(point.until_ns for point, _, _ in news),
        tuple(sorted(kinds)),
    )
