"""How is a program instrumented by OpenTelemetry's own command? The only room that knows its interface."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from bursar.instrumentation import instrument, metrics, uninstrument

log = logging.getLogger("bursar")


class BursarInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # its module hides its types
    """
    Bursar as one of OpenTelemetry's instrumentations, found by the name `bursar`.

    `opentelemetry-instrument` calls it in every program; there an error of ours would keep all instrumentations after
    it from being loaded. So it raises none: what is wrong is told in one line, and the program runs without Bursar.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """The releases of the SDK that are supported."""
        return ("anthropic >= 0.108, < 3",)

    def _instrument(self, **kwargs: Any) -> None:
        """`meter_provider` is the one that metrics go to; `tracer_provider` is named as not used."""
        try:
            metrics.use(kwargs.get("meter_provider"))
            if kwargs.get("tracer_provider") is not None:
                log.warning(
                    "bursar: the tracer_provider given to BursarInstrumentor is not used: the SDK makes the spans. "
                    'Give it to the client, Anthropic(open_telemetry={"tracer_provider": ...}), or set it globally.'
                )
            instrument()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with us, the program and its other tools go on
            log.warning("bursar: Claude calls of this process are not counted: %s: %s", type(error).__name__, error)

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ARG002 - the interface's
        uninstrument()
        metrics.use(None)
