"""What the figures say: ratios to the bare call, what Bursar adds, and whether the ledger has it all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tests.benchmarks.household import Booked
from tests.benchmarks.stages import SMALL, Found, Stages
from tests.benchmarks.ways import Way
from tests.benchmarks.workloads import WORKLOADS

OWN_SPAN_GOAL = 1.25
KEPT_GOAL_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Row:
    """One workload: the bare call's figure, and the others as ratios to it; None where a way was not measured."""

    workload: str
    bare: float
    sdk: float | None
    bursar: float | None
    difference: float | None
    """What Bursar adds to the SDK's own tracing."""
    goal: float
    own_span: float | None
    own_span_goal: float
    asks: float
    """Of the agent, on the caller's path, per call."""
    asking: float | None
    """What of the difference these asks are."""
    shipping: float | None
    """The background's work to ship the records, in addition; nothing apart in a row that has all threads' time."""
    shipments: float | None
    """Messages of the background, per call; in a row of instructions it stands still."""
    batch: int | None
    """How many calls were shipped at once for the figure above."""
    prints: float | None
    """What fingerprints add on the caller's path; of a row that has all threads' time, their worker's included."""
    printing: float | None
    """Their worker's work for a call, where it looks at it."""


def rows_of(found: Found, figure: str) -> list[Row]:
    """One row for each workload that was measured."""
    return [_row(name, found, figure) for name in WORKLOADS if (name, Way.BARE) in found]


def _row(name: str, found: Found, figure: str) -> Row:
    bare: float = found[name, Way.BARE][figure]

    def ratio(way: Way, key: str = figure) -> float | None:
        figures = found.get((name, way), {})
        return figures[key] / bare if key in figures else None

    sdk, bursar, prints = ratio(Way.SDK), ratio(Way.BURSAR), ratio(Way.PRINTS)
    ours = found.get((name, Way.BURSAR)) or found.get((name, Way.OWN_SPAN)) or {}
    return Row(
        workload=WORKLOADS[name].title,
        bare=bare,
        sdk=sdk,
        bursar=bursar,
        difference=None if sdk is None or bursar is None else bursar - sdk,
        goal=WORKLOADS[name].goal,
        own_span=ratio(Way.OWN_SPAN),
        own_span_goal=OWN_SPAN_GOAL,
        asks=ours.get("asks", 0.0),
        asking=ratio(Way.BURSAR, "asking"),
        shipping=ratio(Way.BURSAR, "shipping"),
        shipments=ours.get("shipments"),
        batch=ours.get("batch"),
        prints=None if prints is None or bursar is None else prints - bursar,
        printing=ratio(Way.PRINTS, "prints"),
    )


@dataclass(frozen=True, slots=True)
class Exchange:
    """What speaking to the agent costs, as ratios to the small bare call."""

    asks: float
    """How often the first call of a new tenant asks."""
    asking: float
    """One ask, on the caller's path."""
    shipping: float
    """One call's records alone, in the background."""


def exchange_of(stages: Stages) -> Exchange | None:
    """None where that was not measured."""
    if not stages.asking or (SMALL, Way.BARE) not in stages.counts:
        return None
    bare = stages.counts[SMALL, Way.BARE]["instructions"]
    found = stages.asking
    return Exchange(asks=found["asks"], asking=found["asking"] / bare, shipping=found["shipping"] / bare)


def wrong_with(stages: Stages, booked: Booked) -> list[str]:
    """Why the figures are not those of a Bursar that works: every call made must be priced, judged and booked."""
    wrong: list[str] = []
    if not stages.booked or booked.calls != stages.calls:
        wrong.append(f"{stages.calls} calls were made with Bursar, and {booked.calls} are in the ledger.")
    if booked.unknown:
        wrong.append(f"{booked.unknown} charges are without a price.")
    wrong += [
        f"Budget {name} counts {calls} calls of {booked.calls}."
        for name, calls in booked.budgets.items()
        if calls != booked.calls
    ]
    return wrong


def as_json(stages: Stages, booked: Booked) -> dict[str, Any]:
    """Everything that was found."""
    exchange = exchange_of(stages)
    return {
        "instructions": [asdict(row) for row in rows_of(stages.counts, "instructions")],
        "cpu_seconds": [asdict(row) for row in rows_of(stages.times, "cpu")],
        "exchange": asdict(exchange) if exchange is not None else None,
        "fingerprints": stages.working or None,
        "kept_bytes_per_call": {way.value: kept for way, kept in stages.kept.items()},
        "ledger": asdict(booked),
        "wrong": wrong_with(stages, booked),
    }
