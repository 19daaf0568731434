"""What kind of text differs: each kind told from those that look like it."""

from __future__ import annotations

import pytest

from bursar.instrumentation.breakcause import cause_of
from bursar.instrumentation.resync import first_stretch
from bursar.policies.fingerprint import Cause

REST = "\nAnswer in one sentence, and name your source. Never guess, and never promise anything."


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("2026-11-29", "2026-11-30", Cause.TIMESTAMP),
        ("Saturday, 28 November", "Sunday, 29 November", Cause.TIMESTAMP),
        ("It is 9:59 am.", "It is 10:00 am.", Cause.TIMESTAMP),
        ("1764410400", "1764414000", Cause.TIMESTAMP),
        ("Order 1264410400", "Order 1964414000", Cause.IDENTIFIER),  # as long, and years apart
        ("Version 1.2.10", "Version 1.2.11", Cause.NUMBER),  # no date
        ("Request 3f2c9a10-8a7b-4c1d", "Request 99999910-8a7b-4c1e", Cause.IDENTIFIER),
        ("id: 4711", "id: 4712", Cause.IDENTIFIER),
        ("req_Qx8fLw02aZ", "req_Tz91kPq7Lb", Cause.IDENTIFIER),
        ("Customer: Jane Doe", "Customer: Marc Weber", Cause.PERSON),
        ("Write to jane@example.com", "Write to marc@example.org", Cause.PERSON),
        ("Customer number 4711", "Customer number 4712", Cause.PERSON),
        ("Request number 9", "Request number 10", Cause.NUMBER),
        ("9 apples", "10 apples", Cause.NUMBER),
        ("Answer in French", "Answer in German", Cause.TEXT),
        ("Be kind.", "Be terse and plain.", Cause.TEXT),
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', Cause.KEY_ORDER),
        ('{"a": 1, "b": 2}', '{"b": 3, "a": 1}', Cause.TEXT),
        ("- one\n- two", "- two\n- one", Cause.ORDER),
    ],
)
@pytest.mark.parametrize("head", ["", "You are a clerk.\n"])
def test_each_kind_is_told(head: str, old: str, new: str, cause: Cause) -> None:
    """Ahead of a text that stays, at its very beginning or not; in both directions."""
    one, other = head + old + REST, head + new + REST
    assert cause_of(first_stretch(one, other)) is cause
    assert cause_of(first_stretch(other, one)) is cause


def test_several_facts_about_somebody_are_a_person() -> None:
    """Whatever differs first."""
    one, other = (
        f"Member since: {since}\nName: {name}\nE-mail: {mail}{REST}"
        for since, name, mail in (("2019-04-01", "Jane Doe", "j@a.io"), ("2023-12-24", "Marc Weber", "m@b.io"))
    )
    assert cause_of(first_stretch(one, other)) is Cause.PERSON


def test_an_object_that_ends_before_the_difference_says_nothing() -> None:
    """It is the same in both, and the difference is elsewhere."""
    one, other = (f'Use {{"a": 1}} always. {word}{REST}' for word in ("Kindly.", "Plainly."))
    assert cause_of(first_stretch(one, other)) is Cause.TEXT
