"""
How tests written on the newest SDK run on an older one: what it stands on, and which claims it cannot have.

A pytest plugin of its own (`-p fitting`, with this folder on the path). Nothing is passed over because it fails: every
test that a version is spared is about something that this version does not have, which is looked up in it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import anthropic
import pytest
from anthropic import _base_client  # pyright: ignore[reportPrivateUsage] - the one place that knows its HTTP library

TRACES = find_spec("anthropic._tracing") is not None
"""From 1.14 the SDK makes spans of its own, and its clients know `open_telemetry`."""
RAW_RESULTS = hasattr(anthropic.Anthropic(api_key="k").messages.batches.with_raw_response, "results")


@dataclass(frozen=True)
class Need:
    """Tests that are about something which not every version has."""

    tests: str
    """A regular expression that their node ids match from the start."""
    there: bool
    """Whether the installed version has it."""
    lack: str
    """What a version without it lacks."""

    @property
    def reason(self) -> str:
        return f"anthropic {anthropic.__version__} {self.lack}"


NEEDS = (
    Need(
        r"tests/instrumentation/test_middleware\.py::test_each_billed_attempt\w+\[.*-the SDK's span\]$",
        TRACES,
        "makes no spans of its own",
    ),
    Need(
        r"tests/instrumentation/test_cascaderun\.py::"
        r"test_(the_span_goes_where_the_client_s_go|without_instrument_there_is_no_span)$",
        TRACES,
        "has no client with a tracer provider of its own",
    ),
    Need(
        r"tests/instrumentation/test_batches\.py::"
        r"test_(every_way_of_reading\[(raw_parsed|streamed_lines|streamed_bytes)\]|async_streamed)$",
        RAW_RESULTS,
        "has no raw or streaming response of a batch's results",
    ),
)


def pytest_configure() -> None:
    if not hasattr(_base_client, "httpx2"):
        # Below 1.0 the SDK stands on httpx, from which httpx2 was forked; the tests name only the fork.
        sys.modules["httpx2"] = import_module("httpx")
    if not TRACES:
        _without_the_option(import_module("tests.instrumentation.scene"))


def _without_the_option(scene: ModuleType) -> None:
    """`open_telemetry=False` is what an older client does anyway; it does not know the word."""
    for name in ("client", "async_client"):
        make = getattr(scene, name)

        def made(*given: Any, _make: Any = make, **options: Any) -> Any:
            if options.get("open_telemetry") is False:
                del options["open_telemetry"]
            return _make(*given, **options)

        setattr(scene, name, made)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for need in NEEDS:
        about = [item for item in items if re.match(need.tests, item.nodeid)]
        files = {item.nodeid.partition("::")[0] for item in items}
        if not about and any(re.match(need.tests.partition("::")[0], file) for file in files):
            raise pytest.UsageError(f"tests/sdk/fitting.py spares a test that is no longer there: {need.tests}")
        if not need.there:
            for item in about:
                item.add_marker(pytest.mark.skip(reason=need.reason))
