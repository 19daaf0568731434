"""Claims about the page of calls: the newest first, refusals among them, found by a name or by what they are."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from sqlite_utils import Database
from tests.agent.dashboard.decided import HAIKU, booked, moved, refused
from tests.agent.dashboard.shown import HOSTILE, NOON, SECOND, cells, ledger, markup, page, text
from tests.agent.ledger.booked import OPUS, used

from bursar.agent.dashboard import callspage
from bursar.agent.dashboard.asking import AskedError
from bursar.agent.dashboard.table import to_csv
from bursar.policies.usage import Usage

USD = 10**9


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        booked(memory, moved(), refused(), used("plain", Usage(input=1), at=NOON // SECOND - 90))
        yield memory


def test_calls_and_refusals_the_newest_first(db: Database) -> None:
    """What was asked and served, what was decided, what it cost and how sure that is."""
    columns = ("state", "asked", "served", "action", "budget", "cost", "basis", "took", "first")
    assert cells(page(db, "/calls"), "calls", *columns) == [
        ("refused", OPUS, None, "block (spent)", "day", None, None, None, None),
        ("settled", OPUS, HAIKU, "downgrade (step)", "day", 150_000, "usage", 1_500_000_000, 200_000_000),
        ("settled", OPUS, OPUS, "go", None, 4_000, "usage", None, None),
    ]


@pytest.mark.parametrize("name", ["moved", "req_moved", "msg_moved"])
def test_any_name_of_a_call_finds_it(db: Database, name: str) -> None:
    """Whatever else is asked for; with a link to its page."""
    found = page(db, f"/calls?find={name}&state=refused")
    assert cells(found, "calls", "id") == [("moved",)]
    assert f'href="/calls/{name}"' in markup(db, f"/calls?find={name}")


def test_a_refusal_is_found_by_the_errors_decision_id(db: Database) -> None:
    """The one that an application has."""
    assert cells(page(db, "/calls?find=refused-asked"), "calls", "state") == [("refused",)]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("state=refused", ["refused"]),
        ("action=downgrade", ["moved"]),
        ("model=haiku", ["moved"]),
        ("find=des", ["refused", "moved", "plain"]),
        ("route=des", []),
        ("label=tenant=acme", []),
        ("span=24h&state=settled", ["moved", "plain"]),
    ],
)
def test_filters(db: Database, query: str, ids: list[str]) -> None:
    """Each stands in the address."""
    assert [str(name).split("@")[0] for (name,) in cells(page(db, f"/calls?{query}"), "calls", "id")] == ids


@pytest.mark.parametrize("query", ["state=gone", "action=dance", "before=x", "before=-1_a", f"before={2**63}_a"])
def test_what_cannot_be_asked_is_said(db: Database, query: str) -> None:
    """With what can."""
    with pytest.raises(AskedError):
        page(db, f"/calls?{query}")


def test_older_ones_are_a_link_away(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as fit, then the rest; and back to the newest."""
    monkeypatch.setattr(callspage, "SHOWN", 2)
    first = markup(db, "/calls?find=desk")
    assert "Searched back to" in first
    (link,) = [part.split('"')[0] for part in first.split('href="')[1:] if "before=" in part]
    link = link.replace("&amp;", "&")
    assert cells(page(db, link), "calls", "id") == [("plain",)]
    assert "newest" in text(db, link)


def test_a_long_search_says_how_far_it_came(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing was found yet, that is not said to be nothing."""
    monkeypatch.setattr("bursar.agent.ledger.callbook.LOOK", 1)
    assert "go on to older ones below" in text(db, "/calls?find=nothing")


def test_labels_are_offered(db: Database) -> None:
    """Those that calls of the time had."""
    booked(db, moved("labelled", labels={"tenant": "acme"}))
    assert '<option value="tenant=acme">' in markup(db, "/calls")


def test_nothing_at_all_says_what_to_do() -> None:
    """Before the first call."""
    with ledger() as db:
        assert "`bursar run -- python app.py`" in text(db, "/calls")


def test_a_spreadsheet_gets_the_page(db: Database) -> None:
    """Exact, with instants in UTC."""
    assert to_csv(page(db, "/calls?state=settled").table("calls")).splitlines()[1] == (
        "2026-11-21T11:59:00Z,desk,claude-opus-5-5,claude-haiku-5-5,downgrade (step),day,settled,0.00015,usage,1.5,0.2,"
        "moved"
    )


def test_names_are_texts(db: Database) -> None:
    """Of routes, and of what is searched for."""
    booked(db, moved(HOSTILE, route=HOSTILE))
    for url in ("/calls", f"/calls?find={quote(HOSTILE)}", f"/calls?model={quote(HOSTILE)}"):
        assert "<script>alert" not in markup(db, url)
    assert HOSTILE in text(db, f"/calls?find={quote(HOSTILE)}")
