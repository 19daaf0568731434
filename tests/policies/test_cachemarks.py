"""Places of cache marks are written one way, and what is none is refused."""

from __future__ import annotations

import json

import pytest

from bursar.policies.cachemarks import Mark, Marking, MarksError, from_text, parts, to_text

MARKING = Marking("r1", "chat", "claude-sonnet-5-5", (Mark("tools", "1h"), Mark("messages[0].content[1]")), 0.2)


@pytest.mark.parametrize(
    ("place", "read"),
    [
        ("tools", ("tools", None, None)),
        ("tools[4]", ("tools", 4, None)),
        ("system[1]", ("system", 1, None)),
        ("messages[0]", ("messages", 0, None)),
        ("messages[12].content[3]", ("messages", 12, 3)),
        ("tail", ("tail", None, None)),
    ],
)
def test_a_place_is_a_section_an_index_and_a_part(place: str, read: object) -> None:
    assert parts(place) == read
    assert Mark(place).place == place


@pytest.mark.parametrize("place", ["", "messages", "system[-1]", "tail[0]", "tools[1].content[0]", "system[99999]"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(MarksError, match="place"):
        Mark(place)
    with pytest.raises(MarksError, match="place"):
        parts(place)


def test_a_mark_lives_five_minutes_or_an_hour() -> None:
    with pytest.raises(MarksError, match="5m or 1h"):
        Mark("system", "2h")
    assert [str(mark) for mark in MARKING.marks] == ["tools 1h", "messages[0].content[1]"]


def test_markings_arrive_as_they_were_told() -> None:
    assert from_text(to_text([MARKING])) == (MARKING,)


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"id": "a"}]', '[{"id":1,"route":"r","model":"m","marks":[{}]}]'])
def test_markings_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(MarksError):
        from_text(text)


def test_more_than_four_marks_are_refused() -> None:
    told = json.loads(to_text([MARKING]))
    told[0]["marks"] = [{"place": f"system[{n}]", "ttl": "5m"} for n in range(5)]
    with pytest.raises(MarksError, match="four"):
        from_text(json.dumps(told))
