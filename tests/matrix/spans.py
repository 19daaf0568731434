"""Which spans were begun in this process, and which have ended."""

from __future__ import annotations

import threading
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider


class Spans(SpanProcessor):
    """Every span that was begun, and every one that has ended."""

    def __init__(self) -> None:
        self.begun: list[ReadableSpan] = []
        self.ended: list[ReadableSpan] = []
        self._lock = threading.Lock()

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        with self._lock:
            self.begun.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        with self._lock:
            self.ended.append(span)


SPANS = Spans()


def watch_spans() -> None:
    """Put `SPANS` on the provider in force, or on one of our own; once a process."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    if not getattr(provider, "watched_by_matrix", False):
        provider.add_span_processor(SPANS)
        setattr(provider, "watched_by_matrix", True)  # noqa: B010 - an attribute of somebody else's class
