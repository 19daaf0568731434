"""Claims about advice from fingerprints: what is said of each kind of traffic, and dollars that can be done by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.agent.advice.caching.made import DAY, MINUTE, OPUS, SECOND, UNTIL, Desk

from bursar.agent.advice.caching.cacheadvice import advised_marking, cache_advice
from bursar.agent.advice.caching.promptcache import Refresh
from bursar.agent.advice.recommendation import Kind, Recommendation, Saving
from bursar.policies.cachemarks import Mark, Marking
from bursar.policies.fingerprint import Cause
from bursar.policies.usage import Usage

START = UNTIL - 60 * MINUTE


def of_kind(desk: Desk, kind: Kind, **changes: Any) -> Recommendation:
    (one,) = [one for one in cache_advice(desk.source(**changes)) if one.kind is kind]
    return one


def kinds(desk: Desk) -> list[tuple[Kind, bool]]:
    return [(one.kind, one.advised) for one in cache_advice(desk.source())]


def questions(**changes: Any) -> Desk:
    """Ten, a minute apart, each of 100 tokens behind 2,000 that all share."""
    desk = Desk()
    for number in range(10):
        desk.add(START + number * MINUTE, "system/rules 2000", f"user/{number} 100", **changes)
    return desk


def test_a_shared_beginning_is_marked() -> None:
    """
    Plain, 10 x 2,000 tokens at 4 dollars a million are 0.08; one write at 5 and nine reads at 0.20 are 0.0136.

    The other 1,000 tokens cost 0.004 either way. A day of calls says nothing of other days.
    """
    one = of_kind(questions(), Kind.CUT)
    saving = Saving(0, 66_400_000, 132_800_000)
    assert (one.saving, dict(one.under)) == (saving, dict.fromkeys(Refresh, saving))
    assert one.text == (
        "Mark system for 5m. Of 10 prompts of about 2,100 tokens, 86% would be read from the cache; now 0% is. "
        "Worth 0.066 USD a day as observed. Were only the longest hit renewed: 0.066."
    )
    assert advised_marking(one) == Marking(one.id, "support", OPUS, (Mark("system"),))
    assert one.snippet == (
        "client.messages.create(\n"
        f'    model="{OPUS}",\n'
        "    system=[\n"
        "        {  # system\n"
        '            "type": "text",\n'
        '            "text": SYSTEM,\n'
        '            "cache_control": {"type": "ephemeral"},\n'
        "        },\n"
        "    ],\n"
        "    ...,\n"
        ")"
    )
    assert one.evidence == {
        "reason": "cut",
        "calls": 10,
        "calls_per_day": 10.0,
        "prompt_tokens_per_day": 21_000.0,
        "days": 1.0,
        "min_cacheable_tokens": 512,
        "share_read": 0.0,
        "present_marks": [],
        "billed_nano_usd_per_day": 84_000_000,
        "replayed_nano_usd_per_day": 84_000_000,
        "marks": [{"place": "system", "ttl": "5m"}],
        "predicted_nano_usd_per_day": 17_600_000,
        "predicted_share_saved": 0.7905,
    }


def test_calls_of_some_conversations_stand_for_all() -> None:
    """Where every second conversation was looked at, each call counts twice, and it says so."""
    one = of_kind(questions(share=0.5), Kind.CUT)
    assert one.saving is not None
    assert (one.saving.mid, one.evidence["calls_per_day"]) == (132_800_000, 20.0)
    assert any("only at a part of the conversations" in said for said in one.assumes)


def test_a_growing_conversation_is_cached_automatically() -> None:
    """Marked at its end each turn reads what the one before it wrote: no other marks are better."""
    desk = Desk()
    talk = ["user/0 1000"]
    for turn in range(1, 9):
        desk.add(START + turn * MINUTE, *talk)
        talk += [f"assistant/{turn} 300", f"user/{turn} 300"]
    one = of_kind(desk, Kind.CUT)
    assert one.text.startswith("Mark the end of each request for 5m: automatic caching does. Of 8 prompts")
    assert 'cache_control={"type": "ephemeral"},  # the end of the request' in one.snippet
    # Reads 1,000 + 1,600 + ... + 4,600 save 3.8 dollars a million; writes 1,000 + 7 x 600 cost 1 more than input.
    assert one.saving is not None
    assert one.saving.mid == 3_800 * sum(range(1_000, 5_000, 600)) - 1_000 * 5_200


def test_marks_that_are_right_are_left_alone() -> None:
    """What the advice would be stands already: nothing to do, and the marks are named for who keeps them in force."""
    desk = Desk()
    for number in range(10):
        paid = Usage(input=100, cache_write_5m=0 if number else 2_000, cache_read=2_000 if number else 0)
        desk.add(START + number * MINUTE, "system/rules 2000 5m", f"user/{number} 100", usage=paid)
    (one,) = cache_advice(desk.source())
    assert (one.kind, one.advised, one.saving) == (Kind.CUT, False, None)
    assert one.text == "The cache marks that stand are as good as any."
    assert advised_marking(one) == Marking(one.id, "support", OPUS, (Mark("system"),))
    assert one.evidence["present_marks"] == [{"marks": [{"place": "system", "ttl": "5m"}], "calls": 10}]
    assert one.evidence["billed_nano_usd_per_day"] == one.evidence["replayed_nano_usd_per_day"] == 17_600_000


def test_marks_that_only_cost_are_taken_away() -> None:
    """Ten prompts that begin each in another way, written for an hour and never read: 10 x 2,100 at 4 dollars more."""
    desk = Desk()
    for number in range(10):
        desk.add(
            START + number * MINUTE, f"system/{number} 2000", "user/hello 100 1h", usage=Usage(cache_write_1h=2_100)
        )
    one = of_kind(desk, Kind.CUT)
    assert one.text.startswith("Take the cache marks away (tail 1h): of 10 prompts of about 2,100 tokens, 0% is read")
    assert (one.saving, one.snippet) == (Saving(0, 84_000_000, 168_000_000), "# no cache_control on tail")
    assert (one.evidence["reason"], one.evidence["marks"], advised_marking(one)) == ("remove", [], None)


def test_marks_that_stand_elsewhere_are_moved() -> None:
    """The end of each question is written and never read; the rules before it would be. Judged against what is paid."""
    desk = Desk()
    for number in range(10):
        paid = Usage(cache_write_5m=2_100)
        desk.add(START + number * MINUTE, "system/rules 2000", f"user/{number} 100 5m", usage=paid)
    one = of_kind(desk, Kind.CUT)
    assert "Mark system for 5m, instead of the marks that stand (tail 5m)." in one.text
    # Now 21,000 tokens are written at 5 dollars: 0.105. Then 0.0136 and 1,000 tokens of questions at 4: 0.0176.
    assert one.saving == Saving(0, 87_400_000, 174_800_000)


@pytest.mark.parametrize(
    ("reason", "gap_ns", "blocks", "told"),
    [
        ("too_short", MINUTE, ("system/rules 300", "user/{} 100"), "prompts have about 400 tokens, and claude-opus"),
        ("nothing_shared", MINUTE, ("system/{} 2000", "user/hello 100"), "begin each in another way"),
        ("shared_too_short", MINUTE, ("system/rules 300", "user/{} 900"), "shorter than the 512 tokens from which"),
        ("too_rare", 61 * MINUTE, ("system/rules 2000", "user/{} 100"), "10 calls come too far apart"),
    ],
)
def test_where_caching_does_not_pay_it_says_why(reason: str, gap_ns: int, blocks: tuple[str, ...], told: str) -> None:
    """One short sentence, and no snippet."""
    desk = Desk()
    for number in range(10):
        desk.add(UNTIL - DAY + number * gap_ns, *(block.format(number) for block in blocks))
    (one,) = cache_advice(desk.source())
    assert (one.kind, one.advised, one.evidence["reason"], one.snippet) == (Kind.NOT_HERE, False, reason, "")
    assert told in one.text
    assert advised_marking(one) is None


def test_what_breaks_the_cache_is_named_with_what_it_costs() -> None:
    """
    A time stamp ahead of 1,500 tokens, in nine of ten calls: 3.80 dollars a million lost each time.

    One after a pause of more than an hour is not counted: nothing was there to be read.
    """
    desk = Desk()
    for number in range(10):
        told: dict[str, Any] = {"cause": Cause.TIMESTAMP, "break_depth": 1, "shared_after": 1_500} if number else {}
        desk.add(START + number * MINUTE, f"system/{number} 2000", "user/hello 100", **told)
    desk.add(START - 90 * MINUTE, "system/early 2000", "user/hello 100")
    desk.prompts[0] = desk.prompts[0]._replace(cause=Cause.TIMESTAMP, break_depth=1, shared_after=1_500)
    one = of_kind(desk, Kind.BREAK)
    assert one.text == (
        "A time stamp in system[0] keeps what is behind it from being read from the cache: in 9 calls (82%), about "
        "1,500 tokens each. Put it behind everything that stays the same, or leave it out. Worth 0.051 USD a day as "
        "observed."
    )
    assert one.saving == Saving(0, 9 * 1_500 * 3_800, 18 * 1_500 * 3_800)
    assert (one.evidence["cause"], one.evidence["block"], one.evidence["breaks"]) == ("timestamp", "system[0]", 9)


def test_turns_of_many_blocks_need_a_mark_where_the_turn_before_ended() -> None:
    """
    Five turns of 1,000 tokens and 25 blocks each: the end finds nothing, 25 positions behind; a second mark does.

    Alone at their end all 1,000 + 2,000 + ... are written; with both each turn writes 1,000 and reads the rest.
    """
    desk = Desk()
    talk = ["user/0 1000"]
    for turn in range(1, 6):
        desk.add(START + turn * MINUTE, *talk)
        talk += [f"assistant/{turn} 40", *(f"user/{turn}.{part} 40" for part in range(24))]
    one = of_kind(desk, Kind.BREAK)
    assert one.text.startswith(
        "Turns add more blocks than the 20 that a mark looks back at: in 100% of them the mark at"
    )
    assert "Mark the last block of messages[-3], where the request before ended, and the end of each" in one.text
    # Without marks 15,000 tokens at 4 dollars a million; with them 5,000 written at 5 and 10,000 read at 0.20. What
    # the first message alone saves, marked for itself, is not counted again.
    alone = of_kind(desk, Kind.CUT)
    assert one.saving is not None
    assert alone.saving is not None
    assert advised_marking(alone) == Marking(alone.id, "support", OPUS, (Mark("messages[0]"),))
    assert alone.saving.mid == 1_000 * (4 * 3_800 - 1_000)
    assert one.saving.mid == 10_000 * 3_800 - 5_000 * 1_000 - alone.saving.mid
    assert one.evidence["marks"] == [{"place": "messages[-3]", "ttl": "5m"}, {"place": "tail", "ttl": "5m"}]
    assert advised_marking(one) is None


@pytest.mark.parametrize(
    ("cause", "reasons", "told"),
    [
        (Cause.TOOL_CHOICE, ["messages_changed"] * 3, "Another tool_choice in messages keeps"),
        (
            Cause.TOOL_CHOICE,
            ["messages_changed"] * 3,
            "tokens each. The API itself says messages_changed of 3 calls. Keep",
        ),
        (Cause.TOOL_CHOICE, ["system_changed"] * 3, "tokens each. Keep it the same; ask for a tool"),
        (Cause.MODEL, ["model_changed"], "Another model keeps what is behind it"),
        (Cause.MODEL, ["model_changed"], "The API itself says model_changed of 1 call."),
    ],
)
def test_the_api_s_own_reason_is_told_beside_it(cause: Cause, reasons: list[str], told: str) -> None:
    """Where diagnostics are on, and they name the same part of the prompt; of another model no place is named."""
    desk = Desk()
    for number in range(10):
        more: dict[str, Any] = {"cause": cause, "break_depth": 2, "shared_after": 1_500} if number else {}
        said = reasons[number] if number < len(reasons) else ""
        blocks = ("system/rules 2000", f"settings.messages/{number}", "user/hello 1500")
        desk.add(START + number * MINUTE, *blocks, miss_reason=said, **more)
    assert told in of_kind(desk, Kind.BREAK).text


def test_steady_blocks_are_put_first() -> None:
    """The rules behind the time of day: in front they would be read nine times of ten."""
    desk = Desk()
    for number in range(10):
        desk.add(START + number * MINUTE, f"system/time{number} 10", "system/rules 2000", f"user/{number} 100")
    one = of_kind(desk, Kind.MOVE)
    assert one.text.startswith(
        "A part of the system prompt that stays the same stands behind one that changes: put the block that stays the "
        "same first, and mark system[0] for 5m. 85% of the prompts would be read from the cache. Worth 0.066 USD a day"
    )
    assert one.saving == Saving(0, 66_400_000, 132_800_000)
    assert (one.evidence["change"], one.evidence["marks"]) == ("order", [{"place": "system[0]", "ttl": "5m"}])
    assert kinds(desk) == [(Kind.MOVE, True), (Kind.NOT_HERE, False)]


def test_what_a_move_saves_is_beyond_what_marks_alone_can_do() -> None:
    """A mark behind what changes is written each time, for a dollar more: to take it away saves that, no move again."""
    desk = Desk()
    for number in range(10):
        blocks = (f"system/time{number} 10", "system/rules 2000 5m", f"user/{number} 100")
        desk.add(START + number * MINUTE, *blocks, usage=Usage(input=100, cache_write_5m=2_010))
    one, other = of_kind(desk, Kind.MOVE), of_kind(desk, Kind.CUT)
    assert one.saving == Saving(0, 66_400_000, 132_800_000)
    assert (other.evidence["reason"], other.saving) == ("remove", Saving(0, 20_100_000, 40_200_000))


def test_a_text_that_begins_alike_is_cut() -> None:
    """One system prompt a call, alike up to byte 8,000 of 8,200: 2,000 of 2,050 tokens would be read."""
    desk = Desk()
    for number in range(10):
        call = desk.add(START + number * MINUTE, f"system/{number} 2050", f"user/{number} 100")
        alike = [b"%d" % place for place in range(30)]
        desk.texts[desk.nodes[call.node].parent] = (*alike, *(b"%d-%d" % (place, number) for place in (30, 31)))
    one = of_kind(desk, Kind.MOVE)
    # The thirtieth cut is at 7,680 bytes: 1,920 tokens, and so one write at 5 and nine reads at 0.20 instead of 4.
    assert one.saving is not None
    assert one.saving.mid == 1_920 * (9 * 3_800 - 1_000)
    assert one.text.startswith(
        "Texts in system[0] begin alike up to about byte 7,680: send that as a block of its own, the rest as a second "
        "one, and mark system[0] for 5m. "
    )
    assert '"text": SYSTEM_SHARED,' in one.snippet
    assert (one.evidence["cut_bytes"], one.evidence["marks"]) == (7_680, [{"place": "system[0]", "ttl": "5m"}])


def test_one_call_goes_first() -> None:
    """Four at once, every two hours: each of the other three pays 5 instead of 0.20 dollars for 2,000 tokens."""
    desk = Desk()
    for hour in range(10):
        at_ns = UNTIL - DAY + hour * 120 * MINUTE
        for place in range(4):
            desk.add(at_ns + place, "system/rules 2000", f"user/{hour}.{place} 100", ttft_ns=SECOND)
        for place in range(9):
            desk.add(at_ns + (1 + place) * 10 * SECOND, "system/rules 2000", f"user/{hour}.{place}.later 100")
    one = of_kind(desk, Kind.PREWARM)
    assert one.saving == Saving(0, 30 * 2_000 * 4_800, 60 * 2_000 * 4_800)
    assert one.text.startswith("Let one call go first: 30.0 calls a day start while another is still writing system")


def test_an_entry_is_kept_alive_where_that_is_cheaper() -> None:
    """
    Pairs of calls every 90 minutes on a model that reads at a fortieth: without pings each pair writes, with one ping
    at 55 minutes all but the first read.
    """
    desk = Desk()
    for number in range(16):
        for place in range(2):
            at_ns = UNTIL - DAY + number * 90 * MINUTE + place * MINUTE
            desk.add(at_ns, "system/rules 2000", f"user/{number}.{place} 100", model="claude-fable-5-1")
    one = of_kind(desk, Kind.KEEP_ALIVE)
    assert "with a mark of 1h: after its last call read it again every 55 minutes for 55 minutes" in one.text
    # 16 writes at 12.50 and 16 reads at 0.25 without; with it one write at 20, 31 reads and 16 pings at 0.25.
    assert one.saving is not None
    assert one.saving.mid == 2_000 * (16 * 12_500 + 16 * 250 - 20_000 - (31 + 16) * 250)


def test_days_that_differ_widen_the_interval() -> None:
    """
    Five days of ten questions and five of twenty: 0.0664 and 0.1424 dollars, on average 0.1044.

    Their deviation is 0.0380 x sqrt(10/9); times Student's 1.833 for nine degrees, sqrt(2/10): 0.0328 each way.
    """
    desk = Desk()
    for day in range(10):
        for number in range(10 if day % 2 else 20):
            at_ns = UNTIL - (day + 1) * DAY + number * MINUTE
            desk.add(at_ns, "system/rules 2000", f"user/{day}.{number} 100")
    one = of_kind(desk, Kind.CUT)
    assert one.saving is not None
    assert (round(one.saving.low, -5), one.saving.mid, round(one.saving.high, -5)) == (
        71_600_000,
        104_400_000,
        137_200_000,
    )
    assert "Worth at least 0.072 USD a day, 0.10 as observed." in one.text
    assert not any("Under three whole days" in said for said in one.assumes)


def test_batches_and_models_without_a_price_are_left_out() -> None:
    """The former have no order that a cache would see; of the latter nothing is known."""
    assert cache_advice(questions(modifiers=("batch",)).source()) == []
    assert cache_advice(questions(model="claude-unheard-of").source()) == []


def test_the_last_tool_is_named_so() -> None:
    """Eight tools that all share, and seven system prompts: marked are the tools and each of those."""
    desk = Desk()
    tools = [f"tools/{number} 200" for number in range(8)]
    for number in range(70):
        desk.add(START + number * SECOND, *tools, f"system/{number % 7} 2000", f"user/{number} 100")
    one = of_kind(desk, Kind.CUT)
    assert advised_marking(one) == Marking(one.id, "support", OPUS, (Mark("tools"), Mark("system")))


def test_each_route_and_model_is_judged_by_itself() -> None:
    """Two routes, one of them on two models, in the order of what they save."""
    desk = questions()
    for number in range(20):
        desk.add(START + number * MINUTE, "system/rules 2000", f"user/{number} 100", route="docs")
        desk.add(START + number * MINUTE, "system/rules 2000", f"user/{number} 100", model="claude-sonnet-5-5")
    found = [(one.route, one.model) for one in cache_advice(desk.source()) if one.kind is Kind.CUT]
    assert found == [("docs", OPUS), ("support", "claude-sonnet-5-5"), ("support", OPUS)]
