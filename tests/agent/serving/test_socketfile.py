"""Claims about socket files: a dead one makes room, a live one does not, and ours goes with us."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from bursar.agent.serving import socketfile
from bursar.agent.serving.socketfile import SocketFileError, socket_file


def left_behind(path: Path) -> None:
    """What a process leaves that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()


def reached(path: Path) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path))


def test_user_and_group_may_connect_whatever_the_umask(tmp_path: Path) -> None:
    """From the moment on at which anybody can."""
    path = tmp_path / "a.sock"
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            with socket_file(path, 1):
                assert stat.S_IMODE(path.stat().st_mode) == 0o660
        finally:
            os.umask(before)


def test_the_file_goes_with_its_socket(tmp_path: Path) -> None:
    """And is there, and answers, until then."""
    path = tmp_path / "a.sock"
    with socket_file(path, 1):
        assert reached(path) == 0
    assert not path.exists()


def test_what_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    """Nobody answers there: a refusal is the proof."""
    path = tmp_path / "a.sock"
    left_behind(path)
    assert path.exists()
    with socket_file(path, 1):
        assert reached(path) == 0


@pytest.mark.parametrize("full", [False, True])
def test_a_process_that_lives_is_left_alone(tmp_path: Path, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that hangs, and has as many waiting as may wait."""
    path = tmp_path / "a.sock"
    monkeypatch.setattr(socketfile, "_KNOCK_SECONDS", 0.01)
    with socket_file(path, 0), socket.socket(socket.AF_UNIX) as waiting:
        if full:
            waiting.connect(str(path))
        with pytest.raises(SocketFileError, match=r"a process listens there.*stop it, or"), socket_file(path, 1):
            pass
        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """Somebody may need it; a link to nowhere is no socket either."""
    there, link = tmp_path / "precious", tmp_path / "link"
    there.write_text("precious")
    link.symlink_to(tmp_path / "nowhere")
    for path in (there, link, tmp_path):
        with pytest.raises(SocketFileError, match="no socket: remove it, or choose another"), socket_file(path, 1):
            pass
    assert there.read_text() == "precious"


def test_the_file_of_a_successor_is_left_to_it(tmp_path: Path) -> None:
    """Somebody removed ours and another agent made one: that stays when we go. So may all be gone."""
    path = tmp_path / "a.sock"
    with socket_file(path, 1):
        path.unlink()
        left_behind(path)
    assert path.exists()
    path.unlink()
    with socket_file(path, 1):
        path.unlink()
