"""Where two texts differ first, and go on alike."""

from __future__ import annotations

import pytest

from bursar.instrumentation.resync import common_start, first_stretch, same_behind

REST = "\nAnswer in one sentence, and name your source. Never guess."


@pytest.mark.parametrize(
    ("old", "new", "differs", "behind"),
    [
        (f"Now 10:05.{REST}", f"Now 11:05.{REST}", ("0", "1"), len(":05." + REST)),
        (f"Turn 9.{REST}", f"Turn 10.{REST}", ("9", "10"), len("." + REST)),
        (f"You help Jane.{REST}", f"You help Marc.{REST}", ("Jane", "Marc"), len("." + REST)),
        (f"A{REST}", f"A and more{REST}", ("", " and more"), len(REST)),
        (f"A and more{REST}", f"A{REST}", (" and more", ""), len(REST)),
        ("same", "same and more", ("", " and more"), 0),
        ("", "all new", ("", "all new"), 0),
    ],
)
def test_no_more_than_what_differs(old: str, new: str, differs: tuple[str, str], behind: int) -> None:
    """And all that follows is the same."""
    found = first_stretch(old, new)
    assert (old[found.start : found.old_end], new[found.start : found.new_end]) == differs
    assert same_behind(found) == behind


def test_of_two_differences_the_first_is_told() -> None:
    """What lies between them is the same already; behind it the lines that both have count."""
    old, new = (
        f"Now {time}.{REST}\nRequest {name}.\nThe end." for time, name in (("10:05", "ab12"), ("11:17", "cd34"))
    )
    found = first_stretch(old, new)
    assert new[found.start : found.new_end] == "1:17"
    assert same_behind(found) >= len(REST) + len("The end.")


@pytest.mark.parametrize(("one", "other", "alike"), [("", "", 0), ("a", "b", 0), ("abc", "abd", 2), ("ab", "abc", 2)])
def test_a_common_start_is_found(one: str, other: str, alike: int) -> None:
    """In characters."""
    assert common_start(one, other) == common_start(other, one) == alike


def test_long_texts_are_no_trouble() -> None:
    """A megabyte that differs in its middle, and one that differs all over."""
    old, new = "x" * 500_000 + "1" + "y" * 500_000, "x" * 500_000 + "2" + "y" * 500_000
    found = first_stretch(old, new)
    assert (found.start, found.new_end, same_behind(found)) == (500_000, 500_001, 500_000)
    assert first_stretch("ab " * 99_999, "cd " * 99_999).start == 0
