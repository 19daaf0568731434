"""The demo, as anybody would run it: the books agree, nothing is overspent, every step acts and is told once."""

from __future__ import annotations

import pytest
from tests.browser.kept import Kept

pytestmark = pytest.mark.xdist_group("browser")
"""The browser looks at the same demo: it is played once."""


def test_the_ledger_is_the_bill_to_the_nano_dollar(demo: Kept) -> None:
    """Two accounts that share no code."""
    data = demo.report
    assert data["ledger_nano_usd"] == data["sandbox_nano_usd"] > 0


def test_nothing_is_spent_beyond_the_limit_and_almost_all_of_it_is_used(demo: Kept) -> None:
    """At least 95%: the last calls are refused because they might not fit, and no earlier ones."""
    data = demo.report
    assert data["overspend_nano_usd"] == 0
    assert data["limit_nano_usd"] * 95 // 100 <= data["ledger_nano_usd"] <= data["limit_nano_usd"]


def test_every_step_acts_and_is_told_exactly_once(demo: Kept) -> None:
    """Half, four fifths, and the end: one message each, whatever number of threads crossed them together."""
    data = demo.report
    assert data["alerts"] == {"50%": 1, "80%": 1, "100%": 1}
    assert data["steps"]["downgrade"] >= 1
    assert data["steps"]["block"] >= 1
    assert data["steps"]["alert"] == 3


def test_digests_are_put_off_and_their_answers_arrive(demo: Kept) -> None:
    """All four of them, at half the price, while the desk works on."""
    data = demo.report
    assert data["steps"]["batch"] == 4
    assert data["put_off"] == {"calls": 4, "delivered": 4, "saved_nano_usd": data["by_route"]["support.digest"]}


def test_spend_is_told_by_route_and_model_and_adds_up(demo: Kept) -> None:
    """Four routes, found without a change to the application; three models; both add up to the total."""
    data = demo.report
    assert set(data["by_route"]) == {"support.triage", "support.answer", "support.follow_up", "support.digest"}
    assert set(data["by_model"]) == {"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"}
    assert sum(data["by_route"].values()) == sum(data["by_model"].values()) == data["ledger_nano_usd"]
    assert data["charges"] >= data["calls"] > 0


def test_the_first_recommendation_is_to_mark_the_handbook_and_saves_what_it_said(demo: Kept) -> None:
    """The long system prompt that is the same every time; predicted from fingerprints, seen on the bill, within 2%."""
    lever = demo.report["lever"]
    assert (lever["route"], lever["calls"]) == ("support.answer", 25)
    assert "cache_control" in lever["snippet"]
    assert (
        lever["saved_nano_usd"] == lever["without_nano_usd"] - lever["with_nano_usd"] > lever["without_nano_usd"] // 2
    )
    assert abs(lever["saved_nano_usd"] - lever["predicted_nano_usd"]) * 50 <= lever["saved_nano_usd"]
