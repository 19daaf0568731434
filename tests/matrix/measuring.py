"""What a case comes to: its charges out of the journal, its spans, its requests."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode
from tests.matrix.case import SDK_TRACES, Case, Charged, Told
from tests.matrix.spans import SPANS, watch_spans
from tests.matrix.stage import Stage, swift_retries

from bursar.instrumentation import flush, instrument, uninstrument
from bursar.policies import attributes as names
from bursar.policies.charge import Charge
from bursar.policies.records import Sent, Settled, from_line


@dataclass(frozen=True)
class Figures:
    """What came of a case."""

    charges: tuple[Charged, ...]
    spans: tuple[Told, ...]
    """Of the calls that ask for a message, ended ones only."""
    parents: tuple[str, ...]
    """The names of the spans above those."""
    owners: tuple[str, ...]
    """Whose they are: `sdk` or `bursar`."""
    elsewhere_nano: int
    """Cost on any other span."""
    open_spans: int
    requests: int
    billable: int
    sent: int


@cache
def measure(case: Case, *, traced: bool = True, watched: bool = True) -> Figures:
    """
    Run a case in this process with Bursar, with the SDK's own tracing or without; once for all who ask.

    Unless it is `watched`, no tracer provider is put in force.
    """
    if watched:
        watch_spans()
    SPANS.begun, SPANS.ended = [], []
    gc.freeze()  # what is here already need not be looked through again
    stage = Stage(case.answers)
    with TemporaryDirectory(prefix="bursar-matrix-") as folder, _instrumented(folder), _tracing(on=traced):
        kept = perform(case, stage)
        if not case.keeps:
            del kept
        if not SDK_TRACES:
            gc.collect()
        flush()
        lines = [line for path in Path(folder).glob("journal/*") for line in path.read_bytes().splitlines()]
    gc.unfreeze()
    records = [from_line(line) for line in lines]
    charges: dict[str, Settled] = {}
    for record in records:
        if isinstance(record, Settled) and (record.final or record.attempt_id not in charges):
            charges[record.attempt_id] = record
    calls = [span for span in SPANS.ended if _of(span, names.OPERATION) == "chat"]
    by_id = {span.context.span_id: span.name for span in SPANS.begun if span.context}
    return Figures(
        charges=tuple(_charged(record.charge) for record in charges.values()),
        spans=tuple(_told(span) for span in calls),
        parents=tuple(by_id.get(span.parent.span_id, "?") if span.parent else "" for span in calls),
        owners=tuple("bursar" if span.name.startswith("chat ") else "sdk" for span in calls),
        elsewhere_nano=sum(_of(span, names.COST_NANO_USD) or 0 for span in SPANS.ended if span not in calls),
        open_spans=len(SPANS.begun) - len(SPANS.ended),
        requests=len(stage.server.requests),
        billable=sum(request.is_billable for request in stage.server.requests),
        sent=sum(isinstance(record, Sent) for record in records),
    )


def perform(case: Case, stage: Stage) -> object:
    """Do what the case does; what it raises is its own business here. Nothing is left to the garbage collector."""
    gc.disable()
    try:
        with swift_retries():
            return asyncio.run(case.act(stage)) if inspect.iscoroutinefunction(case.act) else case.act(stage)
    except Exception:  # noqa: BLE001 - what a case raises is compared elsewhere
        return None
    finally:
        gc.enable()


@contextmanager
def _instrumented(folder: str) -> Generator[None]:
    instrument(environ={"BURSAR_STATE_DIR": folder})
    try:
        yield
    finally:
        uninstrument()


@contextmanager
def _tracing(*, on: bool) -> Generator[None]:
    """The SDK's tracing, which every client reads when it is made."""
    with mock.patch.dict("os.environ", {"ANTHROPIC_OPEN_TELEMETRY": "true" if on else "false"}):
        yield


def _charged(charge: Charge) -> Charged:
    return Charged(charge.cost_nano_usd, charge.basis.value)


def _told(span: ReadableSpan) -> Told:
    return Told(
        input=_of(span, names.INPUT_TOKENS),
        output=_of(span, names.OUTPUT_TOKENS),
        nano=_of(span, names.COST_NANO_USD),
        failed=span.status.status_code is StatusCode.ERROR,
    )


def _of(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)
