"""Claims about what stands now, as it is asked for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.agent.asking import alone, answer, bursar, lines, small_ledger

from bursar.agent.ledger import Ledger


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small ledger that all commands find."""
    path = small_ledger(tmp_path / "bursar.sqlite")
    monkeypatch.setenv("BURSAR_DB", str(path))
    return path


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)


def test_budgets(db: Path) -> None:
    """The balance of this month: 1.75 of 4 USD spent, 0.50 of it a bound, and a call in flight."""
    (row,) = answer("budgets")["budgets"]
    assert (row["budget"], row["limit"], row["spent"]) == ("all-month", 4_000_000_000, 1_750_000_000)
    assert (row["unknown_nano"], row["expected"]) == (500_000_000, 5)
    assert row["window_start"].endswith("-01T00:00:00Z")
    said = lines(bursar("budgets"))
    assert "all-month all 1.75 0.50 0.000000005 4.00 ████░░░░░░ 43%" in said


def test_no_budgets(tmp_path: Path) -> None:
    """An empty ledger says so."""
    Ledger(tmp_path / "new.sqlite", clock_ns=time.time_ns).close()
    assert lines(bursar("budgets", "--db", str(tmp_path / "new.sqlite"))) == ["No budget counts anything now."]
    assert lines(bursar("holds", "--db", str(tmp_path / "new.sqlite"))) == ["No call is in flight."]


def test_holds(db: Path) -> None:
    """The one call that has not come back."""
    (row,) = answer("holds")["holds"]
    assert (row["attempt_id"], row["route"], row["bound_nano"]) == ("a4", "desk:answer", 9)
    assert any(line.endswith("s desk:answer sent 0.000000005 0.000000009") for line in lines(bursar("holds")))
