"""What does a stretch of spending come to, as tiles and as a chart?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bursar.agent.dashboard import words
from bursar.agent.dashboard.chart import Chart, Line, Measure, Shape
from bursar.agent.ledger import sumbook
from bursar.agent.ledger.spreadbook import Spread
from bursar.agent.ledger.sumbook import Spend

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of a page, with what it is called and what is to be known of it."""

    name: str
    figure: str
    exact: str = ""
    """All of it, where the figure is rounded."""
    note: str = ""


def added(spends: Iterable[Spend]) -> Spend:
    """All of them together."""
    return sum(spends, Spend())


def tiles(spend: Spend) -> tuple[Tile, ...]:
    """What was spent, on how many calls, how much of it was read from the cache, and what went wrong."""
    return (
        Tile("Spent", words.money(spend.nano), words.exact_money(spend.nano), _doubts(spend)),
        Tile("Calls", words.short(spend.calls), words.count(spend.calls), _attempts(spend)),
        Tile("Per call", words.money(spend.cost_per_call_nano), words.exact_money(spend.cost_per_call_nano)),
        Tile("Read from cache", words.share(spend.cache_share), note=f"of {words.short(spend.prompt)} prompt tokens"),
        Tile("Errors", words.share(spend.error_share), note=f"{words.count(spend.failures)} attempts"),
        Tile("Refused", words.short(spend.refusals), words.count(spend.refusals), "calls kept back by a budget"),
    )


def of_times(name: str, spread: Spread) -> Tile:
    """How long half of something took, and nearly all of it."""
    half, most = milliseconds(spread.quantile(0.5)), milliseconds(spread.quantile(0.95))
    note = "nobody measured it yet" if half is None else f"95 of 100 within {words.seconds(most)}"
    return Tile(name, words.seconds(half), note=note)


def milliseconds(value: int | None) -> int | None:
    """As nanoseconds."""
    return None if value is None else value * _MS


def over_time(
    name: str, title: str, slots: Sequence[int], lines: Sequence[sumbook.Line], named: Callable[[str], str]
) -> Chart:
    """Nano-dollars in each slot, one area on the other; the dearest few by name, the rest as one."""
    dearest = sumbook.dearest([line for line in lines if any(line.nano)])
    told = ", ".join(f"{named(line.key)} {words.money(sum(line.nano))}" for line in dearest)
    return Chart(
        name,
        title,
        slots,
        [Line(named(line.key), line.nano) for line in dearest],
        Shape.AREAS,
        Measure.MONEY,
        f"{title}: {told or 'nothing was spent'}.",
    )


def _doubts(spend: Spend) -> str:
    """What of a sum is not known exactly."""
    found = [f"{words.money(spend.estimated_nano)} of it estimated"] if spend.estimated_nano else []
    found += [f"and {words.count(spend.unknown)} charges of unknown cost"] if spend.unknown else []
    return ", ".join(found)


def _attempts(spend: Spend) -> str:
    return "" if spend.charges == spend.calls else f"{words.count(spend.charges)} charges"
