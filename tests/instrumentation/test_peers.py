"""Peers: who else instruments the SDK, seen without importing anything, and what is said of them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from importlib.metadata import PackageNotFoundError
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest
import wrapt

from bursar.instrumentation import peers
from bursar.instrumentation.peers import Peer, Sight, active_peers, claim, describe, tell_of_peers

OTEL = "opentelemetry-instrumentation-genai-anthropic"
SDK_MODULE = "anthropic.resources.messages.messages"


@pytest.fixture(autouse=True)
def untold() -> Iterator[None]:
    """Each test hears of each peer."""
    peers._told.clear()  # pyright: ignore[reportPrivateUsage]
    yield
    peers._told.clear()  # pyright: ignore[reportPrivateUsage]


def written_in(module: str, function: Any) -> Any:
    """The function as it would be, had it been written in that module."""
    return FunctionType(function.__code__, {"__name__": module}, closure=function.__closure__)


Layer = Callable[[Any], Any]


def by_hand(module: str) -> Layer:
    """A wrapper as Sentry, Logfire and MLflow make them."""

    def around(inner: Any) -> Any:
        def outer(*args: Any, **kwargs: Any) -> Any:
            return inner(*args, **kwargs)

        return wraps(inner)(written_in(module, outer))

    return around


def by_wrapt(module: str) -> Layer:
    """A wrapper as OpenTelemetry's own, Traceloop's and Datadog's."""

    def wrapper(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    wrapper.__module__ = module
    return lambda inner: wrapt.FunctionWrapper(inner, wrapper)


class Caller:
    """What is called in a method's stead."""

    def __call__(self, wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)


def by_object(module: str) -> Layer:
    """A wrapper as OpenInference's: an object of a class of its own."""
    kind: Any = type("Wrapper", (Caller,), {"__module__": module})
    return lambda inner: wrapt.FunctionWrapper(inner, kind())


def bare(own: Any) -> Any:
    """No layer at all."""
    return own


def sdk(
    *, create: Layer = bare, request: Layer = bare, init: Layer = bare, client_request: Layer = bare
) -> dict[str, Any]:
    """Loaded modules of an SDK whose methods have these layers around them."""

    def method(self: Any) -> str:
        return "the SDK's"

    own = written_in(SDK_MODULE, method)
    messages = type("Messages", (), {"create": create(own), "stream": own})
    client = type("Anthropic", (), {"__init__": init(own), "request": client_request(own)})
    return {
        SDK_MODULE: SimpleNamespace(Messages=messages),
        "anthropic._base_client": SimpleNamespace(SyncAPIClient=type("SyncAPIClient", (), {"request": request(own)})),
        "anthropic._client": SimpleNamespace(Anthropic=client),
    }


@pytest.mark.parametrize(
    ("name", "method", "layer"),
    [
        (OTEL, "create", by_wrapt("opentelemetry.instrumentation.genai.anthropic.patch")),
        ("opentelemetry-instrumentation-anthropic", "create", by_wrapt("opentelemetry.instrumentation.anthropic")),
        (
            "openinference-instrumentation-anthropic",
            "create",
            by_object("openinference.instrumentation.anthropic._wrappers"),
        ),
        ("logfire", "client_request", by_hand("logfire._internal.integrations.llm_providers.llm_provider")),
        ("logfire", "request", by_hand("logfire._internal.integrations.llm_providers.llm_provider")),
        ("openlit", "create", by_wrapt("openlit.instrumentation.anthropic.anthropic")),
        ("sentry-sdk", "create", by_hand("sentry_sdk.integrations.anthropic")),
        ("braintrust", "init", by_wrapt("braintrust.integrations.base")),
        ("ddtrace", "create", by_wrapt("ddtrace.contrib.internal.anthropic.patch")),
        ("mlflow", "create", by_hand("mlflow.utils.autologging_utils.safety")),
    ],
)
def test_a_peer_is_seen_by_what_it_wraps(name: str, method: str, layer: Layer) -> None:
    """Each as it was seen at work on the SDK, and no other for it."""
    assert [(peer.name, peer.sight) for peer in active_peers(sdk(**{method: layer}))] == [(name, Sight.ACTIVE)]


def test_peers_are_seen_through_each_other() -> None:
    """Layer by layer, by whatever means each was made."""
    inner, outer = by_hand("sentry_sdk.integrations.anthropic"), by_wrapt("ddtrace.contrib.internal.anthropic.patch")

    def all_three(own: Any) -> Any:
        return by_hand("desk.retries")(outer(inner(own)))

    assert [peer.name for peer in active_peers(sdk(create=all_three))] == ["sentry-sdk", "ddtrace"]


@pytest.mark.parametrize(
    "module", ["langsmith.wrappers._anthropic", "logfire._internal.integrations.llm_providers.anthropic"]
)
def test_a_peer_of_single_clients_is_seen_by_its_module(module: str) -> None:
    """LangSmith wraps clients, and no class; Logfire can do either."""
    ((name, sight),) = [(peer.name, peer.sight) for peer in active_peers({**sdk(), module: SimpleNamespace()})]
    assert (name, sight) == (module.partition(".")[0], Sight.LOADED)


def test_a_package_that_does_something_else_is_no_peer() -> None:
    """Neither Sentry without its part for the SDK, nor an application's own decorator."""
    others = {"sentry_sdk": SimpleNamespace(), "mlflow": SimpleNamespace(), "logfire": SimpleNamespace()}
    assert active_peers({**sdk(create=by_hand("desk.mlflow_retries")), **others}) == ()
    assert active_peers({}) == ()


def test_the_sdk_as_it_is_has_no_peers() -> None:
    """The real one, in this process, which is not even loaded for the question; our own patch is none either."""
    before = set(sys.modules)
    assert active_peers() == ()
    assert set(sys.modules) == before


def test_a_wrapper_around_itself_ends() -> None:
    """Whatever strange things are found."""

    def endless() -> None:
        """Wraps itself."""

    endless.__wrapped__ = endless  # type: ignore[attr-defined]
    loaded = sdk()
    loaded[SDK_MODULE].Messages.create = endless
    assert active_peers(loaded) == ()


def test_second_spans_are_a_warning_with_a_remedy_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """And what goes elsewhere is for information."""
    loaded = {
        **sdk(create=by_wrapt("opentelemetry.instrumentation.genai.anthropic.patch")),
        "langsmith.wrappers._anthropic": SimpleNamespace(),
    }
    with caplog.at_level(logging.INFO, "bursar"):
        found = tell_of_peers(loaded)
        assert tell_of_peers(loaded) == found
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", describe(found[0])),
        ("INFO", describe(found[1])),
    ]
    assert describe(found[0]) == (
        f"bursar: {OTEL} instruments anthropic too: beside the SDK's own span each call has one of its, with the same "
        "tokens, and a backend that adds them up counts it twice. Bursar's cost is on one of the spans only. Uninstall "
        "it, or set OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=anthropic, or set ANTHROPIC_OPEN_TELEMETRY=false to keep its "
        "span instead of the SDK's."
    )
    assert describe(found[1]) == (
        "bursar: langsmith instruments anthropic too: each call is told to its own backend too, which prices it by "
        "itself."
    )


def test_only_packages_that_are_there_are_installed_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """For `bursar doctor`, which asks by a process of its own."""
    assert peers.installed_peers() == ()

    def version(package: str) -> str:
        if package in ("langsmith", "mlflow-tracing"):
            return "1.0"
        raise PackageNotFoundError(package)

    monkeypatch.setattr(peers, "version", version)
    first, second = peers.installed_peers()
    assert first == Peer("langsmith", Sight.INSTALLED, doubles=False, means=first.means, remedy="")
    assert second.name == "mlflow"


def test_installed_peers_are_told_as_json() -> None:
    """None in this environment."""
    command = [sys.executable, "-m", "bursar.instrumentation.peers"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == []


class Span:
    """As far as it is looked at."""

    def __init__(self, scope: str) -> None:
        self.instrumentation_scope = SimpleNamespace(name=scope)


@pytest.mark.parametrize(
    ("scope", "claimed"),
    [
        ("opentelemetry.instrumentation.genai.anthropic", True),
        ("openinference.instrumentation.anthropic", True),
        ("opentelemetry.instrumentation.anthropic", False),
        ("desk", False),
    ],
)
def test_a_span_of_a_peer_is_known_by_its_scope(scope: str, claimed: bool) -> None:
    """Where a peer makes its span current for the call; Traceloop's never is."""
    assert claim(Span(scope)) is claimed
    assert not claim(SimpleNamespace(instrumentation_scope=None))
    assert not claim(object())


def test_a_span_is_claimed_by_one_call() -> None:
    """A stream's stays current while it is open: a second call inside must not write its cost over the first's."""
    first, second = Span("openinference.instrumentation.anthropic"), Span("openinference.instrumentation.anthropic")
    assert [claim(span) for span in (first, first, second)] == [True, False, True]
