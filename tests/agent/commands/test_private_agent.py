"""Claims about an agent for one command."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from bursar.agent.commands.private_agent import FOLDER, Left, PrivateAgent, PrivateAgentError, private_agent
from bursar.agent.commands.reach import answers, ask
from bursar.agent.ledger import open_for_reading, reports
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Sent, Settled, to_line
from bursar.policies.usage import Usage

CHARGE = Charge("a1", 123, Usage(input=1), Basis.USAGE, "claude-opus-5-5", "claude-opus-5-5", "desk:answer", "c1")
SENT = Sent("a1", "c1", 5, "desk:answer", "claude-opus-5-5", "claude-opus-5-5")


def test_its_life(tmp_path: Path) -> None:
    """Ready when the block begins; what dead processes left is booked before it ends; of its files the ledger stays."""
    db = tmp_path / "kept.sqlite"
    with private_agent(policy=None, prices=None, db=db, environ=os.environ) as agent:
        assert answers(agent.url, "/readyz")
        assert ask(agent.url, "/guard/sync")[0] == 401  # whoever else is on this machine has no token
        assert agent.token_file.stat().st_mode & 0o077 == 0
        assert agent.state_dir.stat().st_mode & 0o077 == 0
        journal = agent.state_dir / "journal"
        journal.mkdir()
        (journal / "dead.jsonl").write_bytes(to_line(SENT) + to_line(Settled(CHARGE)))
        assert agent.finish() == Left([], [])
        assert not answers(agent.url)
        assert agent.process.returncode == 0
    assert not agent.state_dir.exists()
    with open_for_reading(db) as ledger:
        assert reports.totals(ledger, 0, 10)["nano_usd"] == 123


def test_it_goes_with_the_process_that_started_it() -> None:
    """However that one ends, its end of the pipe is closed."""
    with private_agent(policy=None, prices=None, db=None, environ=os.environ) as agent:
        assert agent.process.stdin is not None
        agent.process.stdin.close()
        assert agent.process.wait(20) == 0


def test_what_stops_it_at_the_start_is_told(tmp_path: Path) -> None:
    """In the agent's own words."""
    policy = tmp_path / "bursar.toml"
    policy.write_text('version = 1\nmode = "enforc"\n')
    with (
        pytest.raises(PrivateAgentError, match='did you mean "enforce"'),
        private_agent(policy=policy, prices=None, db=None, environ=os.environ),
    ):
        pytest.fail("it started")


def test_one_that_is_stopped_with_the_program_takes_up_what_that_left(tmp_path: Path) -> None:
    """As where a service manager sends its signal to everybody at once: it is started once more."""
    db = tmp_path / "kept.sqlite"
    with private_agent(policy=None, prices=None, db=db, environ=os.environ) as agent:
        agent.process.terminate()
        agent.process.wait()
        left_behind(agent, "dead").write_bytes(to_line(SENT) + to_line(Settled(CHARGE)))
        assert agent.finish() == Left([], [])
    with open_for_reading(db) as ledger:
        assert reports.totals(ledger, 0, 10)["nano_usd"] == 123
    assert not agent.state_dir.exists()


def test_journals_that_could_not_be_taken_up_are_kept(tmp_path: Path) -> None:
    """Their folder stays, since they are all there is of what they hold."""
    db = tmp_path / "broken.sqlite"
    with private_agent(policy=None, prices=None, db=db, environ=os.environ) as agent:
        agent.process.kill()
        agent.process.wait()
        for file in tmp_path.iterdir():
            file.unlink()
        db.mkdir()
        left = left_behind(agent, "dead")
        left.write_bytes(to_line(SENT))
        assert agent.finish() == Left([left], [])
    assert left.exists()
    shutil.rmtree(agent.state_dir)


def test_journals_in_use_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What still runs when the program has ended goes on writing; the others are taken up meanwhile."""
    monkeypatch.setattr("bursar.agent.commands.private_agent.CALM_SECONDS", 0.1)
    db = tmp_path / "kept.sqlite"
    with private_agent(policy=None, prices=None, db=db, environ=os.environ) as agent:
        in_use, dead = left_behind(agent, "alive"), left_behind(agent, "dead")
        with in_use.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            dead.write_bytes(to_line(SENT) + to_line(Settled(CHARGE)))
            assert agent.finish() == Left([], [in_use])
    assert in_use.exists()
    shutil.rmtree(agent.state_dir)
    with open_for_reading(db) as ledger:
        assert reports.totals(ledger, 0, 10)["nano_usd"] == 123


def left_behind(agent: PrivateAgent, holder: str) -> Path:
    """A journal's path in the agent's state folder."""
    folder = agent.state_dir / FOLDER
    folder.mkdir(exist_ok=True)
    return folder / f"{holder}.jsonl"
