"""What do metrics say of calls: tokens, cost, time and decisions? docs/telemetry.md lists them."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Protocol

from opentelemetry import metrics as api
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.metrics import Histogram, MeterProvider, NoOpMeter

from bursar.instrumentation.sums import NANO, Sums, Times, add_charge, add_decision, tell_failure
from bursar.policies.charge import Basis, Charge
from bursar.policies.decision import Decision
from bursar.policies.errors import BudgetExceeded
from bursar.policies.values import value

SCOPE = "bursar.instrumentation"

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""Boundaries of the conventions' histograms."""

_NEW = "gen_ai.client.inference"
_OLD = "gen_ai.client.operation"
_SDK_ERRORS = {"APITimeoutError": "client_timeout_error", "APIConnectionError": "connection_error"}
_HTTP_ERROR = 400


class Finished(Protocol):
    """What is asked of a call that is over. Its times are by a clock that never goes back."""

    requested_model: str
    provider: str
    charges: list[Charge]
    decision: Decision | None
    began_ns: int
    first_chunk_ns: int | None
    """When the first event of a stream was there; None for what was no stream."""


class Metrics:
    """
    Counts calls for the meter provider in force, whenever that is set; costs next to nothing while there is none.

    `families` as `config.read_metrics` gives them: empty is off. `labels` are told of costs, and have to be few-valued.
    """

    def __init__(self, families: Collection[str], labels: Iterable[str] = ()) -> None:
        self._families, self._labels = frozenset(families), tuple(labels)
        self._seen: object = self  # no provider, so that the first call looks for one
        self._kit: _Kit | None = None

    def charged(self, charge: Charge, provider: str) -> None:
        """Count a final charge. `provider` as in `gen_ai.provider.name`. Never raises."""
        try:
            kit = self._now()
            if kit is not None:
                kit.sums.note(_charged, kit, charge, provider)
        except Exception:  # noqa: BLE001 - the guest never breaks its host
            tell_failure()

    def refused(self, refusal: BudgetExceeded) -> None:
        """Count a call that a budget said no to. Never raises."""
        try:
            kit = self._now()
            if kit is not None:
                add_decision(kit.sums.decisions["block", refusal.reason.value, refusal.budget, ""])
        except Exception:  # noqa: BLE001 - the guest never breaks its host
            tell_failure()

    def finished(self, call: Finished, failure: str | None, now_ns: int) -> None:
        """Count a call that is over. `failure`: the `error.type` of what the application sees of it. Never raises."""
        try:
            kit = self._now()
            if kit is not None:
                kit.sums.note(_finished, kit, _Over.of(call, failure, now_ns))
        except Exception:  # noqa: BLE001 - the guest never breaks its host
            tell_failure()

    def count(self) -> None:
        """Count what calls have noted: whoever has the time spares the next collection the work."""
        if self._kit is not None:
            self._kit.sums.count()

    def _now(self) -> _Kit | None:
        """What to count with for the provider in force; None while nobody would hear of it."""
        if not self._families:
            return None
        provider = _given if _given is not None else _set_provider()
        if provider is not self._seen:
            self._turn_to(provider)
        return self._kit

    def _turn_to(self, provider: MeterProvider | None) -> None:
        if provider is None:
            api.get_meter_provider()  # loads the one that OTEL_PYTHON_METER_PROVIDER may name
            provider = _set_provider()
        sums = None if provider is None else _sums_of(provider)
        self._kit = None if sums is None else _Kit(sums, self._families, self._labels)
        self._seen = provider


class _Kit:
    """The rows and histograms of one provider, for one choice of families and labels."""

    __slots__ = ("durations", "first_chunks", "labels", "money", "old_sizes", "sizes", "sums")

    def __init__(self, sums: Sums, families: Collection[str], labels: Sequence[str]) -> None:
        self.sums = sums
        self.labels = labels
        self.money = sums.money(labels)
        prefixes = [prefix for family, prefix in (("new", _NEW), ("old", _OLD)) if family in families]
        told = "How long calls took, from the request to the end of the response."
        self.durations = [sums.histogram(f"{prefix}.duration", "s", told, SECONDS) for prefix in prefixes]
        told = "How long it took from the request to the first event of a stream."
        self.first_chunks = [sums.histogram(f"{prefix}.time_to_first_chunk", "s", told, SECONDS) for prefix in prefixes]
        self.sizes: tuple[Histogram, Histogram] | None = None
        self.old_sizes: Histogram | None = None
        if "new" in families:
            sums.tell_tokens()
        if "operation" in families:
            self.sizes = (
                sums.histogram(f"{_NEW}.operation.input_tokens", "{token}", "Input tokens of a call.", TOKENS),
                sums.histogram(f"{_NEW}.operation.output_tokens", "{token}", "Output tokens of a call.", TOKENS),
            )
        if "old" in families:
            told = "Input and output tokens of a call."
            self.old_sizes = sums.histogram("gen_ai.client.token.usage", "{token}", told, TOKENS)


@value
class _Over:
    """What is counted of a call that is over, without what only the call itself still needs."""

    models: tuple[str, str, str]
    failure: str
    charges: tuple[Charge, ...]
    decision: Decision | None
    duration_ns: int
    first_chunk_ns: int | None
    context: Context
    """The one it ended in: a histogram may keep the span of it as an example."""

    @classmethod
    def of(cls, call: Finished, failure: str | None, now_ns: int) -> _Over:
        charges, began, first = call.charges, call.began_ns, call.first_chunk_ns
        return cls(
            (call.provider, call.requested_model, charges[-1].model if charges else ""),
            failure or "",
            tuple(charges),
            call.decision,
            now_ns - began,
            None if first is None else first - began,
            get_current(),
        )


def _charged(kit: _Kit, charge: Charge, provider: str) -> None:
    models = (provider, charge.requested_model, charge.model)
    rest = [charge.labels.get(label, "") for label in kit.labels]
    add_charge(charge, kit.sums.tokens[models], kit.money[(*models, charge.route, *rest)])


def _finished(kit: _Kit, over: _Over) -> None:
    token = attach(over.context)  # as if it were counted where the call ended
    try:
        _count_over(kit, over)
    finally:
        detach(token)


def _count_over(kit: _Kit, over: _Over) -> None:
    times = kit.sums.times[(*over.models, over.failure)]
    for histogram in kit.durations:
        histogram.record(over.duration_ns / NANO, times.attributes)
    if over.first_chunk_ns is not None:
        for histogram in kit.first_chunks:
            histogram.record(over.first_chunk_ns / NANO, times.attributes)
    if not over.charges:
        _ = kit.sums.tokens[over.models]  # the conventions ask for a zero where no usage came
    elif not over.failure and over.charges[-1].basis is Basis.USAGE:
        _record_sizes(kit, over.charges, times)
    if over.decision is not None and over.failure != BudgetExceeded.__name__:
        add_decision(kit.sums.decisions[_decided(over.decision)])


def _record_sizes(kit: _Kit, charges: Sequence[Charge], times: Times) -> None:
    """How many tokens one call took; for calls that ended well alone, as the conventions have it."""
    if kit.sizes is None and kit.old_sizes is None:
        return
    prompt = sum(charge.usage.prompt for charge in charges)
    output = sum(charge.usage.output for charge in charges)
    if kit.sizes is not None:
        kit.sizes[0].record(prompt, times.attributes)
        kit.sizes[1].record(output, times.attributes)
    if kit.old_sizes is not None:
        kit.old_sizes.record(prompt, times.input)
        kit.old_sizes.record(output, times.output)


def _decided(decision: Decision) -> tuple[str, str, str, str]:
    """Action, reason, budget, and what a budget that only observes would have done."""
    verdict, observed = decision.verdict, decision.observed
    would_have = f"{observed.action}: {observed.budget}" if observed is not None else ""
    return (verdict.action.value, verdict.reason.value, verdict.budget, would_have)


def error_type(error: BaseException) -> str:
    """The `error.type` of a call, in the words of the SDK's own span, and a class's name where that has none."""
    for kind in type(error).__mro__:
        if kind.__name__ in _SDK_ERRORS:
            return _SDK_ERRORS[kind.__name__]
    told = getattr(error, "type", None)
    if isinstance(told, str) and told:
        return told
    status = getattr(error, "status_code", None)
    return str(status) if isinstance(status, int) and status >= _HTTP_ERROR else type(error).__name__


_KEPT = 8
_all_sums: dict[int, tuple[MeterProvider, Sums]] = {}
"""
By identity, since Logfire's provider cannot be hashed: counters are registered once with a provider, however often
Bursar is switched on and off. The last few are kept; no application has more.
"""
_lock = threading.RLock()
_given: MeterProvider | None = None
_api: Any = getattr(api, "_internal", None)


def use(provider: MeterProvider | None) -> None:
    """Tell this meter provider instead of the global one, from the next call on; None: the global one."""
    global _given
    _given = provider


def _set_provider() -> MeterProvider | None:
    """
    The global meter provider; None while there is only the API's stand-in for one.

    The API's own question for it reads the environment each time until one is set, and takes twenty times as long:
    every call would pay for metrics that nobody has asked for.
    """
    try:
        found: MeterProvider | None = _api._METER_PROVIDER
    except AttributeError:  # an API that is built otherwise: then its stand-in does, which passes on what it is told
        found = api.get_meter_provider()
    return found


def _sums_of(provider: MeterProvider) -> Sums | None:
    with _lock:
        found = _all_sums.get(id(provider))
        if found is not None:
            return found[1]
        meter = provider.get_meter(SCOPE)
        if isinstance(meter, NoOpMeter):
            return None
        if len(_all_sums) >= _KEPT:
            del _all_sums[next(iter(_all_sums))]
        sums = Sums(meter)
        _all_sums[id(provider)] = (provider, sums)
        return sums


def _after_fork() -> None:
    """In a forked child nobody may be there to let go of the lock."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)
