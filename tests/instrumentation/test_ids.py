"""Ids: unique without asking anybody."""

from __future__ import annotations

import re

from bursar.instrumentation.ids import Ids


def test_ids_are_the_holder_s_name_and_a_number() -> None:
    """In hexadecimal; calls are told from attempts."""
    ids = Ids(lambda size: "ab" * size)
    assert ids.holder == "abababababababab"
    assert [ids.attempt() for _ in range(2)] == ["abababababababab-1", "abababababababab-2"]
    assert ids.call() == "abababababababab-c3"
    assert [ids.attempt() for _ in range(13)][-1] == "abababababababab-10"


def test_every_process_has_a_name_of_its_own() -> None:
    """Sixty-four random bits."""
    names = {Ids().holder for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(r"[0-9a-f]{16}", name) for name in names)
