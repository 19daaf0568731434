"""What do the results of a Message Batch cost? Charged line by line, as the application reads them.

A batch is billed for each request that succeeded, and tells what they used in its results alone: lines of JSON, which
may be read in part, twice, by a copy, or by another process. So the charge of a result has an id made of its message's:
whoever reads it makes the same charge, and the ledger counts it once. Where `map_batch` made the request, the charge
has the id of its attempt, which is its `custom_id`: so it takes the place of what the ledger knows of that attempt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import Span

from bursar.instrumentation.context import Work, sound
from bursar.instrumentation.extract import Tally
from bursar.instrumentation.itemid import item_id
from bursar.instrumentation.quiet import quiet, tell_once
from bursar.instrumentation.stream import Decode, Watcher, decoder
from bursar.policies import attributes as names
from bursar.policies.book import PriceBook
from bursar.policies.charge import Basis, Charge
from bursar.policies.prices import Quote, price
from bursar.policies.usage import Usage

MOST_LINE_BYTES = 64 * 1024 * 1024
_NANO_PER_USD = 1_000_000_000

Take = Callable[[Charge], bool]
"""Who takes a charge, and says whether it is new."""
Free = Callable[[str, str], object]
"""Who is told of an attempt that cost nothing, and why."""
_UNBILLED = frozenset({"errored", "expired", "canceled"})


@dataclass(frozen=True, slots=True)
class Source:
    """Where results come from: what all their charges share."""

    batch_id: str
    work: Work
    model: str | None
    """What every request of the batch asked for, where that is known."""
    at_ns: int
    """When the batch was created, or else when its results are read."""
    book: PriceBook


class ResultsWatcher(Watcher):
    """Charges each succeeded result as soon as its line is here; what the application leaves unread is not charged."""

    def __init__(
        self,
        source: Source,
        take: Take,
        content_encoding: str,
        span: Span | None = None,
        free: Free | None = None,
    ) -> None:
        self._source = source
        self._take = take
        self._free = free
        self._span = span
        self._decode: Decode | None = decoder(content_encoding)
        if self._decode is None:
            tell_once("batch-encoding", f"bursar cannot read batch results encoded as {content_encoding!r}: no charges")
        self._lines = Lines()
        self._sum = _Sum()

    def chunk(self, data: bytes) -> None:
        """Some bytes of the body, as they came over the wire."""
        if self._decode is None:
            return
        with quiet("read the results of a batch"):
            try:
                plain = self._decode(data)
            except Exception:  # whatever a decoder raises: it is not asked again, and `quiet` tells it once
                self._decode = None
                raise
            self.plain(plain)

    def plain(self, data: bytes) -> None:
        """Some bytes of the body, decoded."""
        self._charge(self._lines.feed(data))

    def end(self) -> None:
        """The body was read, closed, dropped or broken off: a last line without an end counts if it is whole."""
        with quiet("read the results of a batch"):
            self._charge(self._lines.rest())
            self._span = None

    def _charge(self, lines: Iterator[bytes]) -> None:
        before = self._sum.charges
        for line in lines:
            with quiet("charge a batch's result"):
                charge = charge_of(line, self._source)
                if charge is not None and self._take(charge):
                    self._sum.add(charge)
                elif charge is None and self._free is not None and (unbilled := unbilled_of(line)) is not None:
                    self._free(*unbilled)
        # Stamped as we go: an early close of the body ends the SDK's span before it can be seen here.
        if self._span is not None and self._sum.charges > before and self._span.is_recording():
            self._span.set_attributes({names.ROUTE: self._source.work.route or "", **self._sum.attributes()})


def charge_of(line: bytes, source: Source) -> Charge | None:
    """The charge of one line of results; None for a request that did not succeed, and for what is no result."""
    result = _parsed(line)
    outcome = _get(result, "result")
    message = _get(outcome, "message")
    if _get(outcome, "type") != "succeeded" or not isinstance(message, Mapping):
        return None
    tally = Tally()
    tally.message(message)
    custom_id = sound(str(_get(result, "custom_id") or ""))
    response_id = sound(tally.response_id) if tally.response_id else None
    model = sound(tally.model or source.model or "")
    report = tally.report()
    is_ours = item_id(custom_id) is not None
    charge = Charge(
        attempt_id=custom_id if is_ours else attempt_id(source.batch_id, custom_id, response_id),
        cost_nano_usd=None,
        usage=report.usage if report is not None else Usage(),
        basis=Basis.UNKNOWN,
        model=model,
        requested_model=source.model or model,
        route=source.work.route or "",
        call_id=custom_id if is_ours else f"{source.batch_id}/{custom_id}",
        labels=source.work.labels,
        response_id=response_id,
        at_ns=source.at_ns,
        missing=("no usage was seen",),
        modifiers=("batch",),
        stop_reason=sound(tally.stop_reason) if tally.stop_reason else None,
    )
    if report is None:
        return charge
    at = datetime.fromtimestamp(source.at_ns // 10**9, UTC)
    quote = price(report, model=model, at=at, book=source.book, batch=True)
    return replace(
        charge,
        cost_nano_usd=quote.cost_nano_usd,
        basis=_basis(quote),
        price_id=quote.price_id,
        lines=quote.lines,
        missing=quote.missing,
        modifiers=quote.modifiers,
    )


def unbilled_of(line: bytes) -> tuple[str, str] | None:
    """The attempt that cost nothing, by one line of results, and why; None for any but those of `map_batch`."""
    result = _parsed(line)
    custom_id, outcome = _get(result, "custom_id"), _get(_get(result, "result"), "type")
    if outcome not in _UNBILLED or not isinstance(custom_id, str) or item_id(custom_id) is None:
        return None
    return custom_id, f"batch {outcome}"


def _basis(quote: Quote) -> Basis:
    if quote.cost_nano_usd is None:
        return Basis.UNKNOWN
    return Basis.ESTIMATE if quote.estimated else Basis.USAGE


def attempt_id(batch_id: str, custom_id: str, response_id: str | None) -> str:
    """The id of a result's charge: the same for everybody who reads it."""
    return f"batch-{response_id or f'{batch_id}/{custom_id}'}"


class Lines:
    """Lines out of bytes, however they are cut; no more than one is held, and none that is beyond all reason."""

    def __init__(self, most: int = MOST_LINE_BYTES) -> None:
        self._most = most
        self._line = bytearray()
        self._skipping = False

    def __len__(self) -> int:
        """Bytes held."""
        return len(self._line)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines completed by these bytes, blank ones left out."""
        start, data = 0, data.replace(b"\r", b"\n")
        while (end := data.find(b"\n", start)) >= 0:
            self._add(data[start:end])
            start = end + 1
            yield from self.rest()
        self._add(data[start:])

    def rest(self) -> Iterator[bytes]:
        """The line that has come so far, which ends here."""
        line, self._line, self._skipping = self._line, bytearray(), False
        if line.strip():
            yield bytes(line)

    def _add(self, part: bytes) -> None:
        if self._skipping:
            return
        self._line += part
        if len(self._line) > self._most:
            self._line, self._skipping = bytearray(), True
            tell_once("batch-line", f"bursar: a batch's result has more than {self._most} bytes and is not charged")


class _Sum:
    """What one reading of results has charged so far."""

    def __init__(self) -> None:
        self.charges = 0
        self._nano = 0
        self._usage = Usage()
        self._missing: set[str] = set()
        self._known = True

    def add(self, charge: Charge) -> None:
        self.charges += 1
        self._usage += charge.usage
        self._missing.update(charge.missing)
        self._known &= charge.cost_nano_usd is not None
        self._nano += charge.cost_nano_usd or 0

    def attributes(self) -> dict[str, Any]:
        """
        For the span. Without an attempt's id: the results have one each, and `intake` takes a span with one for a call.
        """
        usage = self._usage
        told: dict[str, Any] = {
            names.INPUT_TOKENS: usage.prompt,
            names.OUTPUT_TOKENS: usage.output,
            names.CACHE_READ_TOKENS: usage.cache_read,
            names.CACHE_WRITE_TOKENS: usage.cache_write,
            names.COST_BASIS: (Basis.USAGE if self._known else Basis.UNKNOWN).value,
        }
        if self._missing:
            told[names.COST_MISSING] = sorted(self._missing)
        if self._known:
            told[names.COST_NANO_USD] = self._nano
            told[names.COST_USD] = self._nano / _NANO_PER_USD
        return told


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None  # cut, or no result


def _get(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
