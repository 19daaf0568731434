"""Where do the ledger and the bill differ, and what is it that one of them lacks?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from fractions import Fraction

from bursar.agent.bill.statement import DEFAULT_WORKSPACE, TOKENS, WEB_SEARCH, Billed, Used
from bursar.agent.ledger.daybook import Entry
from bursar.policies.amounts import usd
from bursar.policies.models import canonical

_EPOCH = date(1970, 1, 1)
_OTHER_BILLS = ("bedrock", "vertex")
NO_MODEL = "no model"


class Finding(StrEnum):
    """What a difference means."""

    AGREES = "agrees"
    BYPASSED = "bypassed"
    """The bill has usage that the ledger has not: calls that did not pass Bursar."""
    PRICE = "other price"
    """The same usage at another price."""
    UNPRICED = "no price"
    """The ledger has the usage, and no price for it."""
    TOO_FRESH = "too fresh"
    """The ledger has calls of the last minutes, which the reports do not tell yet."""
    NOT_BILLED = "not on this bill"
    """The ledger has usage that the bill has not."""
    PRIORITY = "priority tier"
    """Drawn from a commitment, which the cost report leaves out."""
    ELSEWHERE = "another's bill"
    """Billed by a cloud, or to somebody else's organisation."""
    NO_METER = "not metered"
    """Billed by something that no response tells: a container's time, a session's."""


_HARMLESS = (Finding.AGREES, Finding.TOO_FRESH, Finding.PRIORITY, Finding.ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two sums may lie apart and still agree: an amount, or a share of the larger."""

    nano: int = 0
    share: Fraction = Fraction(0)

    def allows(self, gap: Fraction, larger: Fraction) -> bool:
        return abs(gap) <= max(Fraction(self.nano), self.share * larger)


@dataclass(slots=True)
class Side:
    """What one of the two has of a day and model. Money in nano-dollars."""

    nano: Fraction = Fraction(0)
    quantities: Counter[str] = field(default_factory=Counter[str])
    workspaces: Counter[str] = field(default_factory=Counter[str])
    """Tokens by workspace; the ledger knows none."""


@dataclass(slots=True)
class _Doubt:
    """What may explain that the ledger has more, or that it knows no price."""

    fresh: Fraction = Fraction(0)
    estimated: Fraction = Fraction(0)
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One day and model (and workspace), or one kind of charge that is no model's."""

    day: date
    what: str
    workspace: str
    """Empty where workspaces are not told apart."""
    finding: Finding
    ledger: Side
    bill: Side
    said: str

    @property
    def gap(self) -> Fraction:
        """What the bill has more than the ledger, in nano-dollars; below zero where it has less."""
        return self.bill.nano - self.ledger.nano

    @property
    def fails(self) -> bool:
        """Whether the two differ here by more than may be."""
        return self.finding not in _HARMLESS


Name = Callable[[str], str]
"""One name for a model, however its id is written."""


def compare(
    entries: Sequence[Entry],
    used: Iterable[Used],
    billed: Iterable[Billed],
    *,
    tolerance: Tolerance,
    by_workspace: bool = False,
    name: Name = lambda model: canonical(model).id,
) -> list[Row]:
    """
    Day by day and model by model, and workspace by workspace where calls say theirs, the days in order.

    Priority usage, other clouds and linked billing are kept apart, since no cost report of this organisation has them.
    """
    books = _Books(name, by_workspace=by_workspace)
    for entry in entries:
        books.enter(entry)
    for item in used:
        books.use(item)
    for charge in billed:
        books.bill(charge)
    return sorted(books.rows(tolerance), key=lambda row: (row.day, row.what, row.workspace, row.finding))


_Place = tuple[date, str, str]
"""Day, model or kind of charge, and workspace."""


class _Books:
    """Both sides, added up by place."""

    def __init__(self, name: Name, *, by_workspace: bool) -> None:
        self._by_workspace = by_workspace
        self._name: Name = lambda model: name(model) or NO_MODEL
        self._plain: dict[_Place, tuple[Side, Side]] = defaultdict(lambda: (Side(), Side()))
        self._priority: dict[_Place, tuple[Side, Side]] = defaultdict(lambda: (Side(), Side()))
        self._fees: dict[_Place, tuple[Side, Side]] = defaultdict(lambda: (Side(), Side()))
        self._elsewhere: dict[_Place, Side] = defaultdict(Side)
        self._doubts: dict[_Place, _Doubt] = defaultdict(_Doubt)

    def enter(self, entry: Entry) -> None:
        is_search = entry.label == WEB_SEARCH
        day, what = _EPOCH + timedelta(days=entry.day), WEB_SEARCH if is_search else self._name(entry.model)
        place = (day, what, self._workspace(entry.workspace or DEFAULT_WORKSPACE))
        if entry.linked or canonical(entry.requested_model).platform in _OTHER_BILLS:
            side = self._elsewhere[place]
        elif is_search:
            side = self._fees[place][0]
        else:
            side = (self._priority if entry.priority else self._plain)[place][0]
            self._doubts[place].unknown += entry.unknown
        side.nano += entry.nano
        if entry.quantity:
            side.quantities[entry.label] += entry.quantity
        doubt = self._doubts[place]
        doubt.fresh += entry.nano if entry.fresh else 0
        doubt.estimated += entry.nano if entry.estimated else 0

    def use(self, used: Used) -> None:
        workspace = self._workspace(used.workspace)
        side = (self._priority if used.priority else self._plain)[used.day, self._name(used.model), workspace][1]
        tokens = {label: count for label, count in used.quantities.items() if label != WEB_SEARCH}
        side.quantities.update(tokens)
        side.workspaces[used.workspace] += sum(tokens.values())
        searches = used.quantities.get(WEB_SEARCH)
        if searches:
            self._fees[used.day, WEB_SEARCH, workspace][1].quantities[WEB_SEARCH] += searches

    def bill(self, charge: Billed) -> None:
        of_model = charge.kind == TOKENS
        what = self._name(charge.model) if of_model else charge.kind
        place = (charge.day, what, self._workspace(charge.workspace))
        side = (self._plain if of_model else self._fees)[place][1]
        side.nano += charge.nano
        side.workspaces[charge.workspace] += 0

    def rows(self, tolerance: Tolerance) -> Iterator[Row]:
        for place, (ledger, bill) in self._plain.items():
            if any((ledger.nano, bill.nano, ledger.quantities, bill.quantities, self._doubts[place].unknown)):
                yield _row(place, ledger, bill, self._doubts[place], tolerance)
        for place, (ledger, bill) in self._fees.items():
            yield _fee(place, ledger, bill, self._doubts[place], tolerance)
        for place, (ledger, bill) in self._priority.items():
            yield Row(*place, Finding.PRIORITY, ledger, bill, _of_priority(ledger, bill))
        for place, ledger in self._elsewhere.items():
            yield Row(*place, Finding.ELSEWHERE, ledger, Side(), "a cloud's, or a linked organisation's, bill has it")

    def _workspace(self, name: str) -> str:
        return name if self._by_workspace else ""


def _row(place: _Place, ledger: Side, bill: Side, doubt: _Doubt, tolerance: Tolerance) -> Row:
    finding, said = _judge(ledger, bill, doubt, tolerance)
    return Row(*place, finding, ledger, bill, said)


def _judge(ledger: Side, bill: Side, doubt: _Doubt, tolerance: Tolerance) -> tuple[Finding, str]:
    gap = bill.nano - ledger.nano
    if tolerance.allows(gap, max(bill.nano, ledger.nano)):
        return Finding.AGREES, ""
    more, less = bill.quantities - ledger.quantities, ledger.quantities - bill.quantities
    if gap > 0:
        if more:
            return Finding.BYPASSED, f"{_counted(more)} did not pass Bursar{_in(bill)}"
        if doubt.unknown:
            return Finding.UNPRICED, f"{doubt.unknown:,} charges have no price: see `bursar prices`, then reprice"
        return Finding.PRICE, "the same usage is billed dearer: see `bursar prices`, then `bursar reprice`"
    if not less:
        return Finding.PRICE, "the same usage is billed cheaper: a discount? Write it as `multiply` in a price file"
    if -gap <= doubt.fresh + tolerance.nano:
        return Finding.TOO_FRESH, f"{usd(int(doubt.fresh))} USD of the last minutes will be billed soon"
    bounds = f", {usd(int(doubt.estimated))} USD are bounds of calls that nobody saw end" if doubt.estimated else ""
    return Finding.NOT_BILLED, f"{_counted(less)} are not on this bill: another organisation's key?{bounds}"


def _fee(place: _Place, ledger: Side, bill: Side, doubt: _Doubt, tolerance: Tolerance) -> Row:
    """What is no model's: web searches, which the ledger counts, and all that it cannot know of."""
    if place[1] == WEB_SEARCH:
        return _row(place, ledger, bill, doubt, tolerance)
    if tolerance.allows(bill.nano, bill.nano):
        return Row(*place, Finding.AGREES, ledger, bill, "")
    return Row(*place, Finding.NO_METER, ledger, bill, "billed by time, which no response tells: add it by hand")


def _of_priority(ledger: Side, bill: Side) -> str:
    more = bill.quantities - ledger.quantities
    beyond = f"; {_counted(more)} of it did not pass Bursar" if more else ""
    return f"prepaid, so in no cost report; the ledger shows it at list price{beyond}"


def _counted(quantities: Counter[str]) -> str:
    searches = quantities[WEB_SEARCH]
    tokens = quantities.total() - searches
    told = [f"{tokens:,} tokens"] if tokens else []
    return " and ".join([*told, f"{searches:,} web searches"] if searches else told)


def _in(bill: Side) -> str:
    named = [name for name, tokens in bill.workspaces.most_common(3) if tokens]
    return f" (workspace {', '.join(named)})" if named else ""
