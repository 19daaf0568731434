"""Instrumentor: what OpenTelemetry's own command calls, and that nothing of ours gets out of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import cast

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from packaging.requirements import Requirement

from bursar.instrumentation import metrics, runtime
from bursar.instrumentation.instrumentor import BursarInstrumentor


@pytest.fixture
def instrumentor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BursarInstrumentor]:
    """The one instrumentor of the process, and a state folder of the test's own."""
    monkeypatch.setenv("BURSAR_STATE_DIR", str(tmp_path))
    made = BursarInstrumentor()
    yield made
    if made.is_instrumented_by_opentelemetry:
        made.uninstrument()


def given() -> MeterProvider | None:
    """The provider that takes the place of the global one."""
    return cast("MeterProvider | None", metrics._given)  # pyright: ignore[reportPrivateUsage]


def test_it_is_found_by_a_name_of_its_own() -> None:
    """Not as `anthropic`, which is what everybody else is called: to switch one off would switch off all."""
    (found,) = entry_points(group="opentelemetry_instrumentor", name="bursar")
    assert found.load() is BursarInstrumentor
    assert found.dist is not None
    assert found.dist.name == "bursar"


def test_it_asks_for_the_releases_that_are_supported(instrumentor: BursarInstrumentor) -> None:
    """As the package's own dependency does, in the form OpenTelemetry compares."""
    (needed,) = map(Requirement, instrumentor.instrumentation_dependencies())
    assert needed.name == "anthropic"
    assert [str(n) for n in ("0.107", "0.108", "2.12", "3.0") if needed.specifier.contains(n)] == ["0.108", "2.12"]
    assert needed.specifier.contains(version("anthropic"))


def test_it_instruments_and_puts_back(instrumentor: BursarInstrumentor, caplog: pytest.LogCaptureFixture) -> None:
    """With metrics going to the provider it was given, until then."""
    provider = MeterProvider()
    instrumentor.instrument(meter_provider=provider)
    assert runtime.current_runtime() is not None
    assert given() is provider
    instrumentor.uninstrument()
    assert runtime.current_runtime() is None
    assert given() is None
    assert caplog.messages == []


def test_a_tracer_provider_is_named_as_not_used(
    instrumentor: BursarInstrumentor, caplog: pytest.LogCaptureFixture
) -> None:
    """With where to give it instead: the spans are the SDK's."""
    instrumentor.instrument(tracer_provider=TracerProvider())
    (line,) = caplog.messages
    assert 'Anthropic(open_telemetry={"tracer_provider": ...})' in line
    assert runtime.current_runtime() is not None


def test_a_setting_that_cannot_work_is_one_line_and_no_error(
    instrumentor: BursarInstrumentor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error here would keep every instrumentation after this one from being loaded."""
    monkeypatch.setenv("BURSAR_AGENT", "nonsense")
    with caplog.at_level(logging.WARNING):
        instrumentor.instrument()
    (line,) = caplog.messages
    assert line.startswith(
        "bursar: Claude calls of this process are not counted: ConfigError: BURSAR_AGENT: 'nonsense'"
    )
    assert runtime.current_runtime() is None


def test_what_is_disabled_stays_disabled(instrumentor: BursarInstrumentor, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Bursar's own switch, too."""
    monkeypatch.setenv("BURSAR_DISABLED", "1")
    instrumentor.instrument()
    assert runtime.current_runtime() is None
