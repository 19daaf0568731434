"""
What is one meter provider told: sums by set of attributes, and histograms?

Sums are kept here and told by observable counters, at each collection: one `add` of OpenTelemetry's SDK takes several
times as long as all the sums of a charge together. Even these, and what has to be a histogram, are not counted on the
caller's path: a call only notes what is to be counted, and the background counts it, or whoever collects.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, ObservableCounter, Observation

from bursar.instrumentation.quiet import tell_once
from bursar.policies import attributes as names
from bursar.policies.charge import Basis, Charge

LIMIT = 1_000
"""Sets of attributes of one kind and process; half of what OpenTelemetry's SDK keeps apart by default."""
SPARE = 100
"""How many of them are kept for those in which only routes and labels are `other`."""
LONGEST = 128
"""Characters of any one value."""
OTHER = "other"
NANO = 1_000_000_000
NOTES = 512
"""Notes that may wait to be counted; beyond that, each new one has the oldest counted."""

MODELS = (names.PROVIDER, names.REQUEST_MODEL, names.RESPONSE_MODEL)
_CHAT = {names.OPERATION: "chat"}
_USAGE = "gen_ai.client.inference.usage."

Attributes = Mapping[str, str]
Key = tuple[str, ...]
Note = tuple[Callable[..., None], tuple[Any, ...]]
"""What counts something, and what it is to be given."""


class Tokens:
    """Tokens by class."""

    __slots__ = ("attributes", "cache_read", "cache_write", "input", "output", "reasoning")

    def __init__(self, attributes: Attributes) -> None:
        # Anthropic counts text, images and documents together.
        self.attributes = {**_CHAT, **attributes, "gen_ai.token.modality": "unknown"}
        self.input = self.output = self.cache_read = self.cache_write = self.reasoning = 0


class Money:
    """Nano-dollars, the part of them that is a bound, and charges that cannot be told in dollars."""

    __slots__ = ("attributes", "estimated", "nano", "unknown")

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self.nano = self.estimated = self.unknown = 0


class Decisions:
    """Calls that were decided alike."""

    __slots__ = ("attributes", "count")

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = attributes
        self.count = 0


class Times:
    """No sums: the attributes with which histograms are recorded, built once."""

    __slots__ = ("attributes", "input", "output")

    def __init__(self, attributes: Attributes) -> None:
        self.attributes = {**_CHAT, **attributes}
        self.input = {**self.attributes, "gen_ai.token.type": "input"}
        self.output = {**self.attributes, "gen_ai.token.type": "output"}


Row = TypeVar("Row", Tokens, Money, Decisions, Times)
_lock = threading.RLock()  # a body's destructor may charge a call while this thread counts another
_counting = threading.RLock()


class Table(dict[Key, Row], Generic[Row]):
    """A row for each set of attributes; beyond the limit all but the first `kept` columns become `other`, then all."""

    def __init__(self, kind: Callable[[Attributes], Row], columns: Key, kept: int) -> None:
        super().__init__()
        self._kind: Callable[[Attributes], Row] = kind
        self._columns, self._kept = columns, kept

    def __missing__(self, key: Key) -> Row:
        with _lock:
            key = self._with_room(tuple(text[:LONGEST] for text in key))
            told = {name: text for name, text in zip(self._columns, key, strict=True) if text}
            return self.setdefault(key, self._kind(told))

    def _with_room(self, key: Key) -> Key:
        if key in self or len(self) < LIMIT - SPARE:
            return key
        tell_once(
            "too many sets of attributes",
            f"bursar: metrics have reached {LIMIT - SPARE} sets of attributes; what is new is counted under "
            f"`{OTHER}` from now on. Does a route, or a label of BURSAR_METRIC_LABELS, have a value for each call?",
        )
        coarse = (*key[: self._kept], *(text and OTHER for text in key[self._kept :]))
        if coarse in self or len(self) < LIMIT - 1:
            return coarse
        return tuple(text and OTHER for text in key)


class Sums:
    """All that is told to one meter provider, as long as it lives."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._counters: list[ObservableCounter] = []
        """Kept here, since not every provider keeps them."""
        self._histograms: dict[str, Histogram] = {}
        self._money: dict[Key, Table[Money]] = {}
        self._tells_tokens = False
        self._notes: deque[Note] = deque()
        self.tokens = Table(Tokens, MODELS, 1)
        self.times = Table(Times, (*MODELS, names.ERROR_TYPE), 1)
        self.decisions = Table(Decisions, (names.ACTION, names.REASON, names.BUDGET, names.WOULD_HAVE), 2)
        self._tell_money()
        told = "Calls by what was decided, and why."
        self._tell("bursar.decisions", "{call}", told, self.decisions.values, lambda row: row.count)

    def note(self, count: Callable[..., None], *given: Any) -> None:
        """Have something counted before anybody is told of any sum."""
        self._notes.append((count, given))
        if len(self._notes) > NOTES:
            self._count_one()

    def count(self) -> None:
        """Count all that was noted so far."""
        for _ in range(len(self._notes)):
            self._count_one()

    def _count_one(self) -> None:
        # Under a lock, so that who comes second is told of what the first has only begun to count; under one of its
        # own, since whoever collects holds locks of OpenTelemetry's, which are also taken to make an instrument.
        with _counting:
            if not self._notes:
                return
            count, given = self._notes.popleft()
            try:
                count(*given)
            except Exception:  # noqa: BLE001 - the guest never breaks its host
                tell_failure()

    def money(self, labels: Sequence[str]) -> Table[Money]:
        """The table of charges that has columns for these labels."""
        columns = (*MODELS, names.ROUTE, *(names.LABEL_PREFIX + label for label in labels))
        with _lock:
            return self._money.setdefault(columns, Table(Money, columns, len(MODELS)))

    def tell_tokens(self) -> None:
        """Register the conventions' usage counters, once."""
        with _lock:
            if self._tells_tokens:
                return
            self._tells_tokens = True
        rows: Callable[[], Collection[Tokens]] = self.tokens.values
        told = "Input tokens, those read from and written to the cache included."
        self._tell(f"{_USAGE}input_tokens", "{token}", told, rows, lambda row: row.input, zeros=True)
        told = "Output tokens, those of thinking included."
        self._tell(f"{_USAGE}output_tokens", "{token}", told, rows, lambda row: row.output, zeros=True)
        told = "Input tokens read from the cache."
        self._tell(f"{_USAGE}cache_read.input_tokens", "{token}", told, rows, lambda row: row.cache_read)
        told = "Input tokens written to the cache."
        self._tell(f"{_USAGE}cache_write.input_tokens", "{token}", told, rows, lambda row: row.cache_write)
        told = "Output tokens of thinking."
        self._tell(f"{_USAGE}reasoning.output_tokens", "{token}", told, rows, lambda row: row.reasoning)

    def histogram(self, name: str, unit: str, description: str, bounds: Sequence[float]) -> Histogram:
        """The histogram of this name, with these boundaries where the installed API can ask for them."""
        with _lock:
            found = self._histograms.get(name)
            if found is None:
                found = self._histograms[name] = _histogram(self._meter, name, unit, description, bounds)
            return found

    def _tell_money(self) -> None:
        rows = self._each_money
        told = "Cost of calls, estimates included."
        self._tell("bursar.cost", "USD", told, rows, lambda row: row.nano / NANO)
        told = "Cost of calls, estimates included, in whole nano-dollars."
        self._tell("bursar.cost.nano_usd", "{nano_usd}", told, rows, lambda row: row.nano)
        told = "The part of the cost that is a bound, since the call was broken off."
        self._tell("bursar.cost.estimated", "USD", told, rows, lambda row: row.estimated / NANO)
        told = "Charges of which nobody knows the cost; they are in no sum of it."
        self._tell("bursar.charges.unknown", "{charge}", told, rows, lambda row: row.unknown)

    def _each_money(self) -> Collection[Money]:
        return [row for table in tuple(self._money.values()) for row in tuple(table.values())]

    def _tell(
        self,
        name: str,
        unit: str,
        description: str,
        rows: Callable[[], Collection[Row]],
        value: Callable[[Row], float],
        *,
        zeros: bool = False,
    ) -> None:
        """Register a counter that reads its rows when it is asked; with `zeros` also those that are at zero."""

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            self.count()
            found = [(value(row), row.attributes) for row in tuple(rows())]
            return [Observation(amount, attributes) for amount, attributes in found if amount or zeros]

        self._counters.append(self._meter.create_observable_counter(name, [observe], unit, description))


def add_charge(charge: Charge, tokens: Tokens, money: Money) -> None:
    """Count a charge in its two rows."""
    usage, cost = charge.usage, charge.cost_nano_usd
    written = usage.cache_write_5m + usage.cache_write_1h
    with _lock:
        tokens.input += usage.input + usage.cache_read + written
        tokens.output += usage.output
        tokens.cache_read += usage.cache_read
        tokens.cache_write += written
        tokens.reasoning += usage.thinking
        if cost is None:
            money.unknown += 1
        else:
            money.nano += cost
            if charge.basis is Basis.ESTIMATE:
                money.estimated += cost


def tell_failure() -> None:
    """Say once that something could not be counted."""
    tell_once("metrics", "bursar could not count a call in the metrics; the application goes on", exc_info=True)


def add_decision(row: Decisions) -> None:
    """Count a call that was decided so."""
    with _lock:
        row.count += 1


def _histogram(meter: Meter, name: str, unit: str, description: str, bounds: Sequence[float]) -> Histogram:
    try:
        return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)
    except TypeError:  # an API that cannot ask for boundaries yet: a view of the application's can
        return meter.create_histogram(name, unit, description)


def _after_fork() -> None:
    """A forked child goes on with its parent's sums, as OpenTelemetry's own counters do; the locks may be held."""
    global _lock, _counting
    _lock, _counting = threading.RLock(), threading.RLock()


os.register_at_fork(after_in_child=_after_fork)
