"""Claims about a route's page: what it costs and could save, what its prompts share, and where each call leads."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.agent.dashboard.routeshouse import ADVICE, HAIKU, NAMES, NOON, RoutesHouse, texts
from tests.agent.dashboard.test_pages import NOON_NS
from tests.agent.ledger.booked import OPUS, used

from bursar.agent.dashboard import routepage
from bursar.agent.ledger import advicebook, markingbook, verdictbook
from bursar.agent.ledger.advicebook import Kept
from bursar.agent.ledger.markingbook import Pulled
from bursar.agent.ledger.verdictbook import Dismissal
from bursar.policies.cachemarks import Mark, Marking
from bursar.policies.usage import Usage


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutesHouse]:
    made = RoutesHouse(tmp_path_factory.mktemp("house"))
    yield made
    made.ledger.close()


def table(house: RoutesHouse, name: str, url: str = "/routes/chat") -> list[dict[str, str]]:
    return list(csv.DictReader(house.csv(url, name)))


def test_models_are_told_by_what_was_asked_for_and_served(house: RoutesHouse) -> None:
    """Three calls of 14,200,000 nano-dollars as asked, one of 360,000 instead; one failed, one was refused."""
    told = [(row["requested"], row["served"], row["calls"], row["cost_usd"]) for row in table(house, "models")]
    assert told[:2] == [(OPUS, OPUS, "3", "0.0426"), (OPUS, HAIKU, "1", "0.00036")]
    assert [row["refused"] for row in table(house, "models")] == ["0", "0", "1"]
    assert table(house, "models")[0]["errors"] == "0.25"


def test_the_last_calls_lead_to_their_pages(house: RoutesHouse) -> None:
    """The newest first, with what became of each."""
    assert [row["became"] for row in table(house, "calls")] == [
        "settled",
        "released, http 529",
        "settled",
        "settled",
        "settled, downgrade",
    ]
    html = house.page("/routes/chat?span=7d&sort=-cost")
    assert '<a href="/calls/c0?span=7d">' in html
    assert '<a href="/calls?span=7d&amp;route=chat">All calls of this route</a>' in html


def test_advice_is_told_with_its_dollars_and_its_commands(house: RoutesHouse) -> None:
    """What is expected, from what to what; the change as code; how to put it aside; never as markup."""
    html = house.page("/routes/chat")
    assert 'title="0.173125 USD">$0.17<' in html
    said = unescape(texts(html))
    assert "$0.00 to $0.35" in said
    assert "Mark system for 5m: <b>now</b>." in said
    assert "43 calls looked at" in said
    assert 'system=[{"cache_control": {"type": "ephemeral"}}]' in said
    assert "bursar advise dismiss 7a257096 --reason TEXT" in said
    assert "bursar advise --route chat --all" in said
    assert "bursar eval --route chat --candidate MODEL" in said
    assert table(house, "advice")[0]["expected_usd"] == "0.173125"


def test_the_picture_shows_what_prompts_share_and_where_a_mark_should_stand(house: RoutesHouse) -> None:
    """Four prompts of a block that all have and one of their own, equally long: 2,000 tokens each as billed."""
    html = house.page("/routes/chat")
    said = texts(html)
    assert "Nearly all of the last 4 prompts begin with the same 2,000 tokens, where a typical one has 4,000" in said
    assert "behind that they go on in 4 ways" in said
    assert "△ system 5m" in said
    assert html.count('<rect class="box messages"') == 4
    assert [(row["stretch"], row["tokens"], row["shared"], row["advised"]) for row in table(house, "stretches")] == [
        ("system", "2000", "by all", "system 5m"),
        ("messages[0]", "2000", "by few", ""),
    ]


def test_marks_without_a_place_of_their_own_are_told(tmp_path: Path) -> None:
    """The end of each request is where each request ends."""
    house = RoutesHouse(tmp_path)
    marks = {"evidence": {"marks": [{"place": "tail", "ttl": "5m"}]}}
    house.ledger.submit(lambda db: advicebook.keep(db, Kept(2, 0, 1, [{**ADVICE, **marks}]))).result()
    assert "A mark at the end of each request for 5m is advised." in texts(house.page("/routes/chat"))
    house.ledger.close()


def test_where_there_are_no_fingerprints_the_page_says_why(house: RoutesHouse) -> None:
    """And what to do; there is no picture then, and no table of it."""
    html = house.page("/routes/mail")
    assert "has a fingerprint. They come from applications" in texts(html)
    assert '<svg class="prefix"' not in html
    assert "stretches" not in html


def test_times_and_lengths_are_drawn(house: RoutesHouse) -> None:
    """Four answers of 100 tokens after a second each, their first token after a quarter of it."""
    said = texts(house.page("/routes/chat"))
    assert "Half of 4 lie below about 99, 95 of 100 below 99. A max_tokens below about 99 would cut" in said
    assert "Half of 4 lie below about 939 ms" in said
    assert "Half of 4 lie below about 235 ms" in said
    assert "Spend by model: claude-opus-5-5 $0.0426, claude-haiku-5-5 $0.00036." in unescape(house.page("/routes/chat"))


@pytest.mark.parametrize("name", NAMES)
def test_any_name_has_its_page(house: RoutesHouse, name: str) -> None:
    """Its filters, orders and tables lead back to it; nothing of the name is markup."""
    url = f"/routes/{quote(name, safe='')}"
    html = house.page(url)
    assert f"<h1>{name}</h1>" in unescape(html)
    assert "<script>alert" not in html
    assert 'onmouseover="alert' not in html
    assert f'action="{url}"' in html
    (back,) = re.findall(r'href="([^"]+table=calls)"', html)
    assert unescape(back) == f"{url}?table=calls"
    assert len(house.csv(unescape(back).partition("?")[0], "calls")) == 2


def test_a_route_that_nobody_ever_called_is_not_there(house: RoutesHouse) -> None:
    """Neither one that is begun by another's name; what it was is told as text."""
    for name in ("nobody", "cha", "chat/", "%3Cb%3E"):
        (answer,) = house.get(f"/routes/{name}")
        assert (answer.status_code, "No call of a route" in answer.text) == (404, True)
        assert "<b>" not in answer.text


def test_a_route_without_calls_of_this_time_has_a_page(house: RoutesHouse) -> None:
    """It says to look at a longer time."""
    said = texts(house.page("/routes/mail?span=1h"))
    assert "No call in this time. Look at a longer one above." in said
    assert "There is nothing to do: too few of its calls were in that time" in said


def test_advice_that_is_not_there_yet_is_said(tmp_path: Path) -> None:
    """Before the first was worked out, and where all of it was put aside."""
    house = RoutesHouse(tmp_path)
    house.ledger.submit(lambda db: db.conn.execute("DELETE FROM advice")).result()
    assert "Nothing was worked out yet: the agent does that a few minutes after its start" in texts(
        house.page("/routes/chat")
    )
    left = {**ADVICE, "id": "b", "advised": False, "saving_nano_usd_per_day": None, "text": "They are as good as any."}
    house.ledger.submit(lambda db: advicebook.keep(db, Kept(NOON_NS, 0, 1, [ADVICE, left]))).result()
    one = Dismissal("7a257096", "chat", "", 1, "no", "ada", "")
    house.ledger.submit(lambda db: verdictbook.dismiss(db, one)).result()
    said = texts(house.page("/routes/chat"))
    assert "7a257096" not in said
    assert "There is nothing to do: what was looked at stands below." in said
    assert "They are as good as any." in said
    house.ledger.close()


def test_marks_that_bursar_added_stand_on_the_page_of_their_route(tmp_path: Path) -> None:
    """And on no other's, nor where there are none."""
    house = RoutesHouse(tmp_path)
    one = Pulled(Marking("r1", "chat", OPUS, (Mark("system"),)), 0.5, NOON_NS)
    house.ledger.submit(lambda db: markingbook.put_in_force(db, one)).result()
    assert "Marks that Bursar added" in house.page("/routes/chat")
    assert [row["state"] for row in table(house, "markings")] == ["on trial"]
    assert "Marks that Bursar added" not in house.page("/routes/mail")
    house.ledger.close()


def test_calls_without_a_route_have_a_page_too(tmp_path: Path) -> None:
    house = RoutesHouse(tmp_path)
    assert house.get("/routes/")[0].status_code == 404
    house.book(used("x1", Usage(input=10), at=NOON, route=""))
    assert "<h1>(no route)</h1>" in house.page("/routes/")
    assert '<a href="/routes/">(no route)</a>' in house.page("/routes")
    house.ledger.close()


def test_a_page_reads_no_more_however_many_calls_there_are(house: RoutesHouse) -> None:
    """So many last calls, and so many prompts for the picture."""
    assert (routepage.LAST_CALLS, len(table(house, "calls"))) == (20, 5)
