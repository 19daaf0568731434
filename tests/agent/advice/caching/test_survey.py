"""Claims about surveys: where marks stand, which texts begin alike, and which blocks stay the same."""

from __future__ import annotations

import pytest
from tests.agent.advice.caching.made import MINUTE, UNTIL, Desk

from bursar.agent.advice.caching.layout import Change, Layout
from bursar.agent.advice.caching.study import studied
from bursar.agent.advice.caching.survey import Survey, Texts


def surveyed(desk: Desk) -> Survey:
    (study,) = studied(desk.source())
    return study.survey


@pytest.mark.parametrize(
    ("blocks", "automatic", "marks"),
    [
        (("tools/a 9 1h", "tools/b 9", "system/s 9", "user/u 9"), "", [("tools[0]", "1h")]),
        (("tools/a 9", "tools/b 9 1h", "system/s 9 5m", "user/u 9"), "", [("tools", "1h"), ("system", "5m")]),
        (("system/s 9 5m", "settings.messages/x", "user/u 9"), "5m", [("system", "5m"), ("tail", "5m")]),
        (("system/s 9 5m", "system/t 9", "user/u 9 5m"), "", [("system[0]", "5m"), ("tail", "5m")]),
        (
            ("user/u 9 5m", "user/v 9", "assistant/a 9 5m", "user/w 9"),
            "",
            [("messages[0].content[0]", "5m"), ("messages[1]", "5m")],
        ),
        (("user/u 9 5m",), "5m", [("tail", "5m")]),
    ],
)
def test_marks_have_names(blocks: tuple[str, ...], automatic: str, marks: list[tuple[str, str]]) -> None:
    """Those of the last block of a section or message are named by that; that at the end is the tail, once."""
    desk = Desk()
    desk.add(UNTIL - MINUTE, *blocks, automatic=automatic)
    assert list(surveyed(desk).marks) == [tuple(marks)]


def test_the_median_is_to_two_digits() -> None:
    """Of 1,049, 2,051 and 123,456 tokens it is 2,100."""
    desk = Desk()
    for number, tokens in enumerate((123_456, 1_049, 2_051)):
        desk.add(UNTIL - MINUTE + number, f"user/{number} {tokens}")
    assert surveyed(desk).typical == 2_100


@pytest.mark.parametrize(
    ("texts", "best"),
    [
        ([b"aab"] * 4 + [b"aac"] * 4, (2, 768)),
        ([b"aab", b"aac", b"aad", b"aae"], (1, 512)),
        ([b"a", b"b", b"c", b"d"], None),
        ([b"ab", b"ac", b"d", b"e"], None),
        ([b"ab", b"ab", b"ab", b"cd", b"ef"], (1, 512)),
    ],
)
def test_texts_are_cut_where_most_is_shared(texts: list[bytes], best: tuple[int, int] | None) -> None:
    """Each letter is what a text is up to one more cut: the longest beginnings that at least half share with others."""
    found = Texts()
    for text in texts:
        found.add(tuple(text[: place + 1] for place in range(len(text))), 4_000)
    assert found.best() == best


def test_many_system_prompts_are_sampled() -> None:
    """2,400 calls whose rules stand behind what changes: fewer than 2,000 are looked at, from first to last."""
    desk = Desk()
    for number in range(2_400):
        desk.add(UNTIL - 2_400 * MINUTE + number * MINUTE, f"system/{number} 5", "system/rules 900", "user/u 9")
    survey = surveyed(desk)
    assert 1_000 <= len(survey.systems) <= 2_000
    rules = survey.systems[0][1].hash
    assert survey.layouts() == [Layout(Change.ORDER, "system", steady=frozenset({rules}))]


def test_an_order_that_is_right_is_left_alone() -> None:
    """What changes stands behind the rules already."""
    desk = Desk()
    for number in range(9):
        desk.add(UNTIL - MINUTE + number, "system/rules 900", f"system/{number} 5", "user/u 9")
    assert surveyed(desk).layouts() == []
