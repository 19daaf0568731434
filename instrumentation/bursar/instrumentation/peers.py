"""
Who else instruments the anthropic SDK in this process, and what does that mean for traces?

Nothing is imported to find out: an active one has wrapped a method of the SDK's, or has its module loaded.
`python -m bursar.instrumentation.peers` tells of those that are installed, as JSON, for `bursar doctor`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from weakref import WeakSet

log = logging.getLogger("bursar")


class Sight(StrEnum):
    """How a peer was seen."""

    ACTIVE = "active"
    """It has wrapped a method of the SDK's."""
    LOADED = "loaded"
    """Its module for the SDK is loaded; it may wrap single clients."""
    INSTALLED = "installed"
    """Its package is there, and may never be used."""


_TWICE = (
    "beside the SDK's own span each call has one of its, with the same tokens, and a backend that adds them up counts "
    "it twice"
)
_ITS_OWN = "each call is told to its own backend too, which prices it by itself"
_OFF = "Uninstall it, or set OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=anthropic"
_SDK_OFF = "or set ANTHROPIC_OPEN_TELEMETRY=false to keep its span instead of the SDK's"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another instrumentation of the anthropic SDK."""

    name: str
    """Its package, as it is installed."""
    sight: Sight
    doubles: bool
    """Whether its spans go where the SDK's own go."""
    means: str
    remedy: str
    """What to do; empty where nothing has to be done."""


@dataclass(frozen=True, slots=True)
class _Known:
    package: str
    module: str
    """Loaded when it instruments the SDK, and not by the package alone."""
    prefix: str = ""
    """Of the modules its wrappers are defined in; that module, where not said otherwise."""
    remedy: str = ""
    """Empty: its spans go elsewhere."""
    current: bool = False
    """Whether its span is the current one while the SDK sends the request."""
    smaller: str = ""
    """Another package with the same modules."""


_KNOWN = (
    _Known(
        "opentelemetry-instrumentation-genai-anthropic",
        "opentelemetry.instrumentation.genai.anthropic",
        remedy=f"{_OFF}, {_SDK_OFF}",
        current=True,
    ),
    _Known("opentelemetry-instrumentation-anthropic", "opentelemetry.instrumentation.anthropic", remedy=_OFF),
    _Known(
        "openinference-instrumentation-anthropic",
        "openinference.instrumentation.anthropic",
        remedy=f"{_OFF}, {_SDK_OFF}",
        current=True,
    ),
    _Known(
        "logfire",
        "logfire._internal.integrations.llm_providers.anthropic",
        "logfire",
        remedy="Leave logfire.instrument_anthropic() out, or set ANTHROPIC_OPEN_TELEMETRY=false",
    ),
    _Known("openlit", "openlit.instrumentation.anthropic", "openlit", remedy="Leave anthropic out of openlit.init()"),
    _Known("langsmith", "langsmith.wrappers._anthropic", "langsmith"),
    _Known("sentry-sdk", "sentry_sdk.integrations.anthropic"),
    _Known("braintrust", "braintrust.integrations.anthropic", "braintrust"),
    _Known("ddtrace", "ddtrace.contrib.internal.anthropic"),
    _Known("mlflow", "mlflow.anthropic", "mlflow", smaller="mlflow-tracing"),
)

_METHODS = (
    ("anthropic.resources.messages.messages", ("Messages", "AsyncMessages"), ("create", "stream")),
    ("anthropic.resources.beta.messages.messages", ("Messages", "AsyncMessages"), ("create", "stream")),
    ("anthropic._base_client", ("SyncAPIClient", "AsyncAPIClient"), ("request",)),
    ("anthropic._client", ("Anthropic", "AsyncAnthropic"), ("__init__", "request")),
)
_DEEPEST = 16

_told: set[str] = set()


def active_peers(modules: Mapping[str, Any] | None = None) -> tuple[Peer, ...]:
    """Those that are at work in this process: some microseconds of looking at what is loaded already."""
    loaded = sys.modules if modules is None else modules
    wrappers = set(_wrappers(loaded))
    found = ((known, _sight(known, wrappers, loaded)) for known in _KNOWN)
    return tuple(_peer(known, sight) for known, sight in found if sight is not None)


def installed_peers() -> tuple[Peer, ...]:
    """Those whose package is installed beside Bursar: reads the metadata of each, some milliseconds in all."""
    return tuple(_peer(known, Sight.INSTALLED) for known in _KNOWN if _is_installed(known))


def tell_of_peers(modules: Mapping[str, Any] | None = None) -> tuple[Peer, ...]:
    """Say in one log line each, once, who else is at work. For `instrument()`, and again for the first call."""
    peers = active_peers(modules)
    for peer in peers:
        if peer.name not in _told:
            _told.add(peer.name)
            log.log(logging.WARNING if peer.doubles else logging.INFO, "%s", describe(peer))
    return peers


def describe(peer: Peer) -> str:
    """One line: who, what it means, what to do."""
    said = f"bursar: {peer.name} instruments anthropic too: {peer.means}."
    return f"{said} Bursar's cost is on one of the spans only. {peer.remedy}." if peer.doubles else said


def claim(span: Any) -> bool:
    """
    Whether the current span is another instrumentation's, of the very call that is about to be sent.

    Each span is claimed once: OpenTelemetry's own package leaves a stream's span current while the stream is open, and
    a call made meanwhile is not the stream's.
    """
    scope = getattr(getattr(span, "instrumentation_scope", None), "name", None)
    if scope not in _SCOPES or span in _claimed:
        return False
    _claimed.add(span)
    return True


_claimed: WeakSet[Any] = WeakSet()
_SCOPES = frozenset(known.module for known in _KNOWN if known.current)


def _peer(known: _Known, sight: Sight) -> Peer:
    doubles = bool(known.remedy)
    return Peer(known.package, sight, doubles, _TWICE if doubles else _ITS_OWN, known.remedy)


def _sight(known: _Known, wrappers: set[str], loaded: Mapping[str, Any]) -> Sight | None:
    prefix = known.prefix or known.module
    if any(name == prefix or name.startswith(f"{prefix}.") for name in wrappers):
        return Sight.ACTIVE
    return Sight.LOADED if known.module in loaded else None


def _wrappers(loaded: Mapping[str, Any]) -> Iterator[str]:
    """The modules of everything that stands around the SDK's methods."""
    for module, kinds, methods in _METHODS:
        for kind in kinds:
            own = vars(getattr(loaded.get(module), kind, object))
            for method in methods:
                yield from _layers(own.get(method))


def _layers(function: Any) -> Iterator[str]:
    """
    The module each layer of a wrapped function was written in, from the outside in.

    A function's `__module__` is no help, since `functools.wraps` copies it from inside; its globals are its own.
    """
    for _ in range(_DEEPEST):
        if function is None:
            return
        wrapper = getattr(function, "_self_wrapper", None)  # of the wrapt package
        if wrapper is not None:
            yield str(getattr(wrapper, "__module__", None) or type(wrapper).__module__)
        else:
            yield str(getattr(function, "__globals__", {}).get("__name__"))
        function = getattr(function, "__wrapped__", None)


def _is_installed(known: _Known) -> bool:
    for package in filter(None, (known.package, known.smaller)):
        try:
            version(package)
        except PackageNotFoundError:
            continue
        return True
    return False


if __name__ == "__main__":
    json.dump([asdict(peer) for peer in installed_peers()], sys.stdout)
