"""Changes: what of a request is changed, and how it is told."""

from __future__ import annotations

import json
from typing import Any

from bursar.policies.changes import REMOVED, Change, Why, beta_names, changed, changes_json, without_betas


def test_a_change_tells_what_why_and_whether_anything_is_lost() -> None:
    """As JSON, for the ledger and the span."""
    notes = (
        Change("max_tokens", 64_001, 64_000, Why.CEILING),
        Change("speed", "fast", None, Why.UNSUPPORTED, lossy=True),
    )
    assert json.loads(changes_json(notes)) == [
        {"parameter": "max_tokens", "from": 64_001, "to": 64_000, "why": "ceiling", "lossy": False},
        {"parameter": "speed", "from": "fast", "to": None, "why": "unsupported", "lossy": True},
    ]


def test_a_body_is_changed_beside_the_old_one() -> None:
    """What is removed is gone, what stays is the same object, and the old one is as it was."""
    messages = [{"role": "user", "content": "hello"}]
    body: dict[str, Any] = {"model": "a", "messages": messages, "speed": "fast"}
    new = changed(body, {"model": "b", "speed": REMOVED, "thinking": {"type": "adaptive"}})
    assert new == {"model": "b", "messages": messages, "thinking": {"type": "adaptive"}}
    assert new["messages"] is messages
    assert body == {"model": "a", "messages": messages, "speed": "fast"}
    assert repr(REMOVED) == "REMOVED"


def test_betas_are_taken_out_of_their_header() -> None:
    """By name, whatever the spaces; an empty header is empty."""
    assert beta_names(" a, b,,c ") == ("a", "b", "c")
    assert beta_names(None) == ()
    assert without_betas("a, b,c", ("b",)) == "a,c"
    assert without_betas("a", ("a",)) == ""
