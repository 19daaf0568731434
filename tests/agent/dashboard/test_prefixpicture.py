"""Claims about the picture of prompts: as wide as they are long, as high as they are many, marks in their place."""

from __future__ import annotations

from tests.agent.dashboard.shared import samples

from bursar.agent.dashboard import prefixpicture
from bursar.agent.dashboard.prefixes import prefixes
from bursar.agent.dashboard.prefixpicture import Box, Flag, picture

TWO = [("tools/find 300", "system/rules 500", f"user/{name} 200") for name in "ab"]


def test_what_is_shared_is_one_piece_and_what_is_not_lies_side_by_side() -> None:
    """Two prompts of 1,000 tokens: each unit of the drawing is a token, each prompt half of its height."""
    drawn = picture(prefixes(samples(*TWO)), [])
    assert drawn.boxes == (
        Box("tools", 0.0, 0.0, 300.0, 180.0, "tools: 300 tokens that 2 prompts have alike", "tools 300"),
        Box("system", 300.0, 0.0, 500.0, 180.0, "system: 500 tokens that 2 prompts have alike", "system 500"),
        Box("messages", 800.0, 0.0, 200.0, 90.0, "messages: 200 tokens that one prompt alone has", "messages 200"),
        Box("messages", 800.0, 90.0, 200.0, 90.0, "messages: 200 tokens that one prompt alone has", "messages 200"),
    )
    assert [tick.tokens for tick in drawn.ticks] == [0, 200, 400, 600, 800, 1_000]


def test_what_few_begin_with_is_one_box() -> None:
    """Of forty, three begin with the same question; the others ask 37 things, of 200 tokens each."""
    many = [("system/rules 800", f"user/{max(number, 2)} 200") for number in range(40)]
    drawn = picture(prefixes(samples(*many)), [])
    assert [(box.kind, box.y, box.height, box.title) for box in drawn.boxes[1:]] == [
        ("messages", 0.0, 13.5, "messages: 200 tokens that 3 prompts have alike"),
        ("differs", 13.5, 166.5, "37 prompts go on in 37 ways, with 200 tokens on average"),
    ]
    assert [box.label for box in drawn.boxes] == ["system 800", "", "37 ways"]


def test_marks_stand_where_their_places_are() -> None:
    """Those that stand and those that are advised; neighbours do not write over each other; the end is nowhere."""
    marked = [("tools/find 300", "system/rules 50 5m", f"user/{name} 650") for name in "ab"]
    drawn = picture(prefixes(samples(*marked)), ["system 1h", "tools 1h", "tail 5m"])
    assert drawn.flags == (
        Flag(350.0, "system 5m", True, 0),
        Flag(300.0, "tools 1h", False, 0),
        Flag(350.0, "system 1h", False, 1),
    )


def test_the_few_longest_are_cut_off_at_the_edge() -> None:
    """One of forty is ten times as long: the drawing is as wide as the others are long."""
    many = [("system/rules 500", f"user/{number} {9_500 if number == 0 else 500}") for number in range(40)]
    drawn = picture(prefixes(samples(*many)), [])
    assert (drawn.boxes[0].width, drawn.ticks[-1].tokens) == (500.0, 1_000)
    assert all(box.x + box.width <= prefixpicture.WIDTH for box in drawn.boxes)


def test_there_are_not_too_many_boxes() -> None:
    """Thirty conversations of thirty turns: a box each, up to a bound."""
    talks = [
        ("system/rules 100", *(f"{('user', 'assistant')[n % 2]}/{talk}-{n} 10" for n in range(turn + 1)))
        for talk in range(30)
        for turn in range(30)
    ]
    assert len(picture(prefixes(samples(*talks)), []).boxes) <= prefixpicture.MOST_BOXES


def test_prompts_without_text_are_no_picture() -> None:
    drawn = picture(prefixes(samples(("settings.system/x",))), ["system 5m"])
    assert (drawn.boxes, drawn.flags) == ((), ())


def test_there_is_room_for_labels_where_there_are_any() -> None:
    marked = prefixes(samples(("system/rules 50 5m", "user/a 50")))
    plain = prefixes(samples(("system/rules 50", "user/a 50")))
    assert (picture(marked, []).top, picture(marked, []).below) == (36, 6)
    assert (picture(plain, ["system 5m"]).top, picture(plain, ["system 5m"]).below) == (6, 34)
