"""Fingerprints are told in parts, oldest first, and kept within bounds while nobody takes them."""

from __future__ import annotations

import json

import pytest

from bursar.instrumentation.link import Misunderstood, Unreachable
from bursar.instrumentation.printpost import BATCH_BYTES, MOST, MOST_BYTES, PrintPost
from bursar.policies.fingerprint import PATH, Block, Fingerprint, Section, from_json

BLOCK = Block("ab" * 8, Section.MESSAGES, 0, 0, "text", "user", 9, 3)


class Link:
    """Answers by script: an error, or takes it."""

    def __init__(self, *script: Exception | None) -> None:
        self.script = [*script]
        self.told: list[list[str]] = []
        self.sizes: list[int] = []
        self.deadlines: list[tuple[bool, float | None]] = []

    def post(self, path: str, body: bytes, *, patient: bool = False, seconds: float | None = None) -> object:
        assert path == PATH
        self.deadlines.append((patient, seconds))
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        self.sizes.append(len(body))
        self.told.append([one.attempt_id for one in from_json(json.loads(body)).prints])
        return {}

    def close(self) -> None:
        """Nothing to hang up."""

    def abandon(self) -> None:
        """Nor to forget."""


def post(link: Link, dropped: list[str] | None = None) -> PrintPost:
    return PrintPost(link, lambda: "h", (dropped if dropped is not None else []).append)


def one(name: str, blocks: int = 1, stretches: int = 0) -> Fingerprint:
    return Fingerprint(name, (BLOCK,) * blocks, stretches={0: ("12345678",) * stretches} if stretches else {})


def test_what_was_not_taken_is_told_again() -> None:
    """In order, and nothing twice."""
    link = Link(None, Unreachable("away"))
    office = post(link)
    for number in range(300):
        office.add(one(f"a-{number}"), "c")
    with pytest.raises(Unreachable):
        office.ship()
    assert (len(link.told[0]), len(office)) == (200, 100)
    office.ship()
    assert [name for batch in link.told for name in batch] == [f"a-{number}" for number in range(300)]
    assert len(office) == 0
    assert {*link.deadlines} == {(True, None)}


def test_what_the_agent_cannot_read_is_dropped() -> None:
    """It would be asked again for ever; the rest is told."""
    dropped: list[str] = []
    link = Link(Misunderstood("what?"))
    office = post(link, dropped)
    for number in range(201):
        office.add(one(f"a-{number}"), f"c{number}")
    office.ship(0.5)
    assert (len(dropped), link.told) == (200, [["a-200"]])
    assert {*link.deadlines} == {(False, 0.5)}


def test_the_oldest_is_forgotten_first() -> None:
    """And its conversation named, which has a gap now."""
    dropped: list[str] = []
    office = post(Link(), dropped)
    for number in range(MOST + 2):
        office.add(one(f"a-{number}"), f"c{number}")
    assert (len(office), dropped) == (MOST, ["c0", "c1"])


def test_their_size_is_bounded_too() -> None:
    """Long conversations have many blocks."""
    dropped: list[str] = []
    office = post(Link(), dropped)
    for number in range(10):
        office.add(one(f"a-{number}", blocks=MOST_BYTES // 90 // 4), f"c{number}")
    assert (len(office), len(dropped)) == (3, 7)


def test_a_part_is_no_larger_than_a_megabyte() -> None:
    """Counted as if no block stood in two."""
    link = Link()
    office = post(link)
    for number in range(8):
        office.add(one(f"a-{number}", stretches=30_000), "c")
    office.ship()
    assert [len(batch) for batch in link.told] == [3, 3, 2]
    assert max(link.sizes) <= BATCH_BYTES * 1.2
