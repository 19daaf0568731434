"""Claims about the commands: a channel is tried for real, what was told is listed, and the week can be asked for."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.agent.alerting.slackserver import refusal
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import used

from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger, outbox
from bursar.policies.usage import Usage

SECOND = 10**9
POLICY = """\
version = 1
mode = "enforce"
[[channel]]
name = "team"
kind = "slack"
url_env = "TEAM_URL"
"""


@dataclass
class Slack:
    """Slack on a port of this machine, that answers every post alike."""

    status: int = 200
    said: str = "ok"
    bodies: list[Any] = field(default_factory=list[Any])
    url: str = ""


@contextmanager
def slack(status: int, said: str) -> Generator[Slack]:
    server = Slack(status, said)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(server.said.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            """Keep quiet."""

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{listening.server_address[1]}/secret"
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("BURSAR_DB", "BURSAR_PRICES", "TEAM_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BURSAR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "160")
    path = tmp_path / "bursar.toml"
    path.write_text(POLICY)
    return path


def bursar(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_a_channel_that_works(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack gets one message, marked as a test, and what it answered is told; its address is not."""
    with slack(200, "ok") as server:
        monkeypatch.setenv("TEAM_URL", server.url)
        done = bursar("alert", "test", "team", "--policy", str(policy))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == 'channel "team" took it: it answered 200 ok\n'
    (body,) = server.bodies
    assert refusal(body) is None
    assert body["text"].startswith("Bursar: this is a test, and nothing has happened.")


@pytest.mark.parametrize(("status", "said"), [(404, "no_service"), (429, "rate_limited"), (500, "rollup_error")])
def test_a_channel_that_does_not(policy: Path, monkeypatch: pytest.MonkeyPatch, status: int, said: str) -> None:
    """What it answered instead, and exit code 1; it is tried once."""
    with slack(status, said) as server:
        monkeypatch.setenv("TEAM_URL", server.url)
        done = bursar("alert", "test", "team", "--policy", str(policy))
    assert done.exit_code == 1
    assert done.stderr == f'bursar: channel "team" did not take it: it answered {status} {said}\n'
    assert len(server.bodies) == 1


def test_a_channel_that_is_not_there(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name: usage; by address: exit code 1; without an address: it cannot begin."""
    done = bursar("alert", "test", "team", "--policy", str(policy))
    assert (done.exit_code, "TEAM_URL is not set" in done.stderr) == (3, True)
    monkeypatch.setenv("TEAM_URL", "http://127.0.0.1:9/")
    done = bursar("alert", "test", "team", "--policy", str(policy))
    assert (done.exit_code, "it cannot be reached (ConnectError)" in done.stderr) == (1, True)
    done = bursar("alert", "test", "teem", "--policy", str(policy))
    assert done.exit_code == 2
    assert done.stderr == 'bursar: the policy has no channel "teem": use one of team, log\n'


def test_the_log(policy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """One line, and where it is."""
    monkeypatch.setenv("TEAM_URL", "http://127.0.0.1:9/")
    done = bursar("alert", "test", "log", "--policy", str(policy))
    assert done.exit_code == 0
    assert "it is written above" in done.stderr
    assert ["this is a test" in record.getMessage() for record in caplog.records] == [True]


@pytest.fixture
def ledger(policy: Path) -> Path:
    """One alert that was told at the second try, one that waits, and two calls."""
    path = policy.parent / "db"
    now = time.time_ns()
    opened = Ledger(fresh.file(path), clock_ns=time.time_ns)

    def put(db: Any) -> None:
        for step in ("50%", "80%"):
            outbox.raise_alert(db, balance="day|w|", step=step, channel="team", payload={}, now_ns=now - SECOND)
        first, second = sorted(outbox.due(db, now), key=lambda alert: alert.step)
        for outcome in ("it answered 500", None):
            number = outbox.begin(db, first, now)
            if outcome is None:
                outbox.mark_sent(db, first, now, number=number, said="it answered 200 ok")
            else:
                outbox.mark_failed(db, first, outcome, next_try_ns=now, number=number, now_ns=now)
        outbox.mark_failed(db, second, "it answered 429", next_try_ns=now, number=outbox.begin(db, second, now))

    opened.submit(put).result()
    at = now // SECOND - 60
    for records in (used("a", Usage(input=1000), at=at), used("b", Usage(input=1000), at=at - 8 * 86_400)):
        opened.book(records, holder="h", policy=None).result()
    opened.close()
    return path


def test_alerts(ledger: Path) -> None:
    """Each with its state and every try."""
    done = bursar("alerts", "--db", str(ledger), "--json")
    found = {alert["step"]: alert for alert in json.loads(done.stdout)["alerts"]}
    assert [(step, found[step]["state"], found[step]["tries"]) for step in ("50%", "80%")] == [
        ("50%", "sent", 2),
        ("80%", "pending", 1),
    ]
    assert [(one["outcome"], one["said"]) for one in found["50%"]["deliveries"]] == [
        ("failed", "it answered 500"),
        ("accepted", "it answered 200 ok"),
    ]
    assert (found["50%"]["next_try"], found["80%"]["sent"], found["80%"]["last_error"]) == (
        None,
        None,
        "it answered 429",
    )


def test_alerts_for_people(ledger: Path) -> None:
    """One line for each; none at all where there was none."""
    lines = [" ".join(line.split()) for line in bursar("alerts", "--db", str(ledger)).stdout.splitlines()]
    assert [line.split(" ", 1)[1] for line in lines if "day|w|" in line] == [
        "day|w| 50% team sent 2",
        "day|w| 80% team pending 1 it answered 429",
    ]
    assert bursar("alerts", "--db", str(ledger), "--since", "0s").exit_code == 0


def test_a_digest(ledger: Path) -> None:
    """A thousand tokens of Opus 5.5 at 4 USD a million, this week as the one before."""
    plain = json.loads(bursar("digest", "--db", str(ledger), "--json").stdout)
    assert (plain["spent"], plain["spent_before"], plain["change"]) == (4_000_000, 4_000_000, 0)
    said = bursar("digest", "--db", str(ledger)).stdout
    assert "Spent: 0.0040 USD in 1 calls" in said
    assert "  volume (more or fewer calls): +0.00 USD" in said


@pytest.mark.parametrize("command", ["alerts", "digest"])
def test_no_ledger(policy: Path, command: str) -> None:
    """It cannot begin, and says what to do."""
    done = bursar(command, "--db", str(policy.parent / "none"))
    assert (done.exit_code, "there is no ledger at" in done.stderr) == (3, True)
