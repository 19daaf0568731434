"""What is told of a prompt arrives as it was told, and nonsense is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bursar.policies.fingerprint import (
    Block,
    Break,
    Cause,
    Fingerprint,
    FingerprintError,
    Prints,
    Section,
    cuts,
    from_json,
    to_json,
)

TOOL = Block("00" * 8, Section.TOOLS, 0, 0, "tool", "", 900, 225)
SETTINGS = Block("01" * 8, Section.MESSAGES, -1, 0, "settings", "", 0, 0, cacheable=False)
TEXT = Block("ab" * 8, Section.MESSAGES, 0, 1, "text", "user", 600, 150, mark="1h")
ONE = Fingerprint(
    "a1",
    (TOOL, SETTINGS, TEXT),
    conversation="cd" * 8,
    share=0.25,
    ttft_ns=12,
    automatic="5m",
    brk=Break(2, 17, Cause.IDENTIFIER, 36, 90),
    miss_reason="messages_changed",
    stretches={2: ("00112233", "44556677")},
)


def wired(message: Prints) -> Any:
    return json.loads(json.dumps(to_json(message)))


def test_a_message_arrives_as_it_was_told() -> None:
    message = Prints("h", (ONE, Fingerprint("a2", (TOOL,))))
    assert from_json(wired(message)) == message


def test_a_block_that_many_share_travels_once() -> None:
    told = wired(Prints("h", tuple(Fingerprint(f"a{n}", (TOOL, TEXT)) for n in range(50))))
    assert len(told["blocks"]) == 2


def test_a_cause_of_a_newer_version_is_some_other_text() -> None:
    told = wired(Prints("h", (ONE,)))
    told["prints"][0]["brk"][2] = "weather"
    brk = from_json(told).prints[0].brk
    assert brk is not None and brk.cause is Cause.TEXT


def test_fields_of_a_newer_version_are_passed_over() -> None:
    told = wired(Prints("h", (ONE,)))
    told["more"] = 1
    told["prints"][0]["more"] = 1
    told["blocks"][0].append("more")
    assert from_json(told).prints == (ONE,)


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("share", 0, "share"),
        ("share", 1.5, "share"),
        ("share", True, "share"),
        ("blocks", [9], "incomplete"),
        ("blocks", [-1], "whole number"),
        ("automatic", "2h", "automatic"),
        ("attempt_id", 5, "attempt_id"),
        ("brk", [9, 0, "text", 0, 0], "depth"),
        ("stretches", {"9": []}, "no place"),
        ("stretches", {"2": ["xyz"]}, "hex"),
    ],
)
def test_nonsense_is_refused_by_name(place: str, value: object, says: str) -> None:
    told = wired(Prints("h", (ONE,)))
    told["prints"][0][place] = value
    with pytest.raises(FingerprintError, match=says):
        from_json(told)


NO_MESSAGES: list[Any] = [None, [], {}, {"blocks": []}, {"blocks": [[]], "prints": [], "holder": "h"}]


@pytest.mark.parametrize("told", NO_MESSAGES)
def test_what_is_no_message_is_refused(told: object) -> None:
    with pytest.raises(FingerprintError):
        from_json(told)


@pytest.mark.parametrize(
    ("changed", "says"),
    [({"hash": "short"}, "hex"), ({"bytes": -1}, "bytes"), ({"mark": "3m"}, "mark"), ({"index": -2}, "index")],
)
def test_a_block_that_cannot_be_is_refused(changed: dict[str, Any], says: str) -> None:
    told = wired(Prints("h", (replace(ONE, blocks=(replace(TOOL, **changed),), brk=None, stretches={}),)))
    with pytest.raises(FingerprintError, match=says):
        from_json(told)


def test_a_text_is_cut_finely_at_first_and_coarsely_further_on() -> None:
    """32 of 256 bytes, 24 of 1 kB, 24 of 4 kB, 56 of 16 kB, without the very end of 1 MB: 135."""
    assert cuts(256) == ()
    assert cuts(257) == (256,)
    assert cuts(8_193)[-2:] == (7_936, 8_192)
    assert cuts(10_000)[-2:] == (8_192, 9_216)
    assert len(cuts(1 << 20)) == 32 + 24 + 24 + 55
