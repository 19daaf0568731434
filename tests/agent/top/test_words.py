"""Claims about reasons in plain words."""

from __future__ import annotations

from bursar.agent.top.words import said
from bursar.policies.decision import Reason


def test_every_reason_has_words_of_its_own() -> None:
    """No two read alike, and none is the bare word."""
    words = [said(reason) for reason in Reason]
    assert len(set(words)) == len(words)
    assert all(" " in one for one in words)


def test_a_word_of_another_version_stands_for_itself() -> None:
    """Such as what another version wrote into the ledger."""
    assert said("full_moon") == "full moon"
