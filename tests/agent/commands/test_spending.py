"""Claims about what was spent, as it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.asking import alone, answer, bursar, complaint, lines, small_ledger


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small ledger that all commands find."""
    path = small_ledger(tmp_path / "bursar.sqlite")
    monkeypatch.setenv("BURSAR_DB", str(path))
    return path


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)


def test_a_report(db: Path) -> None:
    """Everything so far, by route and model, in the shape that is public."""
    made = answer("report")
    total = {"calls": 3, "charges": 3, "nano_usd": 1_750_000_000, "estimated_nano_usd": 500_000_000}
    assert {name: made["total"][name] for name in total} == total
    assert made["total"]["unknown_charges"] == 0
    assert [(row["route"], row["model"], row["nano_usd"]) for row in made["rows"]] == [
        ("desk:answer", "claude-opus-5-5", 1_000_000_000),
        ("desk:answer", "claude-haiku-5-5", 500_000_000),
        ("desk:sort", "claude-opus-5-5", 250_000_000),
    ]
    assert made["since"] == "1970-01-01T00:00:00Z"


def test_a_report_of_a_stretch_of_time(db: Path) -> None:
    """From `since` up to `until`: of three charges one is two hours old."""
    assert answer("report", "--since", "1h")["total"]["calls"] == 2
    assert answer("report", "--until", "1h")["total"]["calls"] == 1
    assert answer("report", "--since", "3h", "--until", "1h")["rows"][0]["route"] == "desk:sort"


def test_a_report_by_label(db: Path) -> None:
    """A call without the label has a row of its own."""
    made = answer("report", "--by", "label:tenant, basis")
    assert {(row["label:tenant"], row["basis"], row["nano_usd"]) for row in made["rows"]} == {
        ("acme", "usage", 1_000_000_000),
        (None, "estimate", 500_000_000),
        (None, "usage", 250_000_000),
    }


def test_a_report_for_people(db: Path) -> None:
    """The estimated part stands beside the total."""
    said = lines(bursar("report", "--by", "model"))
    assert "model calls cached USD of it estimated" in said
    assert "claude-haiku-5-5 1 0% 0.50 0.50" in said
    assert "total 3 0% 1.75 0.50" in said


def test_reports_asked_for_wrongly(db: Path) -> None:
    """Exit code 2 and what can be asked for."""
    assert "there is no key 'colour': use route, model" in complaint("report", "--by", "colour", code=2)
    assert '"noon" names no time' in complaint("report", "--since", "noon", code=2)
    assert "--since 1h is not before --until 2h" in complaint("routes", "--since", "1h", "--until", "2h", code=2)


def test_routes(db: Path) -> None:
    """The dearest first, with the models that served it."""
    rows = answer("routes")["routes"]
    assert [(row["route"], row["models"], row["nano_usd"]) for row in rows] == [
        ("desk:answer", ["claude-opus-5-5", "claude-haiku-5-5"], 1_500_000_000),
        ("desk:sort", ["claude-opus-5-5"], 250_000_000),
    ]
    assert [row["route"] for row in answer("routes", "--since", "1h")["routes"]] == ["desk:answer"]
    assert "desk:answer 2 0% 1.50 0.50" in lines(bursar("routes"))
