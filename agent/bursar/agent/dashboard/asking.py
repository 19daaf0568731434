"""What does the address of a page ask for: which stretch of time, which filter, which order?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from bursar.agent.commands.span_of_time import SpanError, parse_span

SPANS: Final = {"1h": "hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days", "90d": "90 days"}
"""What the time menu offers, by what stands in the address."""
USUAL_SPAN = "24h"
LONGEST_TEXT = 200
"""Characters of a filter; nothing that has a name is longer."""
_MOST_PAGES = 10_000
_HOUR_NS = 3_600 * 10**9
_DIGITS, _LATEST_NS = 19, 2**63 - 1
"""Of an instant in nanoseconds: what a ledger holds."""


class AskedError(ValueError):
    """An address that asks for what cannot be; the text says what, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One address, understood: the same for a page, for its CSV, and for its refreshing."""

    path: str
    since_ns: int
    until_ns: int
    span: str = USUAL_SPAN
    """One of `SPANS`, or empty where both ends are given."""
    label: str = ""
    """`name=value`, or empty for everything."""
    find: str = ""
    """What is searched for."""
    sort: str = ""
    """A column's name, with a `-` ahead for the largest first; empty for the page's own order."""
    page: int = 1
    before: tuple[int, str] | None = None
    """Behind which row, by its instant (nanoseconds) and id, a list goes on that is too long for page numbers."""
    name: str = ""
    """Which route, budget or call a page is about."""
    origin: str = ""
    """Where the agent was reached: `http://127.0.0.1:4319`."""
    given: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the address says of all this, as it says it."""

    def about(self, name: str) -> str:
        """What stands in the address under one of `FILTERS`; empty where nothing does."""
        return self.given.get(name, "")

    def url(self, path: str | None = None, **changes: str | int) -> str:
        """The address of the same with something else asked; an empty value takes it away."""
        asked = {**self.given, **{name: str(value) for name, value in changes.items()}}
        for place in ("page", "before"):
            if place not in changes and "table" not in changes:
                asked.pop(place, None)  # another order or filter begins at the beginning; a CSV has what is shown
        query = urlencode({name: value for name, value in asked.items() if value}, quote_via=quote)
        return f"{path or self.path}{f'?{query}' if query else ''}"

    def link(self, path: str) -> str:
        """Another page's address, for the same stretch of time and label."""
        kept = {name: self.given[name] for name in ("span", "since", "until", "label") if self.given.get(name)}
        query = urlencode(kept, quote_via=quote)
        return f"{path}{f'?{query}' if query else ''}"


def read(path: str, query: Iterable[tuple[str, str]], *, now_ns: int, name: str = "", origin: str = "") -> Asked:
    """What an address asks for; of a key that stands twice the last counts. Raises `AskedError`."""
    given = {key: value.strip() for key, value in query if key in _KEYS}
    for key, value in given.items():
        if len(value) > LONGEST_TEXT:
            raise AskedError(f"{key} has {len(value)} characters: most may have {LONGEST_TEXT}")
    since_ns, until_ns, span = _stretch(given, now_ns)
    label = given.get("label", "")
    if label and "=" not in label:
        raise AskedError(f"label={label!r} is no label: write name=value, as in label=tenant=acme")
    return Asked(
        path=path,
        since_ns=since_ns,
        until_ns=until_ns,
        span=span,
        label=label,
        find=given.get("find", ""),
        sort=given.get("sort", ""),
        page=_page(given.get("page", "")),
        before=_before(given.get("before", "")),
        name=name,
        origin=origin,
        given={key: value for key, value in given.items() if value},
    )


FILTERS: Final = ("route", "model", "state", "action")
"""What else lists are filtered by."""
_KEYS = frozenset(("span", "since", "until", "label", "find", "sort", "page", "before", *FILTERS))


def _stretch(given: Mapping[str, str], now_ns: int) -> tuple[int, int, str]:
    """Both ends, or a length that ends now: from the hour on in which it begins, since sums are kept by the hour."""
    since, until = given.get("since") or None, given.get("until") or None
    span = given.get("span", "")
    if span and span not in SPANS:
        raise AskedError(f"span={span!r} is none of {', '.join(SPANS)}: choose one, or write since= and until=")
    named = "" if since or until else span or USUAL_SPAN
    whole = _HOUR_NS if named else 1
    try:
        now = datetime.fromtimestamp(now_ns // 10**9, UTC)
        start, end = parse_span(since or named or None, until, now=now)
    except SpanError as error:
        raise AskedError(str(error).replace("--", "")) from error
    return start - start % whole, end, named


def _page(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or not text.isascii() or len(text) > len(str(_MOST_PAGES)) or int(text) < 1:
        raise AskedError(f"page={text!r} is no page: write a number from 1 on")
    return int(text)


def _before(text: str) -> tuple[int, str] | None:
    if not text:
        return None
    at_ns, _, row = text.partition("_")
    if not at_ns.isdecimal() or not at_ns.isascii() or len(at_ns) > _DIGITS or int(at_ns) > _LATEST_NS:
        raise AskedError(f"before={text!r} is no place in a list: follow the link to what is older")
    return int(at_ns), row
