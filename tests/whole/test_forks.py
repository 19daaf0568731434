"""Forks, threads, loops in threads: each process has money, ids and a journal of its own, and no call is lost."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any

import pytest
from tests.whole.scene import House, house, until

pytestmark = pytest.mark.timeout(240)

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE_SECONDS = 200


def test_forked_children_spend_no_money_twice(tmp_path: Path) -> None:
    """Five processes of four threads want twice what the budget has: it is spent as far as calls go, and never more."""
    limit = 10_000_000
    with house(tmp_path, limit="0.01 USD") as home:
        hold_when_unreachable(home)
        with home.agent():
            went = json.loads(run(home, "crew.py", "fork", "4", "25", BURSAR_ON_UNREACHABLE="closed"))
            until(lambda: journals(home) == [], "the agent to book everything")
        assert went["refused"] > 0
        assert home.bill["requests"] == went["answered"]
        assert home.bill["nano_usd"] <= limit
        assert_ledger_is_bill(home)
        (balance,) = home.balances()
        assert (balance["spent"], balance["lent"]) == (home.bill["nano_usd"], 0)


def test_each_forked_process_writes_a_journal_of_its_own(tmp_path: Path) -> None:
    """No agent: five journals, no line torn, no id twice; and an agent that comes later books the bill."""
    with house(tmp_path) as home:
        assert json.loads(run(home, "crew.py", "fork", "4", "10", alone=True)) == {"answered": 4 * (3 + 4 * 10)}
        records = {path.stem: [json.loads(line) for line in path.read_bytes().splitlines()] for path in journals(home)}
        assert sorted(len(lines) for lines in records.values()) == [4 * 3 * 2, *[4 * 10 * 2] * 4]
        sent = [record["attempt_id"] for lines in records.values() for record in lines if record["kind"] == "sent"]
        assert len(set(sent)) == len(sent) == home.bill["requests"]
        assert all(record_of(line).startswith(holder) for holder, lines in records.items() for line in lines)
        with home.agent():
            until(lambda: journals(home) == [], "the agent to adopt the journals")
        assert_ledger_is_bill(home)


def record_of(record: dict[str, Any]) -> str:
    """The attempt that a record is of."""
    attempt: str = record.get("attempt_id") or record["charge"]["attempt_id"]
    return attempt


def test_a_process_forked_from_a_server_of_forks(tmp_path: Path) -> None:
    """`multiprocessing` has that as well; the processes that it spawns are uvicorn's workers in another test."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        assert json.loads(run(home, "crew.py", "forkserver", "1", "1")) == {"answered": 4 * (3 + 1)}
        until(lambda: journals(home) == [], "the agent to book everything")
        assert_ledger_is_bill(home)


@pytest.mark.parametrize("moment", ["later", "opening"])
def test_a_child_neither_ends_nor_extends_its_parent_s_life(tmp_path: Path, moment: str) -> None:
    """
    The journal's lock is the proof of life: it outlasts a child that ends, and not the parent while a child lives.

    Also where the fork comes while another thread opens the journal.
    """
    with house(tmp_path) as home, running(home, "survivor.py", moment) as parent:
        assert parent.stdout is not None
        parent_id, child_id = parent.stdout.readline().split()
        assert int(parent_id) == parent.pid
        (journal,) = journals(home)
        assert locked(journal)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not locked(journal), "the lock to go with the parent")
        assert Path("/proc", child_id).exists()


def test_a_fork_while_every_lock_is_held(tmp_path: Path) -> None:
    """Locks are copied as they are, their holders are not: the child waits for none that its parent had."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        alive, locks = run(home, "locked.py").splitlines()
        assert alive == "alive"
        assert int(locks.removesuffix(" locks")) > 10
        until(lambda: journals(home) == [], "the agent to book everything")
        assert_ledger_is_bill(home)


def test_a_fork_while_the_agent_answers(tmp_path: Path) -> None:
    """The connection that the child inherits is in the middle of an answer, in the hands of a thread that it lacks."""
    with house(tmp_path) as home, hung_agent() as url:
        assert run(home, "hungagent.py", BURSAR_AGENT=url) == "alive\n"
        assert home.bill["requests"] == 2


def test_a_storm_of_forks(tmp_path: Path) -> None:
    """Whatever four threads are at: each child calls, and what the parent reads meanwhile stays the parent's."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        assert run(home, "storm.py") == "over\n"
        until(lambda: journals(home) == [], "the agent to book everything")
        assert_ledger_is_bill(home)


def test_a_fork_in_the_middle_of_a_call(tmp_path: Path) -> None:
    """Both processes send it, and each pays for its own."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        assert run(home, "midcall.py") == "answered\n" * 2
        until(lambda: journals(home) == [], "the agent to book everything")
        assert_ledger_is_bill(home, calls=2)
        (balance,) = home.balances()
        assert balance["lent"] == 0
        assert home.bill["requests"] == 3


def test_a_fork_that_nobody_tells_of(tmp_path: Path) -> None:
    """Noticed at the child's next step; what its parent has stays the parent's."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        run(home, "unseen.py")
        until(lambda: journals(home) == [], "the agent to book everything")
        assert_ledger_is_bill(home, calls=3)


def test_event_loops_in_threads(tmp_path: Path) -> None:
    """Six loops of twenty calls at once."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        run(home, "loops.py")
        until(lambda: journals(home) == [], "the agent to book everything")
        assert_ledger_is_bill(home, calls=120)


def assert_ledger_is_bill(home: House, *, calls: int | None = None) -> None:
    """Every request that was billed is one exact charge, out of a journal and not only out of a span."""
    total, bill = home.total(), home.bill
    assert (total["charges"], total["nano_usd"]) == (bill["requests"], bill["nano_usd"])
    assert (total["estimated_nano_usd"], total["unknown_charges"]) == (0, 0)
    assert [row["basis"] for row in home.by("basis")] == ["usage"]
    assert total["calls"] == (bill["requests"] if calls is None else calls)


def hold_when_unreachable(home: House) -> None:
    """A busy machine's agent may be late: then nothing is spent, rather than too much."""
    policy = home.folder / "bursar.toml"
    policy.write_text(policy.read_text().replace('on_unreachable = "open"', 'on_unreachable = "closed"'))


def journals(home: House) -> list[Path]:
    return sorted((home.folder / "state" / "journal").glob("*.jsonl"))


def locked(path: Path) -> bool:
    """Whether somebody holds the lock."""
    with path.open("rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def running(home: House, name: str, *arguments: str, **more: Any) -> Generator[subprocess.Popen[str]]:
    """A program, ended with the block; its children see that nobody reads what they print."""
    with home.start(PROGRAMS / name, *arguments, **more) as process:
        try:
            yield process
        finally:
            process.kill()


def run(home: House, name: str, *arguments: str, **more: Any) -> str:
    """A program to its end; what it printed."""
    with running(home, name, *arguments, **more) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err
        return out


class _HalfAnAnswer(BaseRequestHandler):
    """An agent that begins to answer, and never ends."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
        while self.request.recv(65536):
            pass


class _Server(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def hung_agent() -> Generator[str]:
    """Its address."""
    with _Server(("127.0.0.1", 0), _HalfAnAnswer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
