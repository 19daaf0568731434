"""While the agent is away, all processes together stay within what was set aside, and nothing is lost."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.whole.scene import PATIENCE_SECONDS, House, house, until

from bursar.agent.ledger import open_for_reading

OUTAGE = Path(__file__).parent / "programs" / "outage.py"
POLICY = """
version = 1
mode = "enforce"
on_unreachable = "{choice}"

[[budget]]
name = "day"
limit = "{limit}"
every = "month"
patience = "300ms"
[budget.at]
"100%" = "block"
"""
PROCESSES = 4

pytestmark = pytest.mark.timeout(600)  # six processes begin, on a busy machine one after the other


@contextmanager
def home(folder: Path, choice: str, limit: str = "1 USD") -> Generator[House]:
    with house(folder) as made:
        policy = folder / "bursar.toml"
        policy.write_text(POLICY.format(choice=choice, limit=limit))
        made.arguments = ("--policy", str(policy))
        yield made


class Crew:
    """Processes that wait for a word."""

    def __init__(self, members: list[subprocess.Popen[str]]) -> None:
        self._members = members

    def told(self) -> list[Any]:
        """A line of each."""
        return [json.loads(member.stdout.readline()) for member in self._members if member.stdout is not None]

    def go(self) -> list[Any]:
        """Let them go on, and what each says of it."""
        for member in self._members:
            assert member.stdin is not None
            member.stdin.write("\n")
            member.stdin.flush()
        return self.told()

    def signal(self, number: int) -> None:
        """Send each a signal."""
        for member in self._members:
            member.send_signal(number)

    def end(self) -> None:
        """Wait for the end of each, which is a good one."""
        for member in self._members:
            member.communicate(timeout=PATIENCE_SECONDS)
            assert member.returncode == 0


@contextmanager
def crew(home: House, number: int, *, before: int = 1, threads: int = 2) -> Generator[Crew]:
    """So many processes, each of which has made a few calls and waits."""
    with ExitStack() as ends:
        members = [ends.enter_context(home.start(OUTAGE, str(before), str(threads))) for _ in range(number)]
        for member in members:
            ends.callback(member.kill)
        made = Crew(members)
        assert made.told() == ["ready"] * number
        yield made


def reserves(home: House) -> list[int]:
    """What each process has set aside, in nano-dollars."""
    with open_for_reading(home.db) as db:
        rows = db.conn.execute(
            "SELECT granted - returned - charged FROM leases WHERE balance LIKE '%|reserve' ORDER BY 1"
        ).fetchall()
    return [out for (out,) in rows]


def spent_and_lent(home: House) -> int:
    """What is spent and lent of the one balance, in nano-dollars: never above its ceiling."""
    with open_for_reading(home.db) as db:
        row = db.conn.execute(
            "SELECT spent_nano + (SELECT sum(max(granted - returned - charged, 0)) FROM leases) FROM balances"
        ).fetchone()
    return int(row[0])


def test_together_they_stay_within_the_allowance(tmp_path: Path) -> None:
    """Four processes of two threads, an agent that is stopped: 0.004 USD were set aside, and no more is spent."""
    with home(tmp_path, "limited 0.004 USD") as house, house.agent() as agent, crew(house, PROCESSES) as processes:
        until(lambda: reserves(house) == [1_000_000] * PROCESSES, "the allowance to be shared")
        assert processes.go() == ["set"] * PROCESSES  # what is on the ledger may still be on its way to a process
        before = house.bill["nano_usd"]
        agent.send_signal(signal.SIGSTOP)
        went = processes.go()
        spent = house.bill["nano_usd"] - before
        assert {why for one in went for why in one["why"]} == {"unreachable"}
        assert 3_000_000 < spent <= 4_000_000
        agent.send_signal(signal.SIGCONT)
        assert processes.go() == ["back"] * PROCESSES
        until(lambda: house.total()["nano_usd"] == house.bill["nano_usd"], "all of it to be booked")
        assert spent_and_lent(house) <= 1_000_000_000
        processes.end()
        until(lambda: reserves(house) == [0] * PROCESSES, "what is left of it to go back")


def test_a_process_that_begins_without_the_agent_has_nothing(tmp_path: Path) -> None:
    """Its rules are those that another process left; nothing was set aside for it, and its first call is refused."""
    with home(tmp_path, "limited 0.004 USD") as house:
        with house.agent(), crew(house, 1):
            pass
        with crew(house, 1, before=0, threads=1) as processes:
            assert processes.go() == [{"answered": 0, "why": ["unreachable"]}]
