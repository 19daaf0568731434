"""Budgets of every kind with a real agent and real applications: in tokens, in calls, rolling, of a conversation."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.whole.scene import House, house, program, until

from bursar.agent.app import serving_agent
from bursar.agent.settings import Settings, Tcp

PROGRAMS = Path(__file__).parent / "programs"
SPENDER, RUNNER = PROGRAMS / "spender.py", PROGRAMS / "toolrunner.py"
BOUND = 4 + 16 + (4 + 4) + 4 + (7 + 4) + 6 + 64 + 100
"""Tokens of one call at most: JSON around a message and its role, six bytes of text, the frame, and its answer."""


def ruled(home: House, limit: str, every: str, step: str = "100%") -> None:
    """One hard budget."""
    policy = home.folder / "bursar.toml"
    policy.write_text(
        'version = 1\nmode = "enforce"\non_unreachable = "closed"\n'
        f'[[budget]]\nname = "b"\nlimit = "{limit}"\nevery = "{every}"\n[budget.at]\n"{step}" = "block"\n'
    )
    home.arguments = ("--policy", str(policy))


def went(text: str) -> Counter[str]:
    found: dict[str, int] = json.loads(text)
    return Counter(found)


def test_a_budget_of_tokens_holds_to_the_token(tmp_path: Path) -> None:
    """
    One call after the other, until the next does not fit: floor(limit / used) are answered.

    Where only the bound by its bytes refuses a call its tokens are counted, and the count is what it then uses.
    """
    with house(tmp_path) as home:
        ruled(home, "2000 tokens", "day")
        with home.agent():
            found = went(home.run(SPENDER, "1", "50"))
            used = found["tokens"] // found["answered"]
            assert 100 < used < BOUND
            assert found["answered"] == 2_000 // used > (2_000 - BOUND) // used + 1
            assert found["spent tokens"] == 1
            (row,) = home.balances()
            assert (row["unit"], row["limit"], row["spent"]) == ("tokens", 2_000, found["tokens"])
            assert home.bill["requests"] == found["answered"]


def test_a_budget_of_five_calls_admits_five_of_sixteen_threads(tmp_path: Path) -> None:
    """In two processes that ask at once: never six, and never four."""
    with house(tmp_path) as home:
        ruled(home, "5 calls", "day")
        with home.agent():
            processes = [home.start(SPENDER, "8", "3") for _ in range(2)]
            ends = [process.communicate(timeout=60) for process in processes]
            assert [process.returncode for process in processes] == [0, 0], ends
            total = went(ends[0][0]) + went(ends[1][0])
            assert (total["answered"], home.bill["requests"]) == (5, 5)
            assert total["spent calls"] + total["held calls"] == 16
            until(lambda: home.balances()[0]["lent"] == 0, "what was lent to come back")
            (row,) = home.balances()
            assert (row["unit"], row["spent"], row["calls"]) == ("calls", 5, 5)


LATER = """
import runpy, sys, time

real, later = time.time_ns, int(sys.argv.pop(1))
time.time_ns = lambda: real() + later
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
"""A program on a clock that is so many nanoseconds ahead."""


def test_what_rolls_out_may_be_spent_again(tmp_path: Path) -> None:
    """
    Three calls within two hours; two hours and two minutes later there are three more.

    Spending is kept by the minute, and minutes turn while this runs: so two ahead of the two hours, and two behind.
    """
    late = [0]
    with house(tmp_path) as home:
        ruled(home, "3 calls", "rolling 2h")
        there = Settings(
            tmp_path / "agent", tmp_path / "agent" / "db.sqlite", policy=tmp_path / "bursar.toml", listen=(Tcp(port=0),)
        )
        with serving_agent(there, clock_ns=lambda: time.time_ns() + late[0]) as running:
            for hours, answered in ((0, 3), (1, 0), (2 - 2 / 60, 0), (2 + 2 / 60, 3)):
                late[0] = int(hours * 3_600 * 10**9)
                later = program(tmp_path, LATER), str(late[0]), str(SPENDER)
                found = went(home.run(*later, "1", "9", BURSAR_AGENT=running.url))
                assert (hours, found["answered"], found["spent calls"]) == (hours, answered, 1)


def test_a_conversation_has_its_own_budget(tmp_path: Path) -> None:
    """Four calls each, of the tool runner and of a thread, though nobody says which conversation they belong to."""
    with house(tmp_path) as home:
        ruled(home, "4 calls", "conversation")
        with home.agent():
            assert json.loads(home.run(RUNNER)) == [[4, "b", 4, 4]] * 3
            rows = home.balances()
            assert [(row["spent"], row["window"].split()[0]) for row in rows] == [(4, "conversation")] * 3


def test_a_run_of_several_processes_has_one_budget(tmp_path: Path) -> None:
    """`bursar run` is one run, whatever it starts; the next one begins anew."""
    launcher = """
import subprocess, sys
children = [subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE, text=True) for _ in range(2)]
print([child.communicate()[0] for child in children])
"""
    with house(tmp_path) as home:
        ruled(home, "5 calls", "run")
        with home.agent():
            for runs in (1, 2):
                under_run(home, program(tmp_path, launcher), str(SPENDER), "2", "5")
                assert home.bill["requests"] == 5 * runs
                assert [row["spent"] for row in home.balances()] == [5] * runs


def under_run(home: House, *command: Any) -> None:
    """The command under `bursar run`, with the agent that is there."""
    done = subprocess.run(
        [sys.executable, "-m", "bursar.agent", "run", *map(str, command)],
        env={
            "HOME": str(home.folder),
            "PATH": str(Path(sys.executable).parent),
            "BURSAR_STATE_DIR": str(home.folder / "state"),
            "BURSAR_AGENT": home.agent_url,
            "ANTHROPIC_BASE_URL": home.sandbox,
            "ANTHROPIC_API_KEY": "sk-ant-sandbox",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_velocity_blocks_long_before_the_limit(tmp_path: Path) -> None:
    """A millionth of what may be spent in all, within ten minutes."""
    with house(tmp_path) as home:
        ruled(home, "1000 USD", "month", step="0.001 USD in 10m")
        with home.agent():
            found = went(home.run(SPENDER, "1", "400"))
            assert found["velocity usd"] == 1
            (row,) = home.balances()
            assert row["spent"] >= 1_000_000
            # What is known is up to a second old: so long a loop may run on.
            assert 1 < found["answered"] < 400
            again = went(home.run(SPENDER, "1", "1"))
            assert again == {"velocity usd": 1}


@pytest.mark.parametrize("program_name", ["together", "listed"])
def test_what_began_before_the_rules_were_heard_is_named_by_them(tmp_path: Path, program_name: str) -> None:
    """A call or a list, also where another call has fetched them meanwhile: it counts in the budget of its route."""
    with house(tmp_path) as home:
        policy = tmp_path / "bursar.toml"
        policy.write_text(
            'version = 1\nmode = "enforce"\n[[budget]]\nname = "b"\nmatch = { route = "digest" }\nlimit = "1 calls"\n'
            'every = "day"\n[budget.at]\n"100%" = "block"\n'
            f'[[route]]\nname = "digest"\nfind = {{ code = "{program_name}:digest" }}\n'
        )
        home.arguments = ("--policy", str(policy))
        with home.agent():
            assert home.run(PROGRAMS / f"{program_name}.py") == "digest"
            (row,) = home.balances()
            assert (row["spent"], home.bill["requests"]) == (1, 2)
