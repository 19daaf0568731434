"""Who exports traces: an existing provider, or where there is none one of our own, if it has somewhere to go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from opentelemetry import trace

from bursar.instrumentation import tls
from bursar.instrumentation.config import Config

log = logging.getLogger("bursar")


EXPORT_SECONDS = 1
"""An agent that is away must not keep a process from ending; its money went by the journal anyway."""

_NOT_OVER_UNIX = (
    "no traces: BURSAR_AGENT is a Unix socket, and no exporter speaks over one; money goes that way all the same. Name "
    "an endpoint in OTEL_EXPORTER_OTLP_ENDPOINT: a collector's, or the agent's own with a second --listen"
)


def set_up(config: Config) -> None:
    """Make a tracer provider if there is none and an endpoint is known; say in one log line what holds."""
    log.info("bursar: %s", _set_up(config))


def _set_up(config: Config) -> str:
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return "traces go to the application's own tracer provider"
    if config.agent is None and not config.exports:
        return "no traces: no tracer provider, and no endpoint in BURSAR_AGENT or OTEL_EXPORTER_OTLP_ENDPOINT"
    if config.agent is not None and config.agent.scheme == "unix" and not config.exports:
        return _NOT_OVER_UNIX
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from requests import Session
    except ImportError:
        return 'no traces: an endpoint is known, but no exporter is installed; pip install "bursar[otel]"'
    if config.exports:
        exporter = OTLPSpanExporter()
    else:
        ca_file = None if config.ca_file is None else str(config.ca_file)
        over_tls = config.agent is not None and config.agent.scheme == "https"
        exporter = OTLPSpanExporter(
            f"{config.agent}/v1/traces",
            certificate_file=ca_file,
            headers=_token(config),
            timeout=EXPORT_SECONDS,
            session=None if over_tls and ca_file is None else _unswayed(Session()),
        )
        if over_tls:
            _keep_from_forks(exporter)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return (
        "traces go to the endpoint of OpenTelemetry's variables" if config.exports else f"traces go to {config.agent}"
    )


def _unswayed(session: Any) -> Any:
    """A session that asks no environment: its proxies are for others, its REQUESTS_CA_BUNDLE precedes our file."""
    session.trust_env = False
    return session


def _keep_from_forks(exporter: Any) -> None:
    """A process that forks waits until this exporter is not in the midst of TLS: see `tls`."""
    export: Callable[[Any], Any] = exporter.export

    def alone(spans: Any) -> Any:
        with tls.exporting:
            return export(spans)

    exporter.export = alone


def _token(config: Config) -> dict[str, str]:
    if config.token_file is None:
        return {}
    try:
        return {"authorization": f"Bearer {config.token_file.read_text().strip()}"}
    except OSError as error:
        log.warning(
            "bursar: the token file %s cannot be read (%s); the agent will refuse spans", config.token_file, error
        )
        return {}
