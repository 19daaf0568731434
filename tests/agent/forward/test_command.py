"""Claims about `bursar forwards`: who gets spans, what waits, what was lost and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.agent.ledger import fresh

from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger
from bursar.agent.ledger.forwardqueue import ForwardQueue
from bursar.agent.ledger.forwardtables import path_beside

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
RECEIVERS = [
    ("jaeger", "otlp", "http://localhost:4318/v1/traces", "http/protobuf"),
    ("lf", "langfuse", "http://lf", "x"),
]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A ledger whose agent passes spans on to two receivers: one that fails and overflows, and one that is fine."""
    path = tmp_path / "ledger.sqlite"
    Ledger(fresh.file(path), clock_ns=lambda: NOON).close()
    queue = ForwardQueue(path_beside(path), clock_ns=lambda: NOON)
    queue.know(RECEIVERS)
    queue.put([("jaeger", 8), ("lf", 100), ("gone", 100)], [(3, b"1111"), (4, b"2222"), (5, b"3333")])
    queue.put_off("jaeger", "it answered 503", lambda _tries: 2 * SECOND)
    found = queue.next("lf", most_spans=100, most_bytes=100)
    queue.settle(found, [("sent", 10), ("refused", 1), ("passed_over", 1)], error="it answered 400 no")
    queue.close()
    return path


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(cli, ["forwards", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_each_receiver_is_told_for_programs(db: Path) -> None:
    """Spans by what became of them, and since when it fails."""
    told = {one["name"]: one for one in json.loads(run("--db", str(db), "--json").stdout)["forwards"]}
    assert told["jaeger"] == {
        "name": "jaeger",
        "state": "failing",
        "kind": "otlp",
        "url": "http://localhost:4318/v1/traces",
        "protocol": "http/protobuf",
        "queued": {"spans": 9, "bytes": 8, "oldest": "2026-11-21T12:00:00Z"},
        "sent": 0,
        "refused": 0,
        "overflowed": 3,
        "abandoned": 0,
        "passed_over": 0,
        "dropped": 3,
        "failing_since": "2026-11-21T12:00:00Z",
        "tries": 1,
        "next_try": "2026-11-21T12:00:02Z",
        "last_sent": None,
        "last_error": "it answered 503",
        "last_error_at": "2026-11-21T12:00:00Z",
    }
    assert [told[name]["state"] for name in ("lf", "gone")] == ["idle", "not in the policy"]
    assert (told["lf"]["sent"], told["lf"]["dropped"]) == (10, 1)


def test_each_receiver_is_told_for_people(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns; why spans are gone stands below."""
    monkeypatch.setenv("COLUMNS", "80")
    said = run("--db", str(db)).stdout
    assert "jaeger" in said and "failing" in said and "2026-11-21T12:00:00Z" in said
    assert "jaeger: 3 spans were dropped as the oldest of a full queue (queue_mb)" in said
    assert "lf: 1 spans were refused by it for good" in said
    assert "lf: last error 2026-11-21T12:00:00Z: it answered 400 no" in said
    assert max(len(line) for line in said.split("\n\n")[0].splitlines()) <= 80


def test_nobody_gets_spans(tmp_path: Path) -> None:
    """A ledger without a queue; and without a ledger, what to do."""
    path = tmp_path / "ledger.sqlite"
    missing = CliRunner().invoke(cli, ["forwards", "--db", str(path)])
    assert (missing.exit_code, "start the agent once" in missing.output) == (3, True)
    Ledger(fresh.file(path), clock_ns=lambda: NOON).close()
    assert "no [[forward]]" in run("--db", str(path)).stdout
    assert json.loads(run("--db", str(path), "--json").stdout) == {"forwards": []}
