"""The effort that a request is sent with is journalled: what it costs is told by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.instrumentation.scene import ASK, client

from bursar.instrumentation import instrument, uninstrument


@pytest.fixture(autouse=True)
def instrumented(tmp_path: Path) -> Iterator[None]:
    instrument(environ={"BURSAR_STATE_DIR": str(tmp_path)})
    yield
    uninstrument()


@pytest.mark.parametrize(
    ("more", "effort"),
    [
        ({}, None),
        ({"output_config": {"effort": "high"}}, "high"),
        ({"extra_body": {"output_config": {"effort": "low"}}}, "low"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, None),
        ({"extra_body": {"output_config": "nonsense"}}, None),
        ({"extra_body": {"output_config": {"effort": 5}}}, None),
    ],
)
def test_the_effort_of_a_request_is_journalled(more: dict[str, Any], effort: str | None, tmp_path: Path) -> None:
    """None where it asks for none, or for nonsense: the API will refuse that."""
    client().messages.create(**ASK, **more)
    lines = [line for path in tmp_path.rglob("*.jsonl*") for line in path.read_text().splitlines()]
    sent = [one for one in map(json.loads, lines) if one["kind"] == "sent"]
    assert [one.get("effort") for one in sent] == [effort]
