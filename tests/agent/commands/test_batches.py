"""Claims about `bursar batches`: what is shown of each, live and once, and what was saved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from tests.agent.batching.house import NOON, SECOND, House, staged, take, turn

from bursar.agent.batching.office import Office
from bursar.agent.cli import cli
from bursar.agent.commands.batches import end_text, render, span, state_text, under_way


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


def call(house: House, *arguments: str) -> Result:
    environ = {"BURSAR_DB": str(house.folder / "db"), "COLUMNS": "140", "BURSAR_AGENT": "http://127.0.0.1:9"}
    return CliRunner().invoke(cli, list(arguments), env=environ)


def fill(house: House, *, turns: int = 2) -> None:
    """Three calls in a batch, one of which fails for good."""
    house.wire.headers = staged(lambda attempt: "canceled" if attempt == "try-c" else "succeeded", batch_ms=5_000)

    async def work(office: Office) -> None:
        await take(office, *(house.offer(name) for name in "abc"))
        house.later(301)
        for _ in range(turns):
            await turn(office)
            house.later(6)

    house.run(work)


def test_json(house: House) -> None:
    """Two answered calls of 127,500 nano-dollars each, half of what they cost at once."""
    fill(house)
    document = json.loads(call(house, "batches", "--json").stdout)
    (row,) = document["batches"]
    assert row["outcomes"] == {"cancelled": 1, "succeeded": 2}
    assert (row["state"], row["requests"], row["progress"], row["sent_by"]) == ("collected", 3, 1.0, "age")
    assert row["nano_usd"] == house.bill() == row["saved_nano_usd"]
    assert document["saved_nano_usd"] == house.bill()
    assert document["queued"] == {"calls": 0, "bytes": 0, "next": None}


def test_a_batch_under_way(house: House) -> None:
    """One that is in progress is told with its likely end; the first batches with the prior of 20 s."""
    fill(house, turns=1)
    (row,) = json.loads(call(house, "batches", "--json").stdout)["batches"]
    assert row["state"] == "in_progress"
    assert row["expected"] == "2026-11-21T12:05:21Z"
    shown = call(house, "batches", "--once").stdout
    assert "in progress" in shown
    assert "0 USD saved so far" in shown


def test_nothing(house: House) -> None:
    """Said in words."""
    assert "No call was put off" in call(house, "batches").stdout


def test_what_waits(house: House) -> None:
    """Calls that are in no batch yet."""
    house.run(lambda office: take(office, house.offer("a")))
    assert "1 call waits to be sent." in call(house, "batches", "--once").stdout


def test_show(house: House) -> None:
    """By its name here or at the API."""
    fill(house)
    (row,) = json.loads(call(house, "batches", "--json").stdout)["batches"]
    assert json.loads(call(house, "batches", "show", row["api_id"], "--json").stdout) == row
    assert "2 succeeded" in call(house, "batches", "show", row["id"]).stdout
    unknown = call(house, "batches", "show", "other")
    assert (unknown.exit_code, unknown.stderr) == (1, "bursar: there is no batch other: `bursar batches` lists them\n")


def test_cancel_needs_an_agent(house: House) -> None:
    """It says so."""
    result = call(house, "batches", "cancel", "any")
    assert result.exit_code == 3
    assert "no agent answers" in result.stderr


def row(**other: Any) -> dict[str, Any]:
    return {
        "state": "in_progress", "outcomes": {"processing": 3}, "ended_ns": None, "expected_ns": NOON + 90 * SECOND,
        "requests": 3, "api_id": None, "id": "batch-1", "progress": 0.5, "nano_usd": 0, "saved_nano_usd": 0, **other,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (row(), "in about 2 min"),
        (row(expected_ns=NOON - 45 * SECOND), "45 s later than usual"),
        (row(expected_ns=None), ""),
        (row(ended_ns=NOON), "2026-11-21T12:00:00Z"),
    ],
)
def test_the_end(given: dict[str, Any], said: str) -> None:
    """When it likely is, how much later than usual it is, or when it was."""
    assert end_text(given, NOON) == said


def test_the_state() -> None:
    """With what went wrong."""
    assert state_text(row()) == "in progress"
    assert state_text(row(state="collected", outcomes={"errored": 2, "succeeded": 1})) == "collected (2 errored)"


@pytest.mark.parametrize(("seconds", "said"), [(59, "59 s"), (60, "1 min"), (7_200, "2 h"), (172_800, "2 d")])
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_live_as_long_as_anything_is_waited_for() -> None:
    """A queue alone is enough."""
    nothing: dict[str, Any] = {"queued": {"calls": 0}, "batches": [row(state="collected")]}
    assert not under_way(nothing)
    assert under_way({**nothing, "batches": [row(state="cancelling")]})
    assert under_way({**nothing, "queued": {"calls": 1}})
    console = Console(file=StringIO(), width=120)
    console.print(render({"queued": {"calls": 2}, "batches": [row()]}, NOON))
    assert "2 calls wait to be sent." in console.file.getvalue()  # type: ignore[attr-defined]
