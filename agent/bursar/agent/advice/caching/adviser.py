"""Which cache marks does the advice that was last worked out have for a route?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bursar.agent.advice.recommendation import Kind
from bursar.agent.ledger import Ledger, advicebook
from bursar.agent.ledger.markingbook import Pulled
from bursar.policies.cachemarks import Mark, Marking

STALE_NS = 86_400 * 10**9
"""Advice of calls so long ago is not acted on; newer is under way."""


class KeptAdviser:
    """Says what stands in the ledger, at once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def __call__(self, route: str, now_ns: int) -> Sequence[Pulled]:
        """The marks that surely save something, by model; none before advice was worked out. Raises `LedgerError`."""
        with self._ledger.reading() as db:
            kept = advicebook.latest(db)
        if kept is None or now_ns - kept.until_ns > STALE_NS:
            return []
        return list(advised(kept.recommendations, route, now_ns))


def advised(found: Iterable[Mapping[str, Any]], route: str, at_ns: int) -> Iterator[Pulled]:
    """
    Those marks that are advised for exactly this route, save something, and cost nothing at the lower end.

    In a route's first days that end is at zero: the trial that follows knows better.
    """
    for told in found:
        saving, evidence = told["saving_nano_usd_per_day"], told["evidence"]
        marks: Sequence[Mapping[str, str]] = evidence.get("marks") or ()
        if told["kind"] != Kind.CUT or told["route"] != route or not told["advised"] or told["dismissed"]:
            continue
        if marks and saving is not None and saving["from"] >= 0 < (saving["expected"] or 0):
            places = tuple(Mark(mark["place"], mark["ttl"]) for mark in marks)
            yield Pulled(Marking(told["id"], route, told["model"], places), evidence["predicted_share_saved"], at_ns)
