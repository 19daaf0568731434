"""Claims about who has the state folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bursar.agent.settings import SettingsError
from bursar.agent.statefolder import own_state_folder


def test_one_agent_to_a_folder(tmp_path: Path) -> None:
    """A second one is refused with the first's process and the variable's name; afterwards the folder is free."""
    folder = tmp_path / "a" / "state"
    with own_state_folder(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(SettingsError, match=f"process {os.getpid()}: .*BURSAR_STATE_DIR"), own_state_folder(folder):
            pytest.fail("two agents have the folder")
        with own_state_folder(tmp_path / "b"):
            assert (tmp_path / "b").is_dir()
    with own_state_folder(folder):
        pass


def test_a_block_that_fails_lets_the_folder_go(tmp_path: Path) -> None:
    """Its error is its own, also one that a lock in use would raise."""
    with pytest.raises(BlockingIOError), own_state_folder(tmp_path):
        raise BlockingIOError
    with own_state_folder(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The sentence names the variable."""
    (tmp_path / "file").touch()
    told = pytest.raises(SettingsError, match=r"cannot be made or written .*BURSAR_STATE_DIR")
    with told, own_state_folder(tmp_path / "file" / "state"):
        pass
