"""The requests of the recorded traffic, for tests of what a request says."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

TRAFFIC = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "recorded.jsonl.xz"
ABSENT = f"the recorded traffic is not at {TRAFFIC}"


@cache
def requests() -> tuple[dict[str, Any], ...]:
    """Bodies of requests for a message, each once, in the order in which they were recorded."""
    with lzma.open(TRAFFIC, "rt") as lines:
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    bodies = (row["request"] for row in rows if not row["category"].startswith("bedrock_converse"))
    texts = dict.fromkeys(json.dumps(body) for body in bodies if type(body) is dict)
    found: list[dict[str, Any]] = [json.loads(text) for text in texts]
    return tuple(body for body in found if isinstance(body.get("messages"), list))
