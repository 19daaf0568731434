"""How do two sources, journals and spans, become one charge? docs/intake.md draws the merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlite_utils import Database

from bursar.agent.ledger import attempts, booking
from bursar.agent.ledger.life import Attempt
from bursar.agent.spans.seenspan import SeenSpan
from bursar.agent.spans.spancharge import charge_of
from bursar.policies import attributes as names
from bursar.policies.charge import Charge
from bursar.policies.policy import Policy
from bursar.policies.prices import PriceBook
from bursar.policies.records import RecordError, Settled

__all__ = ["Counted", "book_spans", "charge_of"]


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


def book_spans(
    db: Database, spans: Sequence[SeenSpan], *, policy: Policy | None, book: PriceBook, now_ns: int
) -> Counted:
    """
    Book what spans tell, each call once. To be run inside the ledger's transaction.

    A span without a start is taken as sent now. One whose figures cannot be true is ignored.
    """
    found = [(span, _charge(db, span, policy=policy, book=book, now_ns=now_ns)) for span in spans]
    told = [(span, charge) for span, charge in found if charge is not None]
    enclosing = {(span.trace_id, span.parent) for span, _ in told}
    charges = known = 0
    moved: set[str] = set()
    # Bursar's own figures first: of two spans for one call the first stays, and these see more.
    for span, charge in sorted(told, key=lambda pair: not _stamped(pair[0])):
        if _repeats_inner(span, charge, enclosing):
            known += 1
            continue
        target = _matched(db, charge)
        before = _known(db, target)
        try:
            booked = booking.book(db, [Settled(target)], holder=None, policy=policy, now_ns=now_ns)
        except RecordError:
            continue  # nothing of it was booked: it counts with the ignored
        moved |= booked.balances
        charges += before is None
        known += before is not None
    return Counted(charges, known, len(spans) - charges - known, frozenset(moved))


def _charge(db: Database, span: SeenSpan, *, policy: Policy | None, book: PriceBook, now_ns: int) -> Charge | None:
    dated = span if span.start_ns else replace(span, start_ns=now_ns)
    attempt_id = span.text(names.ATTEMPT_ID)
    known = attempt_id is not None and attempts.load(db, attempt_id) is not None
    return charge_of(dated, book, policy=policy, known=known)


def _stamped(span: SeenSpan) -> bool:
    return span.text(names.ATTEMPT_ID) is not None


def _repeats_inner(span: SeenSpan, charge: Charge, enclosing: set[tuple[str, str | None]]) -> bool:
    """
    Whether a span is a second layer's around a call that another span of the same export tells of.

    Inferences do not nest. Where both name the response the ledger finds that out; this is for those that name none.
    """
    unnamed = charge.response_id is None and not _stamped(span)
    return unnamed and (span.trace_id, span.span_id) in enclosing


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
