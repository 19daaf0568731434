"""The command is asked for everything, in a process of its own, and its faults are no faults of the agent."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from tests.agent.advice.test_command import charge
from tests.agent.ledger import fresh

from bursar.agent.advice.asking import NICENESS, AdviceCommand
from bursar.agent.ledger import Ledger, verdictbook
from bursar.agent.ledger.verdictbook import Dismissal
from bursar.agent.settings import Settings

HOUR_NS = 3_600 * 10**9


def test_all_that_is_advised_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all routes, dismissed ones too, from a process that gives way to the agent."""
    slowed: list[tuple[int, int]] = []

    def slow(which: int, _: int, by: int) -> None:
        slowed.append((which, by))

    monkeypatch.setattr(os, "setpriority", slow)
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=time.time_ns)
    records = [charge(route, n, time.time_ns() - 60 * 10**9) for route in ("support.triage", "docs") for n in range(10)]
    ledger.book(records, holder="p", policy=None).result()
    first = AdviceCommand(Settings(tmp_path, tmp_path / "db"))(2 * HOUR_NS)
    assert first is not None
    assert sorted(one["route"] for one in first) == ["docs", "support.triage"]
    one = Dismissal(first[0]["id"], first[0]["route"], "", 1, "no", "ada", "")
    ledger.submit(lambda db: verdictbook.dismiss(db, one)).result()
    ledger.close()
    again = AdviceCommand(Settings(tmp_path, tmp_path / "db"))(2 * HOUR_NS)
    assert again is not None
    assert [told["dismissed"] is not None for told in again] == [True, False]
    assert slowed == [(os.PRIO_PROCESS, NICENESS)] * 2


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
