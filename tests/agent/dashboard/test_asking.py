"""Claims about addresses: what one asks for, said back exactly, and never an error of the reader's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.agent.dashboard.asking import LONGEST_TEXT, Asked, AskedError, read

NOON_NS = 1_795_953_600 * 10**9
"""2026-11-29 12:00:00 UTC."""
HOUR_NS = 3_600 * 10**9


def asked(query: str = "", path: str = "/routes") -> Asked:
    pairs = [(key, value) for key, _, value in (part.partition("=") for part in query.split("&")) if key]
    return read(path, pairs, now_ns=NOON_NS)


def test_a_plain_address_asks_for_the_last_day() -> None:
    """Up to a second from now, so that what was just booked is in it."""
    plain = asked()
    assert (plain.span, plain.since_ns, plain.until_ns) == ("24h", NOON_NS - 24 * HOUR_NS, NOON_NS + 10**9)
    assert plain.url() == "/routes"


def test_a_length_begins_with_a_whole_hour() -> None:
    """At 12:40 the last hour is what came since 11:00: sums are kept by the hour, and a part of one would be none."""
    found = read("/x", [("span", "1h")], now_ns=NOON_NS + 40 * 60 * 10**9)
    assert found.since_ns == NOON_NS - HOUR_NS


def test_an_address_knows_where_the_agent_was_reached() -> None:
    """So that a page can say what to export."""
    assert read("/", [], now_ns=NOON_NS, origin="http://127.0.0.1:4319").origin == "http://127.0.0.1:4319"


def test_a_stretch_has_two_ends() -> None:
    """In UTC, as everywhere; without a length then."""
    found = asked("since=2026-11-20&until=2026-11-21T06:00")
    assert found.until_ns - found.since_ns == 30 * HOUR_NS
    assert found.span == ""
    assert asked("since=6h").since_ns == NOON_NS - 6 * HOUR_NS


def test_an_address_changes_one_thing() -> None:
    """The rest stays; an empty value takes away; another order begins at the first page."""
    found = asked("span=7d&label=tenant=acme&sort=-cost&page=3")
    assert found.url(sort="calls") == "/routes?span=7d&label=tenant%3Dacme&sort=calls"
    assert found.url(label="") == "/routes?span=7d&sort=-cost"
    assert found.url(page=4) == "/routes?span=7d&label=tenant%3Dacme&sort=-cost&page=4"


def test_another_page_keeps_time_and_label_only() -> None:
    """A search or an order of one page means nothing on the next."""
    assert asked("span=7d&label=env=prod&find=x&sort=a").link("/calls") == "/calls?span=7d&label=env%3Dprod"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("span=5m", "none of 1h, 24h, 7d, 30d, 90d"),
        ("since=yesterday", "names no time"),
        ("since=2026-11-21&until=2026-11-20", "is not before"),
        ("label=acme", "write name=value"),
        ("page=0", "write a number from 1 on"),
        ("page=-1", "write a number from 1 on"),
        ("page=٣", "write a number from 1 on"),
        ("page=" + "9" * 50, "write a number from 1 on"),
        ("find=" + "x" * (LONGEST_TEXT + 1), f"most may have {LONGEST_TEXT}"),
    ],
)
def test_what_cannot_be_is_said(query: str, said: str) -> None:
    """With what to write instead, in the words of an address and not of a command."""
    with pytest.raises(AskedError, match=said) as caught:
        asked(query)
    assert "--" not in str(caught.value)


def test_what_nobody_knows_is_passed_over() -> None:
    """Such as what other sites add to links."""
    assert asked("utm_source=x&span=7d").given == {"span": "7d"}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["span", "since", "until", "label", "find", "sort", "page"]), st.text())))
def test_any_address_is_read_or_refused(query: list[tuple[str, str]]) -> None:
    """Whatever stands in it; and what was read is said back so that it reads the same."""
    try:
        found = read("/x", query, now_ns=NOON_NS)
    except AskedError:
        return
    assert found.since_ns < found.until_ns
    assert read("/x", found.given.items(), now_ns=NOON_NS) == found


def test_a_place_in_a_long_list() -> None:
    """An instant and a name, which may have underscores itself; another filter begins at the newest again."""
    found = asked("before=12_a_b&state=refused")
    assert (found.before, found.about("state"), found.about("model")) == ((12, "a_b"), "refused", "")
    assert found.url(model="opus") == "/routes?state=refused&model=opus"
    assert found.url(before="9_c") == "/routes?before=9_c&state=refused"
    assert found.url(table="calls") == "/routes?before=12_a_b&state=refused&table=calls"
