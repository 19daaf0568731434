"""The command is asked for everything, in a process of its own, and its faults are no faults of the agent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.agent.advice.test_command import db  # noqa: F401 - a fixture

from bursar.agent.advice.asking import NICENESS, AdviceCommand
from bursar.agent.ledger import Ledger
from bursar.agent.settings import Settings

HOUR_NS = 3_600 * 10**9


def test_all_that_is_advised_is_told(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Of all routes, from a process that gives way to the agent."""
    slowed: list[Sequence[int]] = []
    monkeypatch.setattr(os, "setpriority", lambda *values: slowed.append(values))
    found = AdviceCommand(Settings(db.parent, db))(2 * HOUR_NS)
    assert found is not None
    assert [(one["route"], one["dismissed"]) for one in found] == [("docs", None), ("support.triage", None)]
    assert [(which, by) for which, _, by in slowed] == [(os.PRIO_PROCESS, NICENESS)]


def test_a_command_that_fails_is_logged_and_tells_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Ledger(tmp_path / "db", clock_ns=lambda: 1).close()
    bad = tmp_path / "prices.toml"
    bad.write_text("nonsense")
    assert AdviceCommand(Settings(tmp_path, tmp_path / "db", prices=bad))(HOUR_NS) is None
    assert "what could be saved is not worked out" in caplog.text
    assert "prices.toml" in caplog.text


def test_one_that_is_stopped_asks_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asking = AdviceCommand(Settings(tmp_path, tmp_path / "none"))
    asking.stop()
    assert asking(HOUR_NS) is None
    assert caplog.text == ""
