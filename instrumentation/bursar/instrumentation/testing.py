"""How tests see what a block of code cost: `with recorded() as seen:`."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import trace

from bursar.instrumentation import instrument, runtime, uninstrument
from bursar.policies.charge import Charge

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


@dataclass
class Recorded:
    """What was seen, in the order in which it ended."""

    charges: list[Charge] = field(default_factory=list[Charge])
    spans: list[ReadableSpan] = field(default_factory=list["ReadableSpan"])


@contextmanager
def recorded() -> Generator[Recorded]:
    """
    Every charge and span of the calls made inside, in this process.

    Instruments for the length of the block unless that is done already; then without an agent, and with a journal that
    goes away. Spans need `bursar[otel]`: without it `seen.spans` stays empty.
    """
    seen = Recorded()
    present = runtime.current_runtime()
    with TemporaryDirectory(prefix="bursar-recorded-") as folder:
        if present is None:
            instrument(environ={"BURSAR_STATE_DIR": folder})
        active = runtime.current_runtime()
        observers = active.observers if active is not None else []
        observers.append(seen.charges.append)
        _TAP.listeners.append(seen.spans)
        _tap_provider()
        try:
            yield seen
        finally:
            _TAP.listeners.remove(seen.spans)
            observers.remove(seen.charges.append)
            if present is None:
                uninstrument()


class _Tap:
    """
    A span processor that hands ended spans to whoever records just now.

    Added to a provider once and for all, since none can be removed. Written without the SDK's base class, which an
    application may not have.
    """

    def __init__(self) -> None:
        self.listeners: list[list[Any]] = []
        self.providers: set[int] = set()
        self.lock = threading.Lock()

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Nothing is known yet."""

    def _on_ending(self, span: Any) -> None:
        """Nothing to add."""

    def on_end(self, span: Any) -> None:
        """Hand it on."""
        for spans in tuple(self.listeners):
            spans.append(span)

    def shutdown(self) -> None:
        """Nothing is held."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - the processor's interface
        """Nothing is kept back."""
        return True


_TAP = _Tap()


def _tap_provider() -> None:
    try:
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    except ImportError:
        return
    with _TAP.lock:
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(TracerProvider())
        provider = trace.get_tracer_provider()
        if isinstance(provider, TracerProvider) and id(provider) not in _TAP.providers:
            provider.add_span_processor(cast("SpanProcessor", _TAP))
            _TAP.providers.add(id(provider))
