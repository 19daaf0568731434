"""Commands asked in tests: as `bursar` is, over a small ledger, with nothing of this machine's user."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.agent.ledger import fresh

from bursar.agent.cli import cli
from bursar.agent.ledger import Ledger
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.records import Record, Sent, Settled
from bursar.policies.usage import Usage

POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "all-month"
limit = "4 USD"
every = "month"
[budget.at]
"100%" = "block"
"""
NOW_NS = time.time_ns()
HOUR_NS = 3600 * 10**9


def sent(name: str, *, at_ns: int = NOW_NS, route: str = "desk:answer", model: str = "claude-opus-5-5") -> Sent:
    labels = {"tenant": "acme"} if name == "a1" else {}
    return Sent(name, f"call-{name}", at_ns, route, model, model, labels=labels, bound_nano=9, expected_nano=5)


def settled(start: Sent, nano: int, basis: Basis = Basis.USAGE) -> Settled:
    usage = Usage(input=100, output=50)
    names = (start.attempt_id, nano, usage, basis, start.model, start.model, start.route, start.call_id)
    return Settled(Charge(*names, labels=start.labels, at_ns=start.at_ns))


def small_ledger(path: Path) -> Path:
    """A ledger with three charges, the last two hours old, and a call in flight."""
    first, second = sent("a1"), sent("a2", model="claude-haiku-5-5")
    old = sent("a3", at_ns=NOW_NS - 2 * HOUR_NS, route="desk:sort")
    records: list[Record] = [first, settled(first, 10**9), second, settled(second, 5 * 10**8, Basis.ESTIMATE)]
    ledger = Ledger(fresh.file(path), clock_ns=time.time_ns)
    policy = parse_policy(POLICY, file="bursar.toml")
    ledger.book([*records, old, settled(old, 25 * 10**7), sent("a4")], holder="h1", policy=policy).result(10)
    ledger.close()
    return path


def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No agent, no state of this machine's user, and a terminal of a usual width."""
    for name in ("BURSAR_AGENT", "BURSAR_DB", "BURSAR_PRICES", "BURSAR_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BURSAR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "100")


def bursar(*arguments: str) -> Result:
    """Run a command; an exception that would be a traceback fails the test."""
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def answer(*arguments: str, code: int = 0) -> Any:
    """The JSON that a command puts on standard output, alone."""
    done = bursar(*arguments, "--json")
    assert done.exit_code == code
    assert done.stderr == ""
    return json.loads(done.stdout)


def complaint(*arguments: str, code: int) -> str:
    """The sentence on standard error, with nothing on standard output."""
    done = bursar(*arguments)
    assert done.exit_code == code
    assert done.stdout == ""
    return done.stderr


def lines(done: Result) -> list[str]:
    assert done.stderr == ""
    return [" ".join(line.split()) for line in done.stdout.splitlines()]
