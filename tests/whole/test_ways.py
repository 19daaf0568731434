"""Over a Unix socket and over TLS the promises hold as over a port: budgets, the bill, agents that end or hang."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.certificates import authority
from tests.whole.scene import PATIENCE_SECONDS, House, house, until

from bursar.instrumentation.link import BUSY_SECONDS, FIRST_SIGN_SECONDS

pytestmark = pytest.mark.timeout(240)

PROGRAMS = Path(__file__).parent / "programs"
WAYS = ("unix", "tls")


@contextmanager
def home(folder: Path, way: str, limit: str) -> Generator[House]:
    """A house whose agent is reached this way."""
    with house(folder, limit=limit) as made:
        if way == "unix":
            made.place = f"unix:{folder}/a.sock"
        else:
            ca = authority(folder / "ca")
            proof = ca.issue("agent")
            made.arguments += ("--tls-cert", str(proof.cert), "--tls-key", str(proof.key))
            made.scheme, made.environ = "https", {"BURSAR_CA_FILE": str(ca.file)}
        yield made


def settled(house: House) -> bool:
    """Whether everything is booked, and nothing lent."""
    journals = (house.folder / "state" / "journal").glob("*.jsonl")
    return not any(journals) and all(row["lent"] == 0 for row in house.balances())


@pytest.mark.parametrize("way", WAYS)
def test_a_budget_holds_over_forks(tmp_path: Path, way: str) -> None:
    """Three processes of four threads want more than there is: spent as far as calls go, and never more."""
    with home(tmp_path, way, "0.002 USD") as house:
        policy = tmp_path / "bursar.toml"
        policy.write_text(policy.read_text().replace('"open"', '"closed"'))
        with house.agent():
            went = json.loads(house.run(PROGRAMS / "crew.py", "fork", "2", "9", BURSAR_ON_UNREACHABLE="closed"))
            until(lambda: settled(house), "the agent to book everything")
        total, bill = house.total(), house.bill
        assert went["refused"] > 0
        assert went["answered"] == bill["requests"] == total["charges"] > 4
        assert bill["nano_usd"] == total["nano_usd"] <= 2_000_000
        assert total["estimated_nano_usd"] == 0


def more(program: subprocess.Popen[str], calls: int) -> tuple[float, int]:
    """Have it make so many calls; seconds of the longest, and how often the loop came round in them."""
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(f"{calls}\n")
    program.stdin.flush()
    seconds, rounds = json.loads(program.stdout.readline())
    return seconds, rounds


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_that_is_killed_and_one_that_hangs(tmp_path: Path, way: str) -> None:
    """
    Killed, and started at the same place again; then stopped: calls go on, and so does their loop while one waits.

    The wait is the fixed one of any way, with room for a busy machine; in the end the ledger is the bill.
    """
    with home(tmp_path, way, "0.1 USD") as house, ExitStack() as stack:
        policy = tmp_path / "bursar.toml"
        policy.write_text(policy.read_text().replace('every = "month"', 'every = "month"\nper = ["tenant"]'))
        first = stack.enter_context(house.agent())
        program = house.start(PROGRAMS / "hangs.py")
        stack.enter_context(program)
        stack.callback(program.kill)
        more(program, 4)
        first.kill()
        first.wait()
        more(program, 2)
        second = stack.enter_context(house.agent())
        more(program, 4)
        until(lambda: house.total()["charges"] == 10, "the new agent to hear of it")
        second.send_signal(signal.SIGSTOP)
        seconds, rounds = more(program, 10)
        assert FIRST_SIGN_SECONDS <= seconds < 10 * BUSY_SECONDS
        assert rounds > 10 * seconds, "its loop stood still"
        second.send_signal(signal.SIGCONT)
        _, err = program.communicate("\n", timeout=PATIENCE_SECONDS)
        assert program.returncode == 0, err
        until(lambda: settled(house), "the agent to book everything")
        total, bill = house.total(), house.bill
        assert total["charges"] == bill["requests"] == 20
        assert total["nano_usd"] == bill["nano_usd"]
        assert total["estimated_nano_usd"] == 0
