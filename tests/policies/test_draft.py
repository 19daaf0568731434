"""Draft: what has been changed so far."""

from __future__ import annotations

from typing import Any

from bursar.policies.capabilities import Capabilities
from bursar.policies.changes import REMOVED, Change, Why
from bursar.policies.draft import Draft
from bursar.policies.features import Features
from bursar.policies.rungs import Rung

RUNG = Rung("m", None, Capabilities("m"))


def test_a_draft_shows_the_request_as_it_would_be_sent() -> None:
    """What is put goes before what was asked, and what is removed is absent; each is noted."""
    body: dict[str, Any] = {"max_tokens": 100, "thinking": {"type": "adaptive"}, "speed": "fast"}
    draft = Draft(body, Features(), RUNG, RUNG)
    assert (draft.max_tokens, draft.table("thinking"), draft.table("speed")) == (100, {"type": "adaptive"}, {})
    draft.put("max_tokens", 50, Why.CEILING)
    draft.put("speed", REMOVED, Why.UNSUPPORTED, lossy=True)
    draft.put("thinking", {"type": "disabled"}, Why.FORM)
    assert (draft.max_tokens, draft.now("speed"), draft.table("thinking")) == (50, None, {"type": "disabled"})
    assert draft.changes == {"max_tokens": 50, "speed": REMOVED, "thinking": {"type": "disabled"}}
    assert draft.notes == [
        Change("max_tokens", 100, 50, Why.CEILING),
        Change("speed", "fast", None, Why.UNSUPPORTED, lossy=True),
        Change("thinking", {"type": "adaptive"}, {"type": "disabled"}, Why.FORM),
    ]
    assert Draft({"max_tokens": "many"}, Features(), RUNG, RUNG).max_tokens == 0
