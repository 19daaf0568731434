"""What is advised for a route: how is each piece told, and which command carries it out or puts it aside?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bursar.agent.dashboard import routewords, words
from bursar.agent.ledger.advicebook import Kept

_KINDS: Final[Mapping[str, str]] = {
    "cache": "Cache",
    "cut": "Cache marks",
    "break": "What breaks the cache",
    "move": "Order of the prompt",
    "keep_alive": "Keep the cache alive",
    "prewarm": "Write the cache ahead",
    "not_here": "Cache",
    "batch": "Batches",
    "verbosity": "Length of answers",
    "waste": "Paid in vain",
    "coverage": "Coverage",
}
_EVIDENCE: Final = (
    ("calls", "calls looked at"),
    ("prompt_tokens_per_day", "prompt tokens a day"),
    ("breaks", "breaks"),
    ("tokens_lost_per_break", "tokens lost each time"),
    ("parallel_calls_per_day", "calls side by side a day"),
)
_SHARES: Final = (("share_read", "read from the cache now"), ("predicted_share_saved", "would be saved of its prompts"))


@dataclass(frozen=True, slots=True)
class Piece:
    """One recommendation as a page shows it. Savings in nano-dollars a day, None where they are not known."""

    id: str
    title: str
    model: str
    text: str
    low: int | None
    expected: int | None
    high: int | None
    evidence: tuple[tuple[str, str], ...]
    """What it rests on, and the figure."""
    snippet: str
    assumes: str

    @property
    def worth(self) -> int | None:
        """What it is sorted and headed by: as expected, else what is sure."""
        return self.low if self.expected is None else self.expected

    @property
    def dismiss(self) -> str:
        """The command that puts it aside."""
        return f"bursar advise dismiss {self.id} --reason TEXT"


@dataclass(frozen=True, slots=True)
class RouteAdvice:
    """What was advised for one route when it was last worked out."""

    pieces: tuple[Piece, ...]
    """What to do, by dollars a day."""
    otherwise: tuple[Piece, ...]
    """What was looked at, and is to be left as it is."""

    @property
    def assumes(self) -> tuple[str, ...]:
        """What the figures rest on, each once."""
        return tuple(dict.fromkeys(one.assumes for one in self.pieces if one.assumes))


def of_route(kept: Kept, dismissed: Collection[str], route: str) -> RouteAdvice:
    """All that is advised for exactly this route and not put aside."""
    found = [one for one in kept.recommendations if one["route"] == route and one["id"] not in dismissed]
    told = sorted((_piece(one) for one in found if one["advised"]), key=lambda one: (-(one.worth or 0), one.id))
    return RouteAdvice(tuple(told), tuple(_piece(one) for one in found if not one["advised"]))


def best_of(kept: Kept | None, dismissed: Collection[str]) -> dict[str, int]:
    """By route what its best recommendation is worth a day: those of one route are not to be added up."""
    best: dict[str, int] = {}
    for one in () if kept is None else kept.recommendations:
        worth = _piece(one).worth if one["advised"] and one["id"] not in dismissed else None
        if worth is not None and worth > 0:
            best[one["route"]] = max(worth, best.get(one["route"], 0))
    return best


def advised_places(kept: Kept | None, dismissed: Collection[str], route: str) -> dict[str, tuple[str, ...]]:
    """Where the advice would have marks: by place and time to live, for which models."""
    places: dict[str, list[str]] = {}
    for one in () if kept is None else kept.recommendations:
        if one["route"] == route and one["kind"] == "cut" and one["id"] not in dismissed:
            for mark in one["evidence"].get("marks") or ():
                places.setdefault(f"{mark['place']} {mark['ttl']}", []).append(one["model"])
    return {place: tuple(models) for place, models in places.items()}


def commands(route: str, used: Iterable[str], ladder: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What can be done about a route: why, and the command."""
    quoted = routewords.argument(route)
    models = set(used)
    below = [
        model for model in ladder if model not in models and any(above in models for above in _above(ladder, model))
    ]
    candidate = below[0] if below else (ladder[-1] if ladder and ladder[-1] not in models else "MODEL")
    return (
        (
            "To have all of it said anew:",
            f"bursar advise --route {routewords.argument(routewords.literally(route))} --all",
        ),
        ("To see whether a smaller model answers as well:", f"bursar eval --route {quoted} --candidate {candidate}"),
    )


def _above(ladder: Sequence[str], model: str) -> Sequence[str]:
    return ladder[: ladder.index(model)]


def _piece(one: Mapping[str, Any]) -> Piece:
    saving: Mapping[str, int | None] = one["saving_nano_usd_per_day"] or {}
    kind: str = one["kind"]
    return Piece(
        one["id"],
        _KINDS.get(kind, kind),
        one["model"],
        one["text"],
        saving.get("from"),
        saving.get("expected"),
        saving.get("to"),
        tuple(_evidence(one["evidence"])),
        one["snippet"] or "",
        one["assumes"] or "",
    )


def _evidence(told: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, said in _EVIDENCE:
        if isinstance(told.get(name), int | float):
            yield said, words.count(round(told[name]))
    for name, said in _SHARES:
        if isinstance(told.get(name), int | float):
            yield said, words.share(told[name])
