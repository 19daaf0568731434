"""What was paid for without need, and what to do about it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from bursar.agent.advice.caching import cachewords as words
from bursar.agent.advice.interval import LEAST_DAYS, per_day
from bursar.agent.advice.recommendation import Kind, Recommendation, Saving
from bursar.agent.advice.wording import amount
from bursar.agent.ledger.wastebook import LOOP, LOOP_NS, Waste, Why

_HOUR = "within an hour"
_WHAT: Mapping[Why, tuple[str, str]] = {
    Why.UNANSWERED: ("1 attempt was paid for without an answer", "{n:,} attempts were paid for without an answer"),
    Why.RETRIED: ("1 answer was paid for and asked for again", "{n:,} answers were paid for and asked for again"),
    Why.LOOP: (
        f"1 call repeated a prompt for more than the {LOOP}th time in {LOOP_NS // (60 * 10**9)} minutes",
        f"{{n:,}} calls repeated a prompt for more than the {LOOP}th time in {LOOP_NS // (60 * 10**9)} minutes",
    ),
    Why.IDENTICAL: (f"1 call repeated a prompt {_HOUR}", f"{{n:,}} calls repeated a prompt {_HOUR}"),
}
_DO: Mapping[Why, str] = {
    Why.UNANSWERED: (
        "Raise the client's timeout above the longest answer, or stream, so that what is paid for arrives: an attempt "
        "that times out goes on at the API and is billed."
    ),
    Why.RETRIED: "Lower max_retries, or keep the answer that came: the API cannot tell a retry from a new call.",
    Why.LOOP: "Let the guard stop it: a step in a budget that matches the route.",
    Why.IDENTICAL: "Keep the answer and use it again, unless several answers to one question are wanted.",
}
_SNIPPETS: Mapping[Why, str] = {
    Why.UNANSWERED: "client = client.with_options(timeout=600)",
    Why.RETRIED: "client = client.with_options(max_retries=0)",
    Why.LOOP: f'[budget.at]\n"loop {LOOP} in {LOOP_NS // (60 * 10**9)}m" = ["block"]',
    Why.IDENTICAL: "",
}
_ASSUMES: Mapping[Why, str] = {
    Why.UNANSWERED: (
        "Of an attempt without an answer the most that it can have cost counts, unless the API's figures turned up; "
        "likely is what was expected before it left."
    ),
    Why.RETRIED: "An answer after which the same call was sent once more to the same model is taken to be of no use.",
    Why.LOOP: "",
    Why.IDENTICAL: "Prompts are called identical where all blocks have the same hash; the first counts as needed.",
}


class _Row:
    def __init__(self) -> None:
        self.attempts = self.nano = self.likely = self.unknown = 0
        self.by_day: dict[int, int] = {}

    def add(self, one: Waste) -> None:
        self.attempts += one.attempts
        self.nano += one.nano
        self.likely += one.likely
        self.unknown += one.unknown
        self.by_day[one.day] = self.by_day.get(one.day, 0) + one.nano


def wasted(found: Iterable[Waste], days: Fraction) -> list[Recommendation]:
    """A recommendation for each route, model and kind of waste; `days` is how long was observed."""
    rows: dict[tuple[Why, str, str], _Row] = {}
    for one in found:
        rows.setdefault((one.why, one.route, one.model), _Row()).add(one)
    return [_told(*key, row, days) for key, row in rows.items()]


def _told(why: Why, route: str, model: str, row: _Row, days: Fraction) -> Recommendation:
    worth = _worth_of(why, row, days)
    return Recommendation(
        kind=Kind.WASTE,
        route=route,
        model=model,
        place=why.value,
        text=f"{_what(why, row)} {_worth(row, worth, days)} {_DO[why]}",
        saving=None if row.unknown == row.attempts else worth,
        evidence={
            "why": why.value,
            "attempts": row.attempts,
            "nano_usd": row.nano,
            "likely_nano_usd": row.likely,
            "unknown_charges": row.unknown,
            "days": float(days),
        },
        snippet=_SNIPPETS[why],
        assumes=tuple(said for said in (_ASSUMES[why], words.FEW_DAYS if days < LEAST_DAYS else "") if said),
    )


def _worth_of(why: Why, row: _Row, days: Fraction) -> Saving:
    """Nothing wasted is less than nothing; of bounds only the upper end is known."""
    found = per_day(row.by_day, days, unit=1)
    if why is Why.UNANSWERED:
        return Saving(0, None, found.mid or 0)
    return Saving(max(found.low, 0), found.mid, found.high)


def _what(why: Why, row: _Row) -> str:
    one, many = _WHAT[why]
    said = one if row.attempts == 1 else many.format(n=row.attempts)
    if row.unknown == row.attempts:
        return f"{said}."
    if row.likely == row.nano:
        return f"{said} ({amount(row.nano)} USD)."
    return f"{said} (likely {amount(row.likely)} USD, at most {amount(row.nano)})."


def _worth(row: _Row, worth: Saving, days: Fraction) -> str:
    if row.unknown == row.attempts:
        return "What that cost is not known."
    unknown = f" The cost of {row.unknown:,} of them is not known, and in no sum." if row.unknown else ""
    said = f"Worth up to {amount(worth.high)} USD a day." if worth.mid is None else words.worth(worth, days)
    return f"{said}{unknown}"
