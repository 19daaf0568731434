"""Would a batch cost this route more than calls that are sent at once?"""

from __future__ import annotations

from sqlite_utils import Database

from bursar.agent.ledger.recentuse import recent
from bursar.policies.batchpays import OUTPUT, READ, Kind, Used, pays, ratio
from bursar.policies.book import PriceBook
from bursar.policies.prices import price
from bursar.policies.usage import Part, Usage, UsageReport

DAY_SECONDS = 86_400
KEPT_SECONDS = 60
MOST_KNOWN = 1_000
"""Answers that are kept, the newest: names come from outside, and may be any number."""
_SECOND = 10**9
_MILLION = 1_000_000


class Paying:
    """Answers by the route's recent usage, which it reads again after a minute."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[int, bool]] = {}

    def known(self, route: str, model: str, now_ns: int) -> bool | None:
        """What was found a moment ago; None where it has to be looked up."""
        at_ns, answer = self._known.get((route, model), (0, None))
        return answer if now_ns - at_ns < KEPT_SECONDS * _SECOND else None

    def look(self, db: Database, route: str, model: str, book: PriceBook, now_ns: int) -> bool:
        """Whether a batch pays."""
        waited, batched = recent(db, route, model, now_ns - DAY_SECONDS * _SECOND)
        found = pays(kind(waited, batched, model, book, now_ns))
        self._known.pop((route, model), None)
        self._known[route, model] = now_ns, found
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return found


def kind(waited: Used, batched: Used, model: str, book: PriceBook, now_ns: int) -> Kind:
    """A route's recent work with what its model charges for a read and for output, over fresh input."""
    fresh = _each(Usage(input=_MILLION), model, book, now_ns)
    read = ratio(_each(Usage(cache_read=_MILLION), model, book, now_ns), fresh, READ)
    output = ratio(_each(Usage(output=_MILLION), model, book, now_ns), fresh, OUTPUT)
    return Kind(waited, batched, seconds=DAY_SECONDS, read=read, output=output)


def _each(usage: Usage, model: str, book: PriceBook, now_ns: int) -> int:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(now_ns // _SECOND, UTC)
    return price(UsageReport(usage, (Part(usage),)), model=model, at=at, book=book).cost_nano_usd or 0
