"""
Why can a call not be put off to a Message Batch?

What a batch may not carry: the Message Batches page, and the API's own refusals (facts, billing.md section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Unbatched(StrEnum):
    """Why a call is not put off. The same word stands in the decision, the ledger and the tests."""

    NO_WAIT = "no_wait"
    """Its route has no `may_wait`."""
    STREAM = "stream"
    """It is a stream, and its route does not say `streams_wait`."""
    CLOUD = "cloud"
    """Its client is one of Bedrock, Vertex or Foundry."""
    CREDENTIAL = "credential"
    """The agent has no credential that is the client's."""
    NO_AGENT = "no_agent"
    PARAMETER = "parameter"
    """It has a parameter that no batch carries."""
    THREAD = "thread"
    """It goes on from what the API holds of its conversation."""
    LINKED = "linked"
    """Another organisation is billed for it."""
    RETRY = "retry"
    """It was sent once already."""
    LARGE = "large"
    """It is larger than the API takes."""
    DEARER = "dearer"
    """The batch would cost more, the cold cache of the calls left behind included."""
    PRICE = "price"
    """Its model has no price, so that nobody can say what a batch would save."""
    SOON = "soon"
    """It would have to be answered sooner than batches usually are."""
    FULL = "full"
    """The agent's queue takes no more."""
    UNREACHABLE = "unreachable"
    """The agent did not answer."""
    WITHDRAWN = "withdrawn"
    """The answer did not come in time, and the call was sent at once."""


_NEVER = ("speed", "cache_hint", "context_hint", "billing_policy")
_OF_THREADS = ("thread", "store", "previous_thread_event_id")
_BETAS = ("research-preview-2026-02", "research_preview_2026_02")


def unbatchable(body: Mapping[str, Any], betas: str = "") -> tuple[Unbatched, str] | None:
    """Why no batch carries this request, and the parameter that is in the way; None where one does. `stream` is not."""
    for name in _OF_THREADS:
        if body.get(name):
            return Unbatched.THREAD, name
    if body.get("max_tokens") == 0:
        return Unbatched.PARAMETER, "max_tokens"
    for name in _NEVER:
        if body.get(name) is not None:
            return Unbatched.PARAMETER, name
    for beta in _BETAS:
        if beta in betas:
            return Unbatched.PARAMETER, beta
    return None
