"""Claims about the cells of a table: exact where they are pointed at, escaped, and nothing by colour alone."""

from __future__ import annotations

from datetime import UTC

import pytest
from tests.agent.dashboard.shown import HOSTILE, NOON, SECOND

from bursar.agent.dashboard import cells
from bursar.agent.dashboard.page import Now
from bursar.agent.dashboard.table import Column, Kind, Part, Row, Table, Value
from bursar.policies.amounts import Unit
from bursar.policies.pricefile import shipped_book

AT_NOON = Now(NOON, UTC, shipped_book())
BEYOND_FLOATS = 2**53 * 10**3 + 1


@pytest.mark.parametrize(
    ("value", "kind", "unit", "html"),
    [
        (None, Kind.MONEY, "usd", "–"),
        (
            *(BEYOND_FLOATS, Kind.MONEY, "usd"),
            '<span title="9007199254.740992001 USD">$9,007,199,254.74</span>',
        ),
        (2_000_000, Kind.AMOUNT, "tokens", '<span title="2,000,000 tokens">2,000,000 tokens</span>'),
        (2_000_000, Kind.AMOUNT, "usd", '<span title="0.002 USD">$0.002</span>'),
        (1_234, Kind.COUNT, "usd", "1,234"),
        (0.5, Kind.SHARE, "usd", "50%"),
        (1_500_000_000, Kind.DURATION, "usd", "1.5 s"),
        (NOON, Kind.INSTANT, "usd", '<time datetime="2026-11-21T12:00:00Z">2026-11-21 12:00:00</time>'),
        (
            *(NOON + 12_000 * SECOND, Kind.UNTIL, "usd"),
            '<time datetime="2026-11-21T15:20:00Z" title="2026-11-21 15:20:00">in 3 h 20 min</time>',
        ),
        ("a & b", Kind.TEXT, "usd", "a &amp; b"),
        ("&" * cells.LONGEST, Kind.TEXT, "usd", "&amp;" * cells.LONGEST),
        (
            *("x" * cells.LONGEST + '"', Kind.TEXT, "usd"),
            f'<span title="{"x" * cells.LONGEST}&#34;">{"x" * cells.LONGEST}…</span>',
        ),
    ],
)
def test_a_value_as_html(value: Value, kind: Kind, unit: Unit, html: str) -> None:
    """Rounded for a glance, with the whole of it as a title."""
    assert cells.written(value, kind, AT_NOON, unit) == html


@pytest.mark.parametrize(
    ("share", "limit", "mood", "width"),
    [(0.25, True, "", "25.0"), (0.8, True, " warn", "80.0"), (1.5, True, " bad", "100.0"), (1.0, False, "", "100.0")],
)
def test_a_bar_is_as_long_as_the_share(share: float, limit: bool, mood: str, width: str) -> None:
    """At most the whole; in another colour near a limit, and never for progress. The figure stands beside it."""
    drawn = cells.meter(share, limit=limit)
    assert f'class="meter{mood}"' in drawn
    assert f'<rect width="{width}"' in drawn
    assert "50%" in cells.written(0.5, Kind.METER, AT_NOON)


def test_names_of_others_are_texts_everywhere() -> None:
    """In a cell, a link and a label of a trend."""
    columns = (Column("route", HOSTILE), Column("trend", HOSTILE, Kind.TREND), Column("budget", "Budget"))
    row = Row({"route": HOSTILE, "budget": HOSTILE}, HOSTILE, {"trend": [1, 2]}, links={"budget": HOSTILE})
    drawn = cells.rows(Table("t", "T", columns, (row,)), AT_NOON)
    assert "<script" not in drawn
    assert "\"'" not in drawn
    assert drawn.count("&lt;script&gt;") == 5


def test_a_mix_is_as_wide_as_its_parts() -> None:
    """One behind the other, each with its name; the largest stands beside the bar, and all are read out."""
    columns = (Column("models", "Models", Kind.MIX),)
    parts = (Part("opus", 0.75, 1), Part("<b>", 0.25, 8))
    (drawn,) = cells.rows(
        Table("t", "T", columns, (Row({"models": "opus 75%, <b> 25%"}, parts={"models": parts}),)), AT_NOON
    ).splitlines()
    assert '<rect x="0.0" width="75.0" height="10" class="fill-1"><title>opus 75%</title></rect>' in drawn
    assert '<rect x="75.0" width="25.0" height="10" class="fill-8"><title>&lt;b&gt; 25%</title></rect>' in drawn
    assert 'aria-label="opus 75%, &lt;b&gt; 25%"' in drawn
    assert drawn.endswith("</svg> opus 75%</span></td></tr>")
    assert cells.mix(parts[:1], "").endswith("</svg> opus</span>")
    assert cells.mix((), "") == "–"


def test_links_badges_and_lines_that_stay_whole() -> None:
    """The first cell leads to what the row is about, another one where it says."""
    columns = (Column("at", "At"), Column("budget", "Budget", whole=True))
    row = Row({"at": "a", "budget": "day"}, "/calls/a", badges={"at": "bad"}, links={"budget": "/budgets/day"})
    assert cells.rows(Table("t", "T", columns, (row, row)), AT_NOON).splitlines()[0] == (
        '<tr><td class="text bad"><a href="/calls/a">a</a></td>'
        '<td class="text whole"><a href="/budgets/day">day</a></td></tr>'
    )


def test_a_trend_is_drawn_within_its_box() -> None:
    """The most reaches the top, nothing stays on the ground."""
    assert cells.points([0, 5, 10], width=96, height=22) == "0.0,21.0 48.0,11.0 96.0,1.0"
    assert cells.points([]) == ""
