"""Claims about a call's page: the reason first, in one sentence, then every figure behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pytest
from sqlite_utils import Database
from tests.agent.cascading import escalated
from tests.agent.dashboard.decided import booked, moved, refused
from tests.agent.dashboard.shown import HOSTILE, NOON, SECOND, ledger, markup, page, text
from tests.agent.ledger.booked import OPUS, put, used
from tests.agent.ledger.deferred import opened, taken

from bursar.agent.dashboard.page import NotThereError
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Released, Sent, Settled
from bursar.policies.usage import Usage


@pytest.fixture
def db() -> Iterator[Database]:
    with ledger() as memory:
        booked(memory, moved(labels={"tenant": "acme"}), refused())
        yield memory


def test_a_refusal_says_why_in_its_first_sentence(db: Database) -> None:
    """Then that the same figures lead to it again, and how to see that in a terminal."""
    said = text(db, "/calls/refused-asked")
    assert said.startswith(
        'desk 2026-11-21 11:59:30 Refused by budget "day" (tenant=acme): 9.50 USD of 10.00 USD were spent; '
        "this call may need 20.00 USD, more than is left."
    )
    assert "The same figures lead to the same decision." in said
    assert "refused before it was sent" in said
    assert "bursar explain refused" in said


@pytest.mark.parametrize("name", ["moved", "req_moved", "msg_moved"])
def test_a_call_is_one_page_under_all_its_names(db: Database, name: str) -> None:
    """What was decided, what it cost, how long it took, its labels."""
    said = text(db, f"/calls/{name}")
    assert 'Moved from claude-opus-5-5 to claude-haiku-5-5 by budget "day" (tenant=acme): it stood at 80.00%' in said
    assert "Cost $0.00015 by the API's own figures" in said
    assert "Took 1.5 s first token after 200 ms" in said
    assert "label tenant acme" in said


def test_three_clicks_lead_to_the_reason_of_a_refusal(db: Database) -> None:
    """Budgets, the budget, the refusal: each by a link that the page before shows."""
    budgets = page(db, "/budgets").table("budgets").rows
    (budget,) = [row.links["budget"] for row in budgets if row.cells["budget"] == "day"]
    (refusal,) = [row.href for row in page(db, budget).table("decisions").rows if row.cells["action"] == "block"]
    assert 'Refused by budget "day"' in text(db, refusal)[:80]


def test_figures_that_deny_a_decision_are_told(db: Database) -> None:
    """The page does not say that all is well."""
    db.conn.execute("UPDATE decisions SET decision = json_set(decision, '$.balances[0].spent', 0, '$.least', 1)")
    assert "Made again it comes out otherwise." in text(db, "/calls/refused")


def test_the_book_of_its_prices_is_named(db: Database) -> None:
    """Or that the one in force has no such row any more."""
    assert "Its price rows are those of the book in force: bursar/policies/shipped/prices.toml" in text(
        db, "/calls/moved"
    )
    db.conn.execute("""UPDATE attempts SET lines = replace(lines, '"price_id":"', '"price_id":"old-')""")
    assert "has no row old-claude-haiku-5-5@" in text(db, "/calls/moved")


def test_what_is_not_known_is_never_nothing(db: Database) -> None:
    """Of a charge without a price the cost is a dash, and said to be unknown."""
    put(db, used("odd", Usage(input=5), model="mystery", at=NOON // SECOND))
    said = text(db, "/calls/odd")
    assert "Cost – 1 of 1 unknown" in said
    assert "Not seen in odd" not in said  # what it used is known, and its price is not
    assert "total of what is known" in said


def test_a_span_without_a_call_has_a_page(db: Database) -> None:
    """Known by its result alone, and found by it."""
    charge = Charge("s1", 5, Usage(input=1), Basis.SPAN, OPUS, OPUS, "desk", at_ns=NOON, response_id="msg_s")
    put(db, [Settled(charge)])
    said = text(db, "/calls/msg_s")
    assert "No process told of a decision about this call" in said
    assert "Cost $0.000000005 by somebody's span" in said


def test_a_retry_shows_every_attempt(db: Database) -> None:
    """What failed and why, beside what was answered."""
    first, last = used("second", Usage(input=1), at=NOON // SECOND)
    assert isinstance(first, Sent)
    before = replace(first, attempt_id="first", at_ns=first.at_ns - SECOND)
    put(db, [before, Released("first", "http 529"), first, last])
    found = page(db, "/calls/second")
    assert [row.cells["state"] for row in found.table("attempts").rows] == ["released: http 529", "settled"]
    assert "1 of 2 attempts failed: http 529." in text(db, "/calls/second")


def test_a_call_of_a_cascade_names_its_stage(db: Database) -> None:
    """And leads to the other ones."""
    put(db, escalated("x"))
    assert "It is the strong stage of cascade x, because of not_accepted." in text(db, "/calls/x-strong")
    assert [row.href for row in page(db, "/calls/x-strong").table("cascade").rows] == [
        "/calls/x-cheap",
        "/calls/x-strong",
    ]


def test_a_call_that_was_put_off_says_where_it_is() -> None:
    """Waiting, and until when."""
    with opened() as db:
        taken(db)
        assert "It was put off: queued, due 2026-11-21 14:00:00." in text(db, "/calls/call-a")


@pytest.mark.parametrize("name", ["nothing", "", "%", HOSTILE])
def test_a_call_there_is_none_of(db: Database, name: str) -> None:
    """Said, with what may have become of it."""
    with pytest.raises(NotThereError, match="The ledger has no call"):
        page(db, f"/calls/{quote(name, safe='')}")


def test_names_are_texts() -> None:
    """Of routes, labels and ids; a command quotes them for a shell."""
    with ledger() as db:
        booked(db, moved(HOSTILE, route=HOSTILE, labels={HOSTILE: HOSTILE}))
        shown = markup(db, f"/calls/{quote(HOSTILE, safe='')}")
        assert "<script>alert" not in shown
        assert HOSTILE in text(db, f"/calls/{quote(HOSTILE, safe='')}")
