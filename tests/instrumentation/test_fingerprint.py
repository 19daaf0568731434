"""What is told of a prompt are keyed hashes, lengths and places."""

from __future__ import annotations

import json
from hashlib import blake2b
from itertools import combinations
from typing import Any

import pytest

from bursar.agent.sandbox.request import parse_request
from bursar.instrumentation import fingerprint
from bursar.instrumentation.fingerprint import Hashing
from bursar.instrumentation.promptblocks import SETTINGS, prompt_in
from bursar.policies.fingerprint import Block, Section, cuts

KEY = "5a" * 16
BASE: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 64,
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
    "system": "Be kind.",
    "messages": [{"role": "user", "content": "Hello"}],
}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
MORE = [*BASE["messages"], {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Bye"}]
MARKED = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"system": MARKED},
    {"stream": True, "max_tokens": 65},
    {"messages": MORE},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}, *MORE[1:]]},
    {"messages": [*MORE[:2], {"role": "user", "content": [IMAGE]}]},
    {"speed": "fast"},
    {"speed": "standard"},
    {"tool_choice": {"type": "auto"}},
    {"tool_choice": {"type": "none"}, "messages": MORE},
    {"thinking": {"type": "adaptive"}},
    {"output_config": {"effort": "low"}},
    {"tools": [{"input_schema": {"type": "object"}, "name": "look"}]},
    {"system": ""},
)


def chain(body: dict[str, Any]) -> list[str]:
    """By real block, a hash of all that must be equal for the cache to have it."""
    found: list[str] = []
    so_far = ""
    for block in Hashing(KEY).blocks(prompt_in(body)):
        so_far = blake2b((so_far + block.hash).encode()).hexdigest()
        if block.kind != SETTINGS:
            found.append(so_far)
    return found


def test_prompts_share_exactly_what_the_sandbox_s_cache_would_share() -> None:
    """Prefix by prefix, over every pair of requests that differ in one thing or two."""
    told = [{**BASE, **change} for change in CHANGES]
    ours = [chain(body) for body in told]
    theirs = [parse_request(body).prompt.digests for body in told]
    shared = 0
    for one, other in combinations(range(len(told)), 2):
        for mine, my_other, their, their_other in zip(ours[one], ours[other], theirs[one], theirs[other], strict=False):
            assert (mine == my_other) is (their == their_other), (CHANGES[one], CHANGES[other])
            shared += mine == my_other
    assert shared > 50


def test_a_hash_is_keyed_and_of_eight_bytes() -> None:
    """BLAKE2b of the canonical text."""
    (_, system, _, user) = Hashing(KEY).blocks(prompt_in({**BASE, "tools": []}))
    text = b'user\n{"type":"text","text":"Hello"}'
    assert user.hash == blake2b(text, digest_size=8, key=bytes.fromhex(KEY)).hexdigest()
    assert (user.bytes, user.tokens, user.kind, user.role, user.section) == (35, 6, "text", "user", Section.MESSAGES)
    assert system.hash != Hashing("66" * 16).blocks(prompt_in({**BASE, "tools": []}))[1].hash


@pytest.mark.parametrize("key", ["", "zz", "5a" * 65])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    """No hex, or longer than the 64 bytes that BLAKE2b takes; without any there would be no secret."""
    with pytest.raises(ValueError, match=r"."):
        Hashing(key)


def conversation(**changes: Any) -> str:
    hashing = Hashing(KEY)
    return hashing.conversation(hashing.blocks(prompt_in({**BASE, **changes})))


def test_a_conversation_is_known_by_what_it_begins_with() -> None:
    """Later turns, marks and settings do not matter; tools, system and the first message do."""
    same: list[dict[str, Any]] = [{}, {"messages": MORE}, {"system": MARKED}, {"tool_choice": {"type": "none"}}]
    assert len({conversation(**change) for change in same}) == 1
    others: list[dict[str, Any]] = [
        {"system": "Be terse."},
        {"tools": []},
        {"messages": [{"role": "user", "content": "Hi"}]},
    ]
    assert len({conversation(**change) for change in [{}, *others]}) == 4


def stretches(hashing: Hashing, text: str) -> dict[int, tuple[str, ...]]:
    prompt = prompt_in({"messages": [{"role": "user", "content": text}]})
    return hashing.stretches(prompt, hashing.blocks(prompt))


def test_beginnings_of_a_text_are_hashed_where_cuts_says() -> None:
    """Of the canonical text: the two first quarters of a kilobyte here."""
    text = "é" * 300
    canonical = (
        f"user\n{json.dumps({'type': 'text', 'text': text}, ensure_ascii=False, separators=(',', ':'))}".encode()
    )
    assert cuts(len(canonical)) == (256, 512)
    key = bytes.fromhex(KEY)
    expected = tuple(blake2b(canonical[:cut], digest_size=4, key=key).hexdigest() for cut in (256, 512))
    assert stretches(Hashing(KEY), text) == {2: expected}


def test_texts_that_begin_alike_share_stretches() -> None:
    """As far as they are alike."""
    hashing = Hashing(KEY)
    one, other = (stretches(hashing, "x" * 600 + end * 600)[2] for end in "ab")
    assert [mine == theirs for mine, theirs in zip(one, other, strict=True)] == [True, True, False, False]


def test_only_new_texts_have_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until they are forgotten."""
    monkeypatch.setattr(fingerprint, "MEMORY", 2)
    hashing = Hashing(KEY)
    texts = [letter * 600 for letter in "abcab"]
    assert [2 in stretches(hashing, text) for text in texts] == [True, True, True, True, True]
    assert [2 in stretches(hashing, text) for text in ("b" * 600, "a" * 600)] == [False, False]


def test_short_texts_and_other_blocks_have_none() -> None:
    """Nothing is hashed below 256 bytes, and no image."""
    hashing = Hashing(KEY)
    assert stretches(hashing, "Hello") == {}
    prompt = prompt_in({"messages": [{"role": "user", "content": [{**IMAGE, "x": "y" * 900}]}]})
    blocks: tuple[Block, ...] = hashing.blocks(prompt)
    assert hashing.stretches(prompt, blocks) == {}
