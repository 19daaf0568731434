"""Where are spans passed on to?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ForwardKind = Literal["otlp", "helicone", "langfuse"]
Protocol = Literal["http/protobuf", "grpc"]

QUEUE_MB = 256


@dataclass(frozen=True, slots=True)
class Forward:
    """One receiver that the agent passes spans on to."""

    name: str
    kind: ForwardKind
    url: str
    """Without user, query or fragment: it is no secret, and stands in logs."""
    headers_env: str | None = None
    """The environment variable of the agent that holds the headers, `k=v,k=v`; None: there are none."""
    protocol: Protocol = "http/protobuf"
    queue_mb: int = QUEUE_MB
    """How many megabytes (10**6 bytes) of spans wait for it on the disk at most."""
