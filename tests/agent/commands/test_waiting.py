"""Claims about journals that wait for an agent."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from bursar.agent.commands.waiting import waiting


def test_only_journals_that_nobody_owns_wait(tmp_path: Path) -> None:
    """A live process holds the lock of its journal; files of other kinds are none."""
    for name in ("a.jsonl", "b.jsonl", "c.txt"):
        (tmp_path / name).write_text("{}\n")
    owned = os.open(tmp_path / "b.jsonl", os.O_RDWR)
    fcntl.flock(owned, fcntl.LOCK_EX)
    assert waiting(tmp_path) == [tmp_path / "a.jsonl"]
    os.close(owned)
    assert waiting(tmp_path) == [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]


def test_looking_leaves_no_lock(tmp_path: Path) -> None:
    """The agent must be able to take the journal up at once."""
    (tmp_path / "a.jsonl").touch()
    assert waiting(tmp_path) == [tmp_path / "a.jsonl"]
    with (tmp_path / "a.jsonl").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_no_folder_has_no_journals(tmp_path: Path) -> None:
    """Where no application ever ran, nothing waits."""
    assert waiting(tmp_path / "none") == []


def test_a_journal_that_cannot_be_opened_waits(tmp_path: Path) -> None:
    """Nobody could take it up."""
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "a.jsonl")  # round in a circle, which nobody may open, not even root
    assert waiting(tmp_path) == [tmp_path / "a.jsonl"]
