"""Claims about the table of routes: every route once, the dearest first, with what it costs and how it fares."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.agent.dashboard.routeshouse import ADVICE, HANDLER, LONG, NAMES, SCRIPT, UNICODE, RoutesHouse, texts

from bursar.agent.dashboard import routespage
from bursar.agent.ledger import advicebook, verdictbook
from bursar.agent.ledger.advicebook import Kept
from bursar.agent.ledger.verdictbook import Dismissal

ROUTES = ["chat", "mail", "desk", *sorted(NAMES)]
"""By what they cost; equally dear ones by name."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutesHouse]:
    made = RoutesHouse(tmp_path_factory.mktemp("house"))
    yield made
    made.ledger.close()


def rows(house: RoutesHouse, url: str = "/routes") -> list[dict[str, str]]:
    return list(csv.DictReader(house.csv(url, "routes")))


def names(house: RoutesHouse, url: str) -> list[str]:
    return [row["route"] for row in rows(house, url)]


def test_a_route_is_told_by_what_it_costs(house: RoutesHouse) -> None:
    """
    A prompt of 3,000 tokens and 1,000 read, 100 put out: 14,200,000 nano-dollars on Opus 5.5 (4, 0.20 and 20 USD).

    Three of them, and one on Haiku 5.5 for 360,000 (0.10, 0.01 and 0.50 USD); of five attempts one failed.
    """
    chat = rows(house)[0]
    assert (chat["route"], chat["calls"], chat["cost_usd"]) == ("chat", "4", "0.04296")
    assert (chat["per_call_usd"], chat["cached"], chat["errors"]) == ("0.01074", "0.25", "0.2")
    assert (chat["refused"], chat["escalated"], chat["could_save_usd"]) == ("1", "0.0", "0.173125")
    assert (chat["p50_seconds"], chat["p95_seconds"], chat["first_token_seconds"]) == ("0.939", "0.939", "0.235")
    assert chat["models"] == "opus-5-5 99%, haiku-5-5 0.8%"


def test_tiles_are_of_all_that_is_shown(house: RoutesHouse) -> None:
    """0.04296 and 0.0201 and 0.012 USD, and five times ten tokens of 4 USD per MTok: exact beside rounded."""
    assert 'title="0.07526 USD">$0.07526<' in house.page("/routes")
    assert 'title="0.04296 USD">$0.04296<' in house.page("/routes?find=cha")


def test_the_dearest_comes_first_and_any_column_can(house: RoutesHouse) -> None:
    """A figure that is not known comes last, whichever way it is sorted."""
    assert names(house, "/routes") == ROUTES
    assert names(house, "/routes?sort=cost")[-3:] == ["desk", "mail", "chat"]
    assert names(house, "/routes?sort=-cached")[0] == "chat"
    assert names(house, "/routes?sort=-could_save")[0] == "chat"
    assert names(house, "/routes?sort=could_save")[0] == "chat"


def test_a_route_is_found_by_a_part_of_its_name(house: RoutesHouse) -> None:
    """Whatever the case; nothing that is found is said, with what to do."""
    assert names(house, "/routes?find=CHA") == ["chat"]
    assert names(house, f"/routes?find={UNICODE[:3]}") == [UNICODE]
    assert "Empty the search to see all." in house.page("/routes?find=nothing-like-it")


def test_time_and_label_are_in_the_address(house: RoutesHouse) -> None:
    """An hour holds no mail, which is two hours ago; of a label there is what has it, and its choice stays."""
    assert "mail" not in names(house, "/routes?span=1h")
    assert names(house, "/routes?label=tenant%3Dacme") == ["mail"]
    page = house.page("/routes?label=tenant%3Dacme")
    assert 'value="tenant=acme" selected' in page
    assert "Times are of all calls of a route, whatever their labels." in page
    assert "Look at a longer one" in house.page("/routes?label=tenant%3Dnobody")


def test_a_name_leads_to_its_page(house: RoutesHouse) -> None:
    """For the same time and label, whatever the name holds."""
    html = house.page("/routes?span=7d&find=e")
    links = re.findall(r'<a href="(/routes/[^"?]+)\?span=7d"', html)
    assert {unquote(link.removeprefix("/routes/")) for link in links} >= {SCRIPT, HANDLER, UNICODE, "desk"}
    assert all("/" not in link.removeprefix("/routes/") for link in links)


def test_names_are_text_and_nothing_else(house: RoutesHouse) -> None:
    """No tag of theirs, no attribute; a long one is told whole."""
    html = house.page("/routes")
    assert "<script>alert" not in html
    assert 'onmouseover="alert' not in html
    assert LONG in texts(html)


def test_money_over_time_is_drawn_by_route(house: RoutesHouse) -> None:
    """The dearest seven and the rest, in areas, and in a sentence for who cannot see them."""
    html = house.page("/routes")
    assert 'aria-label="Spend by route: chat $0.04296, mail $0.0201, desk $0.012, ' in html
    assert "other $0.00004" in html
    assert html.count("<polyline") == len(rows(house))


def test_what_was_put_aside_could_not_save(tmp_path: Path) -> None:
    house = RoutesHouse(tmp_path)
    one = Dismissal("7a257096", "chat", "", 1, "no", "ada", "")
    house.ledger.submit(lambda db: verdictbook.dismiss(db, one)).result()
    assert rows(house)[0]["could_save_usd"] == ""
    house.ledger.close()


def test_advice_for_all_routes_stands_below_them(tmp_path: Path) -> None:
    """With its code, and the command that puts it aside; where there is none, neither has it a place."""
    house = RoutesHouse(tmp_path)
    assert "Of all routes" not in house.page("/routes")
    one = {**ADVICE, "id": "c", "route": "", "kind": "coverage", "text": "Name them.", "snippet": "with route(x):"}
    house.ledger.submit(lambda db: advicebook.keep(db, Kept(2, 0, 1, [one]))).result()
    said = texts(house.page("/routes"))
    assert "Of all routes Name them. with route(x): Not wanted? bursar advise dismiss c --reason TEXT" in said
    house.ledger.close()


def test_of_very_many_the_dearest_are_shown(house: RoutesHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """And how many more there are, and how to find them."""
    monkeypatch.setattr(routespage, "MOST_ROWS", 2)
    assert names(house, "/routes") == ["chat", "mail"]
    more = len(NAMES) + 1
    assert f"The 2 dearest are shown; {more} more are found by a part of their name." in texts(house.page("/routes"))
