"""Claims about prefixes: equal beginnings are one object, as long as was billed, and places are found in them."""

from __future__ import annotations

from tests.agent.advice.caching.made import MINUTE, Desk

from bursar.agent.advice.caching.layout import NEW, Change, Layout
from bursar.agent.advice.caching.prefixtree import PrefixTree
from bursar.agent.advice.caching.promptcache import Prefix
from bursar.policies.usage import Usage


def ends(prefixes: tuple[Prefix | None, ...]) -> list[int | None]:
    return [None if prefix is None else prefix.end for prefix in prefixes]


def test_equal_beginnings_are_one_prefix() -> None:
    """Two prompts share tools and system; the places of each are what stands there in it."""
    desk = Desk()
    one = desk.add(0, "tools/a 100", "tools/b 100", "system/s 300", "user/hello 10", "user/more 20")
    two = desk.add(1, "tools/a 100", "tools/b 100", "system/s 300", "user/bye 40")
    tree = PrefixTree(desk.nodes.__getitem__, ("tools[0]", "tools", "system", "messages[0]", "messages[1]"))
    first, second = tree.seen(one), tree.seen(two)
    assert first.places[:3] == second.places[:3]
    assert (ends(first.places), ends(second.places)) == ([100, 200, 500, 530, None], [100, 200, 500, 540, None])
    assert (first.tail, second.tail) == (first.places[3], second.places[3])
    assert (first.prefix and first.prefix.depth, second.prefix and second.prefix.depth) == (5, 4)


def test_settings_divide_prefixes_and_are_no_position() -> None:
    """Two calls with another tool_choice share their system prompt, and nothing of the same message behind it."""
    desk = Desk()
    calls = [desk.add(at, "system/s 300", f"settings.messages/{at}", "user/hello 10") for at in range(2)]
    tree = PrefixTree(desk.nodes.__getitem__, ("system", "messages[0]"))
    one, two = (tree.seen(call) for call in calls)
    assert one.places[0] is two.places[0]
    assert one.places[1] is not two.places[1]
    assert one.tail is not None
    assert one.tail.depth == 2


def test_estimates_are_scaled_to_what_was_billed() -> None:
    """400 estimated, 800 billed: twice as much each; 100 more billed for the next turn are its own."""
    desk = Desk()
    first = desk.add(0, "system/s 300", "user/hello 100", usage=Usage(input=800))
    turn = ("system/s 300", "user/hello 100", "assistant/hi 50", "user/so 150")
    second = desk.add(1, *turn, usage=Usage(input=900))
    tree = PrefixTree(desk.nodes.__getitem__, ("system", "messages[0]", "messages[1]", "messages[2]"))
    assert ends(tree.seen(first).places) == [600, 800, None, None]
    assert ends(tree.seen(second).places) == [600, 800, 825, 900]


def test_a_mark_tells_the_length_up_to_it() -> None:
    """500 tokens were written up to the mark, whatever was estimated; the rest is the rest."""
    desk = Desk()
    call = desk.add(0, "system/s 300 5m", "user/hello 100", usage=Usage(input=40, cache_write_5m=500))
    tree = PrefixTree(desk.nodes.__getitem__, ("system", "messages[0]"))
    assert ends(tree.seen(call).places) == [500, 540]


def test_what_stands_on_it_keeps_a_beginning() -> None:
    """A conversation goes on for a day: a new one still has the same system prompt. A week later nothing is known."""
    desk = Desk()
    talk = ["system/s 600", "user/0 10"]
    tree = PrefixTree(desk.nodes.__getitem__, ("system",))
    first = tree.seen(desk.add(0, *talk)).places[0]
    for hour in range(1, 25):
        talk += [f"assistant/{hour} 10", f"user/{hour} 10"]
        tree.seen(desk.add(hour * 60 * MINUTE, *talk))
    other = desk.add(24 * 60 * MINUTE + 1, "system/s 600", "user/new 10")
    assert tree.seen(other).places[0] is first
    late = desk.add(8 * 24 * 60 * MINUTE, "system/s 600", "user/newer 10")
    tree.seen(desk.add(7 * 24 * 60 * MINUTE, "system/z 600", "user/x 10"))
    assert tree.seen(late).places[0] is not first


def test_a_text_is_cut_in_two() -> None:
    """800 bytes, cut at 256 where they are alike: one prefix of 64 tokens, and behind it what differs."""
    desk = Desk()
    calls = [desk.add(at, f"system/{at} 200", "user/hello 10") for at in range(2)]
    for call in calls:
        desk.texts[desk.nodes[call.node].parent] = (b"same", b"%d" % call.at_ns)
    layout = Layout(Change.CUT, "system", cut=256, number=0)
    tree = PrefixTree(desk.nodes.__getitem__, layout.places(("system", "messages[0]")), layout, desk.stretches)
    assert tree.names == (NEW, "system", "messages[0]")
    one, two = (tree.seen(call) for call in calls)
    assert one.places[0] is two.places[0]
    assert one.places[1] is not two.places[1]
    assert ends(one.places) == [64, 200, 210]


def test_blocks_that_stay_the_same_are_put_in_front() -> None:
    """The rules stand behind the time of day; in the other order both calls share them."""
    desk = Desk()
    turns = [("settings.system/x", f"system/time{at} 10", "system/rules 600", "user/hello 20") for at in range(2)]
    calls = [desk.add(at, *turn) for at, turn in enumerate(turns)]
    rules = desk.nodes[desk.nodes[calls[0].node].parent].hash
    layout = Layout(Change.ORDER, "system", steady=frozenset({rules}))
    names = layout.places(("tools", "system[0]", "system", "messages[0]"))
    assert names == ("tools", NEW, "system", "messages[0]")
    tree = PrefixTree(desk.nodes.__getitem__, names, layout)
    one, two = (tree.seen(call) for call in calls)
    assert one.places[1] is two.places[1]
    assert one.places[2] is not two.places[2]
    assert ends(one.places) == [None, 600, 610, 630]
