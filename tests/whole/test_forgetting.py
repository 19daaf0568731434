"""A process that meets a new balance with every call forgets those that are over, and the agent's book stays right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.agent.ledger import fresh

from bursar.agent.ledger.lending import sync as answer
from bursar.instrumentation import leases as module
from bursar.instrumentation.journal import Journal
from bursar.instrumentation.leases import REST_SECONDS, Leases
from bursar.instrumentation.sync import Ask, Sync
from bursar.policies import protocol
from bursar.policies.charge import Basis, Charge
from bursar.policies.policyfile import parse_policy
from bursar.policies.protocol import Holder, Need
from bursar.policies.records import Sent, Settled, to_line
from bursar.policies.usage import Usage

NOON = 1_795_262_400 * 10**9
POLICY = parse_policy(
    """\
version = 1
mode = "enforce"
[[budget]]
name = "chat"
limit = "0.000001 USD"
every = "conversation"
at = { "100%" = "block" }
""",
    file="p",
)
MOST, COST = 400, 90


class Agent:
    """The real ledger behind a link that is no socket."""

    def __init__(self) -> None:
        self.db = fresh.ledger()
        self.largest = 0

    def post(self, path: str, body: bytes, *, patient: bool = False) -> Any:
        self.largest = max(self.largest, len(body))
        request = protocol.request_from_json(json.loads(body))
        with self.db.atomic():
            response = answer(self.db, request, policy=POLICY, now_ns=NOON)
        return json.loads(json.dumps(protocol.to_json(response)))

    def mend(self) -> None:
        """Nothing ever breaks."""

    close = abandon = mend
    broken = False


class Process:
    """The channel of one process to that agent."""

    def __init__(self, folder: Path, agent: Agent) -> None:
        self.now = 0.0
        self.leases = Leases(lambda: self.now)
        self.journal = Journal(folder, "h")
        self.calls = 0
        link: Any = agent
        self.sync = Sync(
            link,
            link,
            lambda: Holder("h", 1, "host", NOON),
            lambda: self.journal,
            self.leases,
            on_views=lambda _: None,
            on_snapshot=lambda _: None,
            on_unclaimed=lambda _: None,
        )
        self.sync._start = lambda: None  # type: ignore[method-assign]  # the background is stepped by hand

    def call(self, conversation: int) -> bool:
        """Ask, send, settle and ship; whether there was money."""
        self.calls += 1
        attempt, keys = f"a{self.calls}", (f"chat|conversation c{conversation}|",)
        self.sync.ask(Ask(Need(attempt, keys, MOST, MOST, COST)))
        if not self.leases.held(attempt):
            return False
        sent = Sent(attempt, attempt, NOON, "r", "m", "m", balances=keys, leased=keys, bound_nano=MOST)
        self.journal.append(to_line(sent))
        self.journal.append(
            to_line(Settled(Charge(attempt, COST, Usage(output=1), Basis.USAGE, "m", "m", "r", at_ns=NOON)))
        )
        self.leases.settle(attempt, COST)
        return True

    def beat(self) -> None:
        self.now += REST_SECONDS
        assert self.sync.flush(1.0)


def test_a_balance_for_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred conversations, of which ten are remembered; one that comes back has what it had left."""
    monkeypatch.setattr(module, "KEPT", 10)
    agent = Agent()
    process = Process(tmp_path, agent)
    for number in range(100):
        assert process.call(number)
        process.beat()
    assert len(process.leases.granted()) <= 12
    # 1,000 nano-dollars each: 90 are spent, six more calls make it 630, and no call of 400 fits into what is left.
    for number in (3, 50):
        came: list[bool] = []
        for _ in range(9):
            came.append(process.call(number))
            process.beat()
        assert came == [True] * 6 + [False] * 3
    out = agent.db.conn.execute("SELECT count(*), sum(granted - returned - charged) FROM leases").fetchone()
    spent = agent.db.conn.execute("SELECT sum(spent_nano) FROM balances").fetchone()
    assert out == (100, 0)
    assert spent == ((100 + 12) * COST,)
    assert agent.largest < 20_000
