"""The adviser hands over only marks that are advised for exactly this route, and saves the agent from its faults."""

from __future__ import annotations

import sqlite3
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from bursar.agent.advice.caching.adviser import CommandAdviser, advised, literally
from bursar.agent.ledger import Ledger
from bursar.agent.settings import Settings
from bursar.policies.cachemarks import Mark

ONE: dict[str, Any] = {
    "id": "r1",
    "kind": "cut",
    "route": "chat",
    "model": "claude-opus-5-5",
    "advised": True,
    "dismissed": None,
    "saving_nano_usd_per_day": {"from": 0, "expected": 5, "to": 10},
    "evidence": {"marks": [{"place": "system", "ttl": "1h"}], "predicted_share_saved": 0.9},
}


def test_what_saves_something_is_handed_over() -> None:
    (found,) = advised({"recommendations": [ONE]}, "chat", 7)
    assert (found.marking.id, found.marking.marks, found.predicted) == ("r1", (Mark("system", "1h"),), 0.9)
    assert (found.marking.route, found.marking.model, found.at_ns) == ("chat", "claude-opus-5-5", 7)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "move"},
        {"route": "chat.deep"},
        {"advised": False},
        {"dismissed": {"reason": "no"}},
        {"saving_nano_usd_per_day": None},
        {"saving_nano_usd_per_day": {"from": -1, "expected": 5, "to": 10}},
        {"saving_nano_usd_per_day": {"from": 0, "expected": 0, "to": 0}},
        {"evidence": {"marks": [], "predicted_share_saved": 0.0}},
    ],
)
def test_what_does_not_or_is_for_something_else_is_not(changes: dict[str, Any]) -> None:
    assert list(advised({"recommendations": [{**ONE, **changes}]}, "chat", 7)) == []


@pytest.mark.parametrize("route", ["chat", "a*b", "what?", "[x]", "module:function"])
def test_a_route_is_taken_literally(route: str) -> None:
    """By both kinds of glob: Python's and SQLite's."""
    glob = literally(route)
    found = sqlite3.connect(":memory:").execute("SELECT ? GLOB ?, ? GLOB ?", [route, glob, f"{route}x", glob])
    assert found.fetchone() == (1, 0)
    assert (fnmatchcase(route, glob), fnmatchcase(f"{route}x", glob)) == (True, False)


def test_a_command_that_fails_is_logged_and_advises_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Ledger(tmp_path / "db", clock_ns=lambda: 1).close()
    bad = tmp_path / "prices.toml"
    bad.write_text("nonsense")
    adviser = CommandAdviser(Settings(tmp_path, tmp_path / "db", prices=bad))
    assert adviser("chat", 0, 10**15) == []
    assert "no cache marks are advised for chat" in caplog.text
    assert "prices.toml" in caplog.text


def test_one_that_is_stopped_asks_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    adviser = CommandAdviser(Settings(tmp_path, tmp_path / "none"))
    adviser.stop()
    assert adviser("chat", 0, 10**15) == []
    assert caplog.text == ""
