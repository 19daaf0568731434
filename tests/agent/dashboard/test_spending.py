"""Claims about tiles and areas: exact beside rounded, and what is not known beside every sum."""

from __future__ import annotations

from bursar.agent.dashboard.spending import Tile, added, milliseconds, of_times, over_time, tiles
from bursar.agent.ledger.octaves import step_of
from bursar.agent.ledger.spreadbook import Spread
from bursar.agent.ledger.sumbook import Line, Spend


def told(spend: Spend) -> dict[str, Tile]:
    return {tile.name: tile for tile in tiles(spend)}


def test_what_was_spent_is_told_to_the_nano_dollar() -> None:
    """Also where a float would lose some: 2^53 and one nano-dollar on two calls."""
    found = told(Spend(charges=2, calls=2, nano=2**53 + 1))
    assert (found["Spent"].figure, found["Spent"].exact) == ("$9,007,199.25", "9007199.254740993 USD")
    assert found["Per call"].exact == "4503599.627370496 USD"
    assert (found["Spent"].note, found["Calls"].note) == ("", "")


def test_what_is_not_exact_is_told_beside_it() -> None:
    found = told(Spend(charges=5, calls=3, nano=2 * 10**9, estimated_nano=10**9, unknown=2))
    assert found["Spent"].note == "$1.00 of it estimated, and 2 charges of unknown cost"
    assert found["Calls"].note == "5 charges"


def test_shares_are_of_what_there_was() -> None:
    """A quarter of 400 prompt tokens was read; one of two attempts failed; without calls nothing is a share."""
    found = told(Spend(charges=1, calls=1, input=300, cache_read=100, failures=1, refusals=7))
    assert (found["Read from cache"].figure, found["Read from cache"].note) == ("25%", "of 400 prompt tokens")
    assert (found["Errors"].figure, found["Refused"].figure) == ("50%", "7")
    nothing = told(Spend())
    assert [nothing[name].figure for name in ("Per call", "Read from cache", "Errors")] == ["–", "–", "–"]


def test_spends_are_added_up() -> None:
    assert added([Spend(nano=1, calls=2), Spend(nano=3)]) == Spend(nano=4, calls=2)
    assert added([]) == Spend()


def test_times_are_of_half_and_of_nearly_all() -> None:
    """Nineteen of 1 s and one of 8 s, on steps less than a tenth off."""
    tile = of_times("Latency", Spread(((step_of(1_000), 19), (step_of(8_000), 1))))
    assert (tile.figure, tile.note) == ("939 ms", "95 of 100 within 939 ms")
    assert (of_times("Latency", Spread()).figure, of_times("Latency", Spread()).note) == ("–", "nobody measured it yet")
    assert (milliseconds(3), milliseconds(None)) == (3_000_000, None)


def test_an_area_is_drawn_for_each_that_cost_something() -> None:
    """The dearest first, by the name that people read; the sentence says the sums."""
    lines = [Line("", [0, 10**9], [0, 1]), Line("b", [2 * 10**9, 10**9], [1, 1]), Line("free", [0, 0], [0, 1])]
    chart = over_time("spend", "Spend by route", (0, 60), lines, lambda name: name or "(no route)")
    assert [(line.name, line.values) for line in chart.lines] == [
        ("b", [2 * 10**9, 10**9]),
        ("(no route)", [0, 10**9]),
    ]
    assert chart.summary == "Spend by route: b $3.00, (no route) $1.00."
    assert over_time("spend", "Spend", (), [], str).summary == "Spend: nothing was spent."
