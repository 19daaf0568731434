"""The telemetry that was recorded of Claude Code: where it lies, and its bytes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from bursar.agent.spans.otlp import Encoding

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "claude_code_otlp"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the recorded telemetry is not at {DATA}")


class Recording(NamedTuple):
    """One export as it was sent."""

    path: str
    body: bytes
    encoding: Encoding


def recordings(signal: str, scenario: str = "") -> list[Recording]:
    """Exports of `logs`, `metrics` or `traces`, in the order in which they came: of one scenario, or of all."""
    files = sorted(
        [*DATA.glob(f"{scenario}*_{signal}.pb"), *DATA.glob(f"{scenario}*_{signal}.raw.json")],
        key=lambda file: file.name,
    )
    return [
        Recording(f"/v1/{signal}", file.read_bytes(), Encoding.PROTOBUF if file.suffix == ".pb" else Encoding.JSON)
        for file in files
    ]
