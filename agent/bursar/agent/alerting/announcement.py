"""What is told of an order that somebody gave: a budget paused or raised, and that being taken back?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar.agent.alerting.message import Message

KIND = "announcement"
"""What says so in a payload of the outbox."""


def announcement(text: str, *, until: str, reason: str, by: str) -> dict[str, Any]:
    """The payload of an order: what, until when, why and who."""
    return {"kind": KIND, "text": text, "until": until, "reason": reason, "by": by}


def compose_announcement(payload: Mapping[str, Any]) -> Message:
    """The message of an order."""
    sentences = [f"Until {payload['until']}."]
    sentences += [f"Reason: {payload['reason']}."] if payload["reason"] else []
    sentences += [f"By {payload['by']}."] if payload["by"] else []
    text = str(payload["text"])
    return Message(headline=f"{text[:1].upper()}{text[1:]}", sentences=tuple(sentences), data=dict(payload))
