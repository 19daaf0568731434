"""Does Bursar do in a framework what it says? From what happened, to claims that hold or do not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.frameworks.catalog import Framework, Run
from tests.frameworks.performance import Case, Charged, Performance, Span

COST = "bursar.cost.nano_usd"
SDK_SCOPE = "com.anthropic.sdk.python"
SHOWN = 3
"""How many faults of one kind are told."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that is said of a framework; `faults` is empty where it holds."""

    name: str
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.faults


def claims(framework: Framework, runs: Mapping[Run, Performance]) -> list[Claim]:
    """All claims about a framework."""
    said = seen(framework, runs) if framework.uses_sdk else unseen(runs)
    return [Claim(name, tuple(faults)[:SHOWN]) for name, faults in said]


Said = Iterator[tuple[str, Iterator[str]]]


def seen(framework: Framework, runs: Mapping[Run, Performance]) -> Said:
    """Of a framework that calls through the SDK."""
    bare, guest, layered, spans = (runs[run] for run in (Run.BARE, Run.GUEST, Run.LAYERED, Run.SPANS))
    yield "every request is one charge, to the nano-dollar", uncharged(guest)
    yield "the ledger is the bill, request by request", unbooked(guest, "usage")
    yield "one span a call carries the cost: the SDK's", unstamped(guest)
    yield "the route is the nearest caller", misrouted(guest, caller_routes(framework, guest))
    yield "results are what they are without Bursar", changed(bare, guest)
    yield "also with the framework's own spans: one charge a request", uncharged(layered)
    yield "also with the framework's own spans: the ledger is the bill", unbooked(layered, "usage")
    yield "also with the framework's own spans: cost on the SDK's alone", unstamped(layered)
    yield "a route that the application names reaches every call", misrouted(layered, named_routes(layered))
    yield "also with the framework's own spans: results are what they are without Bursar", changed(spans, layered)
    yield "spans alone, without Bursar: the ledger is the bill", unbooked(spans, "span")
    if Run.LOOPS in runs:
        yield "a client kept across event loops: answers it lost are charges without a price", unlost(runs[Run.LOOPS])


def unseen(runs: Mapping[Run, Performance]) -> Said:
    """Of a framework that calls by an HTTP client of its own."""
    bare, guest = runs[Run.BARE], runs[Run.GUEST]
    yield "Bursar in the process sees nothing", noticed(guest)
    yield "results are what they are without Bursar", changed(bare, guest)
    yield "its own spans, by today's conventions: the ledger is the bill", unbooked(runs[Run.SPANS], "span")
    yield (
        "its own spans, by the older ones: 4 of 6 requests, 2 of them at their price",
        told(runs[Run.OLDER_SPANS], 4, 2),
    )


def bill(performance: Performance) -> dict[str, int]:
    """The price of every message."""
    return {line.message_id: line.nano_usd for line in performance.billed if line.message_id is not None}


def charges(performance: Performance) -> list[Charged]:
    """All charges of all cases."""
    return [charge for case in performance.cases.values() for charge in case.charges]


def uncharged(performance: Performance) -> Iterator[str]:
    """Messages that are not charged exactly, or not once."""
    owed, made = bill(performance), charges(performance)
    if not owed:
        yield "nothing was billed: the desk made no call"
    times = Counter(charge.message_id for charge in made)
    yield from (f"{times[message]} charges for {message}" for message in owed if times[message] != 1)
    for charge in made:
        if charge.nano_usd != owed.get(charge.message_id or "") or charge.basis != "usage":
            owes = owed.get(charge.message_id or "")
            yield f"{charge.message_id}: charged {charge.nano_usd} ({charge.basis}), billed {owes}"


def unbooked(performance: Performance, basis: str) -> Iterator[str]:
    """Prices on the bill that are not in the ledger, or more often than they were billed; or of another basis."""
    owed = Counter[int | None](bill(performance).values())
    short, over = owed - performance.booked, performance.booked - owed
    if short:
        yield f"billed, not booked: {short.total()} of {owed.total()} requests"
    if over:
        yield f"booked, not billed: {over.total()} charges, {sum(price or 0 for price in over.elements())} nano-dollars"
    if performance.bases != frozenset({basis}):
        yield f"basis is {', '.join(sorted(performance.bases)) or 'of nothing'}, not {basis}"


def unstamped(performance: Performance) -> Iterator[str]:
    """Calls whose price is not on exactly one span, and spans with a price that are not the SDK's."""
    stamped = [span for span in performance.spans if any(name.startswith("bursar.cost") for name in span.attributes)]
    yield from (f"{span.scope}: {span.name} carries a cost" for span in stamped if span.scope != SDK_SCOPE)
    owed, carried = Counter(bill(performance).values()), Counter(_cost(span) for span in stamped)
    if owed != carried:
        yield f"spans carry {carried.total()} prices, the bill has {owed.total()}"


def _cost(span: Span) -> int:
    return int(span.attributes.get(COST, -1))


def caller_routes(framework: Framework, performance: Performance) -> dict[str, str]:
    """The route that each case is expected to be found at."""
    return {case: framework.routes.get(case, f"{framework.desk}:{case}") for case in performance.cases}


def named_routes(performance: Performance) -> dict[str, str]:
    """The route that the application gives each case."""
    return {case: f"named.{case}" for case in performance.cases}


def misrouted(performance: Performance, expected: Mapping[str, str]) -> Iterator[str]:
    """Cases whose charges have other routes than expected; the same wrong one is told once."""
    wrong: dict[str, list[str]] = {}
    for name, case in performance.cases.items():
        for route in _routes(case) - {expected[name]}:
            wrong.setdefault(route, []).append(name)
    yield from (f"{route} in {', '.join(names)}" for route, names in wrong.items())


def _routes(case: Case) -> set[str]:
    return {charge.route for charge in case.charges}


def changed(before: Performance, after: Performance) -> Iterator[str]:
    """Cases that gave back something else."""
    for name, case in before.cases.items():
        now = after.cases[name].result
        if case.result != now:
            at = next((place for place, (a, b) in enumerate(zip(case.result, now, strict=False)) if a != b), 0)
            yield f"{name}: …{case.result[at - 20 : at + 40]}… became …{now[at - 20 : at + 40]}…"


def unlost(performance: Performance) -> Iterator[str]:
    """
    Answers that never arrived and are not charged as unknown; a run where all arrived shows nothing.

    A refusal may be lost as well: nobody can tell that it was one, so that it is charged as unknown too.
    """
    owed, made = bill(performance), charges(performance)
    known = {charge.message_id: charge.nano_usd for charge in made if charge.message_id is not None}
    for message, price in known.items():
        if price != owed[message]:
            yield f"{message}: charged {price}, billed {owed[message]}"
    unknown = [charge for charge in made if charge.message_id is None and charge.basis == "unknown"]
    lost, refused = len(owed) - len(known), len(performance.billed) - len(owed)
    if lost == 0 or not lost <= len(unknown) <= lost + refused:
        yield f"{lost} answers were lost, {len(unknown)} charges are unknown"


def noticed(performance: Performance) -> Iterator[str]:
    """Charges, where none are expected although there is a bill."""
    if not bill(performance):
        yield "nothing was billed: the desk made no call"
    yield from (f"a charge of {charge.nano_usd} at {charge.route}" for charge in charges(performance))
    if performance.booked:
        yield f"{performance.booked.total()} charges in the ledger"


def told(performance: Performance, booked: int, right: int) -> Iterator[str]:
    """Another number of charges than is told where the ledger is not the bill, or of those at a billed price."""
    owed = Counter[int | None](bill(performance).values())
    found = (performance.booked.total(), (performance.booked & owed).total())
    if found != (booked, right):
        yield f"{found[0]} charges, {found[1]} of them at a price of the bill's"
