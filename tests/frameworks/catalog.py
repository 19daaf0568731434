"""Which frameworks are tested, at which versions, and what is expected of each?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LOOP_RUNNER = "play:_act"
"""The function that runs the event loop: all that stands above a task that a framework made."""
NOBODY = "unnamed"
"""In a thread of a framework's own no application stands above a call."""


class Run(StrEnum):
    """The ways in which a desk is run; what an application would do for each stands in `ENVIRON`."""

    BARE = "bare"
    GUEST = "with Bursar"
    LAYERED = "with Bursar, the framework's own spans, and routes named by the application"
    LOOPS = "with Bursar, and an event loop for each case"
    SPANS = "without Bursar, spans alone"
    OLDER_SPANS = "without Bursar, spans by the framework's older conventions"


_BURSAR = {"WITH_BURSAR": "1"}
_OWN_SPANS = {"OWN_SPANS": "1"}
ENVIRON: Mapping[Run, Mapping[str, str]] = {
    Run.BARE: {},
    Run.GUEST: _BURSAR,
    Run.LAYERED: {**_BURSAR, **_OWN_SPANS, "NAMED": "1"},
    Run.LOOPS: {**_BURSAR, "LOOPS": "1"},
    Run.SPANS: _OWN_SPANS,
    Run.OLDER_SPANS: _OWN_SPANS,
}
_USUAL = (Run.BARE, Run.GUEST, Run.LAYERED, Run.SPANS)


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework; its name is that of its main distribution, and of its environment."""

    name: str
    desk: str
    requirements: tuple[str, ...]
    runs: tuple[Run, ...] = _USUAL
    uses_sdk: bool = True
    exports_by_itself: bool = False
    """Whether its spans leave by an exporter of its own, rather than the application's tracer provider."""
    environ: Mapping[Run, Mapping[str, str]] = field(default_factory=dict[Run, Mapping[str, str]])
    routes: Mapping[str, str] = field(default_factory=dict[str, str])
    """By case, where the nearest caller is not the case's own function."""


def _each(cases: str, route: str) -> dict[str, str]:
    return dict.fromkeys(cases.split(), route)


_LANGSMITH = {
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_TRACING_MODE": "otel",
    "LANGSMITH_API_KEY": "none",
    "LANGSMITH_ENDPOINT": "http://127.0.0.1:9",
}
_LITELLM_OLDER = {"OTEL_EXPORTER": "otlp_http", "OTEL_SERVICE_NAME": "support-desk"}
_LITELLM = {**_LITELLM_OLDER, "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental"}
_OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}

FRAMEWORKS = (
    Framework(
        "langchain-anthropic",
        "langchain_desk",
        ("langchain-anthropic==1.7.7", "langchain==1.4.7", "langsmith[otel]==0.15.0"),
        runs=(*_USUAL, Run.LOOPS),
        environ={Run.LAYERED: _LANGSMITH, Run.SPANS: _LANGSMITH},
        routes=_each(
            "plain_async events_async chain_streamed_async agent_async structured_by_schema_async retried_by_sdk_async"
            " batch_async",
            LOOP_RUNNER,
        )
        | _each("agent_streamed batch", NOBODY),
    ),
    Framework(
        "pydantic-ai-slim",
        "pydantic_ai_desk",
        ("pydantic-ai-slim[anthropic]==2.68.0", "logfire==5.2.0"),
        routes=_each(
            "plain_async iterated_async structured_by_schema_async retried_by_sdk_async",
            LOOP_RUNNER,
        ),
    ),
    Framework("instructor", "instructor_desk", ("instructor==1.17.0",)),
    Framework(
        "llama-index-llms-anthropic",
        "llama_index_desk",
        # It does not keep out the SDK's 2.x, but every call of it fails there.
        ("llama-index-llms-anthropic==0.12.3", "anthropic<2"),
        routes=_each("agent_async agent_unstreamed_async", LOOP_RUNNER),
    ),
    Framework(
        "litellm",
        "litellm_desk",
        ("litellm==1.106.2",),
        runs=(Run.BARE, Run.GUEST, Run.SPANS, Run.OLDER_SPANS),
        uses_sdk=False,
        exports_by_itself=True,
        environ={
            Run.BARE: _OFFLINE,
            Run.GUEST: _OFFLINE,
            Run.SPANS: {**_OFFLINE, **_LITELLM},
            Run.OLDER_SPANS: {**_OFFLINE, **_LITELLM_OLDER},
        },
    ),
)
