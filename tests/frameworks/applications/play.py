"""Run one desk, case by case, in its framework's environment: what came back, and what Bursar saw, as JSON."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

Seen = dict[str, Any]

_VARIES = re.compile(
    r"(msg|req|toolu|chatcmpl)[_-][A-Za-z0-9-]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|0x[0-9a-f]+|127\.0\.0\.1:\d+|datetime\.datetime\([^)]*\)|created=\d+|[0-9a-f]{32}"
)


def main(desk_name: str, out: Path) -> None:
    """Every case of a desk; the file gets what was seen, by case."""
    kept = _spans_to(os.environ.get("SPANS_TO"))
    with ExitStack() as during:
        charges = during.enter_context(_bursar()) if os.environ.get("WITH_BURSAR") else []
        loop = None if os.environ.get("LOOPS") else during.enter_context(asyncio.Runner())
        desk = import_module(desk_name)
        if os.environ.get("OWN_SPANS"):
            desk.trace()
        cases: dict[str, Seen] = {}
        for act in desk.CASES:
            before = len(charges)
            result = _case(loop, act)
            cases[act.__name__] = {"result": result, "charges": [_charge(charge) for charge in charges[before:]]}
        desk.close()
    out.write_text(json.dumps({"cases": cases, "spans": [_span(span) for span in kept.get_finished_spans()]}))


def _spans_to(endpoint: str | None) -> InMemorySpanExporter:
    """A tracer provider like an application's, if spans have somewhere to go; they are kept for a look, too."""
    kept = InMemorySpanExporter()
    if endpoint:
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(kept))
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint)))
        trace.set_tracer_provider(provider)
    return kept


@contextmanager
def _bursar() -> Generator[list[Any]]:
    """Instrumented, as an application would be; at the end the agent has booked everything."""
    from bursar.instrumentation import flush, instrument
    from bursar.instrumentation.testing import recorded

    assert instrument()
    with recorded() as seen:
        yield seen.charges
    assert flush(20), "the agent has not booked everything"


def _case(loop: asyncio.Runner | None, act: Any) -> str:
    """What a case gave back, without what differs between any two runs."""
    address = f"{os.environ['ANTHROPIC_BASE_URL']}/stage/case/{act.__name__}"
    with urlopen(Request(address, method="POST")):
        pass
    try:
        result = repr(_act(loop, _named(act)))
    except Exception as error:  # noqa: BLE001 - an application's exception is a result like any other
        result = f"{type(error).__qualname__}: {error}"
    return _VARIES.sub("…", result)


def _act(loop: asyncio.Runner | None, act: Any) -> Any:
    if not inspect.iscoroutinefunction(act):
        return act()
    return asyncio.run(act()) if loop is None else loop.run(act())


def _named(act: Any) -> Any:
    """A case that names its route, if the application is to name them."""
    if not os.environ.get("NAMED"):
        return act
    from bursar.instrumentation import route

    return route(f"named.{act.__name__}")(act)


def _charge(charge: Any) -> Seen:
    return {
        "message_id": charge.response_id,
        "nano_usd": charge.cost_nano_usd,
        "route": charge.route,
        "basis": charge.basis.value,
    }


def _span(span: ReadableSpan) -> Seen:
    return {
        "scope": span.instrumentation_scope.name if span.instrumentation_scope else "",
        "name": span.name,
        "attributes": dict(span.attributes or {}),
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
