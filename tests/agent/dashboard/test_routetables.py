"""Claims about the tables of a route's page: what was asked for beside what was served, and where each call leads."""

from __future__ import annotations

from tests.agent.dashboard.shared import samples
from tests.agent.dashboard.test_routeadvice import kept, one

from bursar.agent.dashboard.asking import Asked
from bursar.agent.dashboard.prefixes import prefixes
from bursar.agent.dashboard.routeadvice import of_route
from bursar.agent.dashboard.routetables import advice_table, calls_table, markings_table, models_table, stretches_table
from bursar.agent.dashboard.table import to_csv
from bursar.agent.ledger import sumbook
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.agent.ledger.routebook import LastCall
from bursar.agent.ledger.sumbook import Spend
from bursar.policies.cachemarks import Mark, Marking

ASKED = Asked("/routes/chat", 0, 1, given={"span": "7d"})
CALL = LastCall("a/1", 5, "claude-haiku-5-5", "claude-opus-5-5", "settled", "downgrade", 7, 100, 25, 9, 3, None)


def test_models_are_told_by_what_was_asked_for_and_served() -> None:
    """Batches are a share of it; refusals have no model that served; the dearest first."""
    rows = [
        sumbook.Row(("opus", "haiku", "batch"), Spend(charges=1, calls=1, nano=1)),
        sumbook.Row(("opus", "haiku", ""), Spend(charges=3, calls=3, nano=3, failures=1)),
        sumbook.Row(("opus", "opus", ""), Spend(charges=2, calls=2, nano=9, input=3, cache_read=1)),
        sumbook.Row(("opus", "", ""), Spend(refusals=4)),
    ]
    table = models_table(rows, ASKED)
    assert [
        (row.cells["served"], row.cells["cost"], row.cells["batch"], row.cells["refused"]) for row in table.rows
    ] == [
        ("opus", 9, 0.0, 0),
        ("haiku", 4, 0.25, 0),
        (None, 0, None, 4),
    ]
    assert (table.rows[0].cells["cached"], table.rows[1].cells["errors"], table.rows[1].cells["per_call"]) == (
        0.25,
        0.2,
        1,
    )


def test_a_call_leads_to_its_page() -> None:
    """Whatever its id holds, and for the same stretch of time; what was changed about it is said."""
    failed = CALL._replace(state="released", failure="http 529", action="go", prompt=0, cost_nano=None)
    first, second = calls_table([CALL, failed], ASKED).rows
    assert first.href == "/calls/a%2F1?span=7d"
    assert (first.cells["model"], first.cells["became"]) == ("opus-5-5 → haiku-5-5", "settled, downgrade")
    assert (first.cells["read"], first.cells["took"]) == (0.25, 3)
    assert (second.cells["became"], second.cells["read"]) == ("released, http 529", None)
    flying = calls_table([CALL._replace(state="provisional", action="go", model="claude-opus-5-5")], ASKED).rows[0]
    assert (flying.cells["model"], flying.cells["became"]) == ("opus-5-5", "in flight")


def test_the_picture_is_a_table_too() -> None:
    """Part by part; who cannot see it, and a spreadsheet, have the same."""
    three = [("system/rules 500 5m", f"user/{name} 100") for name in "aab"]
    text = to_csv(stretches_table(prefixes(samples(*three), ["system 5m"])))
    assert text.splitlines() == [
        "stretch,tokens,prompts,alike,versions,shared,marked,advised",
        "system,500,3,1.0,1,by all,system 5m in 3,system 5m",
        "messages[0],100,3,0.6666666666666666,2,by most,,",
    ]
    assert stretches_table(None).rows == ()


def test_advice_is_a_table_for_a_spreadsheet() -> None:
    """Also what is to be left as it is; amounts to the nano-dollar."""
    advice = of_route(kept(one("a"), one("b", advised=False, saving_nano_usd_per_day=None)), (), "chat")
    assert to_csv(advice_table(advice)).splitlines() == [
        "id,about,for_model,from_usd,expected_usd,to_usd,text",
        "a,Cache marks,claude-opus-5-5,0.000000001,0.000000005,0.000000009,Mark system.",
        "b,Cache marks,claude-opus-5-5,,,,Mark system.",
    ]
    assert advice_table(None).rows == ()


def test_marks_that_were_added_are_told_with_what_became_of_them() -> None:
    """What was predicted, and what was seen, where enough was."""
    marking = Marking("r1", "chat", "claude-opus-5-5", (Mark("system", "1h"), Mark("tail")))
    trial, back = Pulled(marking, 0.5, 7), Pulled(marking, 0.5, 8, State.TAKEN_BACK, "They did not pay.", -0.1)
    assert to_csv(markings_table([trial, back])).splitlines() == [
        "marks,on_model,state,since,predicted,seen,told",
        '"system 1h, tail",claude-opus-5-5,on trial,1970-01-01T00:00:00Z,0.5,,',
        '"system 1h, tail",claude-opus-5-5,taken back,1970-01-01T00:00:00Z,0.5,-0.1,They did not pay.',
    ]
