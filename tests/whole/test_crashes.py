"""SIGKILL of either side loses no charge and counts none twice."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.whole.scene import House, house, program, until

BUSY = """
import sys, threading, anthropic
from bursar.instrumentation import instrument, route, flush

instrument()
client = anthropic.Anthropic(max_retries=4)

def work(n):
    for i in range(int(sys.argv[1])):
        with route("work", worker=str(n)):
            client.messages.create(model="claude-sonnet-5-5", max_tokens=50,
                                   messages=[{"role": "user", "content": f"{n} {i}"}],
                                   extra_headers={"x-sandbox-latency-ms": "15"})
        print("done", flush=True)

threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
flush(10)
"""

HANGING = """
import anthropic
from bursar.instrumentation import instrument, route

instrument()
with route("orphan"):
    anthropic.Anthropic().messages.create(model="claude-sonnet-5-5", max_tokens=1000,
        messages=[{"role": "user", "content": "x" * 936}], extra_headers={"x-sandbox-error": "hang"})
"""


def booked(home: House) -> bool:
    return not any((home.folder / "state" / "journal").glob("*.jsonl"))


def test_an_agent_killed_under_traffic_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    """Killed three times while four threads call; started again on the same ledger, it takes up what it missed."""
    with house(tmp_path, limit="10 USD") as home:
        desk = program(tmp_path, BUSY)
        agent = home.start_agent()
        app = home.start(desk, "60")
        assert app.stdout is not None
        for _ in range(3):
            for _ in range(40):
                app.stdout.readline()
            agent.send_signal(signal.SIGKILL)
            agent.wait()
            for _ in range(10):
                app.stdout.readline()
            agent = home.start_agent()
        _, err = app.communicate(timeout=60)
        assert app.returncode == 0, err
        until(lambda: booked(home), "the agent to book everything")
        agent.send_signal(signal.SIGTERM)
        assert agent.wait() == 0
        total, bill = home.total(), home.bill
        assert bill["requests"] == 240
        assert (total["charges"], total["calls"]) == (240, 240)
        assert total["nano_usd"] == bill["nano_usd"]
        assert total["estimated_nano_usd"] == 0
        (balance,) = home.balances()
        assert balance["spent"] == bill["nano_usd"]
        assert balance["lent"] == 0, "no lease leaks"


def test_an_application_killed_between_send_and_settle_leaves_an_estimate(tmp_path: Path) -> None:
    """The orphaned call is charged at its bound, once, and the budget counts it."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        app = home.start(program(tmp_path, HANGING))
        journals = home.folder / "state" / "journal"
        until(
            lambda: any('"sent"' in path.read_text() for path in journals.glob("*.jsonl")), "the call to be journalled"
        )
        app.kill()
        app.communicate()
        until(lambda: booked(home) and home.total()["charges"] == 1, "the agent to adopt the journal")
        (row,) = home.by("route", "basis")
        assert (row["route"], row["basis"]) == ("orphan", "estimate")
        # Bytes bound the input: 936 of text, 16 for the message around it, 4 + 7 for its keys' names, 4 for the role,
        # 3 * 4 around keys and items, 64 for the frame; 2 USD per million in, 10 out: nano-dollars.
        assert row["nano_usd"] == row["estimated_nano_usd"] == 1043 * 2_000 + 1000 * 10_000
        (balance,) = home.balances()
        assert balance["spent"] == row["nano_usd"]
        assert balance["lent"] == 0


def test_a_journal_written_without_an_agent_is_adopted_by_one_started_later(tmp_path: Path) -> None:
    """First the application, alone; then an agent on the same state folder: the ledger equals the bill."""
    with house(tmp_path) as home:
        home.run(program(tmp_path, BUSY), "5", alone=True)
        assert not booked(home)
        with home.agent():
            until(lambda: booked(home), "the agent to adopt the journal")
        assert home.total()["charges"] == home.bill["requests"] == 20
        assert home.total()["nano_usd"] == home.bill["nano_usd"]


def test_an_application_killed_after_settling_is_booked_from_its_journal(tmp_path: Path) -> None:
    """Killed with everything settled and nothing shipped: exact charges, no estimate."""
    source = BUSY.replace("flush(10)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with house(tmp_path) as home:
        app = home.start(program(tmp_path, source), "5", alone=True)
        app.communicate()
        assert app.returncode == -signal.SIGKILL
        with home.agent():
            until(lambda: booked(home), "the agent to adopt the journal")
        assert home.total()["nano_usd"] == home.bill["nano_usd"]
        assert home.total()["estimated_nano_usd"] == 0
