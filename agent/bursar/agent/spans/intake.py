"""How do two sources, journals and spans, become one charge? docs/intake.md draws the merging."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlite_utils import Database

from bursar.agent.ledger import attempts, booking, sightings
from bursar.agent.ledger.life import Attempt
from bursar.agent.spans import claudecode, claudecodemetrics
from bursar.agent.spans.claudecode import Told
from bursar.agent.spans.seenevent import SeenEvent, SeenPoint
from bursar.agent.spans.seenspan import SeenSpan
from bursar.agent.spans.spancharge import MOST_NANO, charge_of
from bursar.policies import attributes as names
from bursar.policies.charge import Charge
from bursar.policies.policy import Policy
from bursar.policies.prices import PriceBook
from bursar.policies.records import RecordError, Settled

_MOST_TOKENS = 10**10
"""No call uses so many tokens. What says so is no count, and would overflow the sums of those that are."""

__all__ = ["Counted", "Heard", "book_events", "book_points", "book_spans", "charge_of", "heard"]


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of some spans."""

    charges: int = 0
    """Spans of calls that the ledger did not know: each is a charge of its own."""
    duplicates: int = 0
    """Spans of calls that it knew: they may have corrected a less exact figure, and count nothing by themselves."""
    ignored: int = 0
    """Spans that are no calls of Claude, or tell no usage."""
    balances: frozenset[str] = frozenset()
    """Keys of the balances that moved."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the spans of an export tell, before the ledger is asked about them."""

    requests: tuple[Told, ...]
    """Of Claude Code."""
    calls: tuple[tuple[SeenSpan, Charge], ...]
    """
    Bursar's own figures first: of two spans for one call the first stays, and these see more.

    Their charges are those of attempts that the ledger does not know.
    """
    enclosing: frozenset[tuple[str, str | None]]
    """The spans around calls, by trace and id: also around calls of other slices."""
    spans: int
    """How many there were, those included that are no calls."""

    def slices(self, most: int) -> Iterator[Heard]:
        """The same in parts of up to so many calls, to be booked in their order; the first has all else to itself."""
        told = len(self.requests) + len(self.calls)
        if told <= most:
            yield self
            return
        for start in range(0, told, most):
            requests = self.requests[start : start + most]
            begin = max(start - len(self.requests), 0)
            calls = self.calls[begin : begin + most - len(requests)]
            yield Heard(requests, calls, self.enclosing, len(requests) + len(calls))


def heard(spans: Sequence[SeenSpan], *, policy: Policy | None, book: PriceBook, now_ns: int) -> Heard:
    """Read spans, which takes longer than to book them. One without a start is taken as sent now."""
    requests: list[Told] = []
    calls: list[tuple[SeenSpan, Charge]] = []
    for span in spans:
        told = claudecode.of_span(span, book, policy=policy, now_ns=now_ns)
        if told is not None:
            requests.append(told)
            continue
        dated = span if span.start_ns else replace(span, start_ns=now_ns)
        charge = charge_of(dated, book, policy=policy)
        if charge is not None:
            calls.append((dated, charge))
    enclosing = frozenset((span.trace_id, span.parent) for span, _ in calls)
    calls.sort(key=lambda pair: not _stamped(pair[0]))
    return Heard(tuple(requests), tuple(calls), enclosing, len(spans))


def book_spans(db: Database, told: Heard, *, policy: Policy | None, book: PriceBook, now_ns: int) -> Counted:
    """
    Book what spans tell, each call once. To be run inside the ledger's transaction.

    A span whose figures cannot be true is ignored.
    """
    tally = _Tally(db, policy, now_ns)
    for request in told.requests:
        _book_request(tally, request)
    inner: list[Charge] = []
    for span, unasked in told.calls:
        charge = _charge(db, span, unasked, policy=policy, book=book)
        if charge is None:
            continue
        if _repeats_inner(span, charge, told.enclosing) or _repeats_named(db, span, charge):
            tally.known += 1
        else:
            inner.append(charge)
    tally.book_all(inner)
    return tally.counted(told.spans)


def book_events(
    db: Database, events: Sequence[SeenEvent], *, policy: Policy | None, book: PriceBook, now_ns: int
) -> Counted:
    """Book what events tell, each request once, in the ledger's transaction."""
    tally = _Tally(db, policy, now_ns)
    for event in events:
        told = claudecode.of_event(event, book, policy=policy, now_ns=now_ns)
        if told is not None:
            _book_request(tally, told)
    return tally.counted(len(events))


def book_points(
    db: Database, points: Sequence[SeenPoint], *, policy: Policy | None, book: PriceBook, now_ns: int
) -> Counted:
    """
    Book what metrics tell, in the ledger's transaction: only of sessions whose requests nobody tells one by one.

    `ignored` counts stretches of time, of which a charge is made, as are the others.
    """
    tally = _Tally(db, policy, now_ns)
    stretches = claudecodemetrics.used(db, points)
    for one in stretches:
        charge = claudecodemetrics.charge_of(one, book, policy=policy)
        told = sightings.overlapping(db, one.session, one.since_ns, one.until_ns, summed=False)
        if told or _known(db, charge) is not None:
            tally.known += 1
        elif tally.book(charge) is not None:
            sightings.keep(db, one.session, charge.attempt_id, one.since_ns, one.until_ns, summed=True)
    return tally.counted(len(stretches))


class _Tally:
    """Charges being booked, and what became of them."""

    def __init__(self, db: Database, policy: Policy | None, now_ns: int) -> None:
        self.db = db
        self.policy = policy
        self.now_ns = now_ns
        self.charges = self.known = 0
        self.moved: set[str] = set()

    def book(self, charge: Charge) -> str | None:
        """Book a charge; the attempt that it is of, or None where its figures cannot be true."""
        if not _credible(charge):
            return None
        target = _matched(self.db, charge)
        before = _known(self.db, target)
        try:
            booked = booking.book(self.db, [Settled(target)], holder=None, policy=self.policy, now_ns=self.now_ns)
        except RecordError:
            return None  # nothing of it was booked: it counts with the ignored
        self.moved |= booked.balances
        self.charges += before is None
        self.known += before is not None
        return target.attempt_id

    def book_all(self, charges: Sequence[Charge]) -> None:
        """Book charges in their order; those of calls that are new to everybody at once, which is much faster."""
        alone = attempts.strangers(self.db, charges)
        new = [charge for charge, is_new in zip(charges, alone, strict=True) if is_new and _credible(charge)]
        booked, number = booking.book_new(self.db, new, policy=self.policy, now_ns=self.now_ns)
        self.moved |= booked.balances
        self.charges += number
        for charge, is_new in zip(charges, alone, strict=True):
            if not is_new:
                self.book(charge)

    def count_under(self, attempt_id: str, keeper: str) -> None:
        """Have what an attempt was charged count under another one."""
        self.moved |= booking.count_under(self.db, attempt_id, keeper, policy=self.policy, now_ns=self.now_ns).balances

    def counted(self, told: int) -> Counted:
        return Counted(self.charges, self.known, told - self.charges - self.known, frozenset(self.moved))


def _credible(charge: Charge) -> bool:
    counts = attempts.counts(charge.usage).values()
    return max(counts) <= _MOST_TOKENS and (charge.cost_nano_usd or 0) <= MOST_NANO


def _book_request(tally: _Tally, told: Told) -> None:
    """Book one request of a session; what only metrics told of the same stretch of time counts no longer."""
    attempt_id = tally.book(told.charge)
    if attempt_id is None or told.session is None:
        return
    sightings.keep(tally.db, told.session, attempt_id, told.told_ns, told.told_ns, summed=False)
    for summed in sightings.overlapping(tally.db, told.session, told.told_ns, told.told_ns, summed=True):
        tally.count_under(summed, attempt_id)


def _charge(db: Database, span: SeenSpan, unasked: Charge, *, policy: Policy | None, book: PriceBook) -> Charge | None:
    """The charge that a span tells of, by what the ledger knows of its attempt."""
    attempt_id = span.text(names.ATTEMPT_ID)
    if attempt_id is None or attempts.load(db, attempt_id) is None:
        return unasked
    return charge_of(span, book, policy=policy, known=True)


def _stamped(span: SeenSpan) -> bool:
    return span.text(names.ATTEMPT_ID) is not None


def _repeats_inner(span: SeenSpan, charge: Charge, enclosing: frozenset[tuple[str, str | None]]) -> bool:
    """
    Whether a span is a second layer's around a call that another span of the same export tells of.

    Inferences do not nest. Where both name the response the ledger finds that out; this is for those that name none.
    """
    unnamed = charge.response_id is None and not _stamped(span)
    return unnamed and (span.trace_id, span.span_id) in enclosing


def _repeats_named(db: Database, span: SeenSpan, charge: Charge) -> bool:
    """
    Whether a span that names nothing is around a call that came before, by a journal or in another export.

    Such a call has a name, was sent while the span lasted, and used exactly the same.
    """
    unnamed = charge.response_id is None and charge.request_id is None and not _stamped(span)
    return unnamed and _credible(charge) and attempts.alike(db, charge, max(span.end_ns, charge.at_ns))


def _matched(db: Database, charge: Charge) -> Charge:
    """
    The charge under the id of the one attempt of the same HTTP request, where one of the two names no response.

    A request id alone does not make two responses one: the results of a batch share it.
    """
    if charge.request_id is None or _known(db, charge) is not None:
        return charge
    same = [
        attempt
        for attempt in attempts.with_request(db, charge.request_id)
        if attempt.duplicate_of is None and None in (attempt.response_id, charge.response_id)
    ]
    return replace(charge, attempt_id=same[0].attempt_id) if len(same) == 1 else charge


def _known(db: Database, charge: Charge) -> Attempt | None:
    known = attempts.load(db, charge.attempt_id)
    if known is None and charge.response_id is not None:
        known = attempts.with_response(db, charge.response_id)
    return known
