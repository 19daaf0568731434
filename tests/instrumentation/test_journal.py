"""Journal: no line is lost while the process lives, and its lock says whether it does."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bursar.instrumentation import journal as module
from bursar.instrumentation.journal import Batch, Journal
from bursar.instrumentation.quiet import forget_told


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    forget_told()
    yield
    forget_told()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path, "h")
    yield opened
    opened.close(remove=False)


def line(text: object) -> bytes:
    return f"{text}\n".encode()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_lines_stand_in_the_file_at_once(journal: Journal, tmp_path: Path) -> None:
    """In order, in a file of the holder's name that nobody else may read."""
    assert journal.path == tmp_path / "journal" / "h.jsonl"
    assert journal.writable
    for number in range(3):
        journal.append(line(number))
        assert journal.path.read_bytes().endswith(line(number))
    assert journal.path.read_bytes() == b"0\n1\n2\n"
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.path.parent.stat().st_mode & 0o777 == 0o700


def test_lines_are_shipped_until_they_are_acknowledged(journal: Journal) -> None:
    """A lost answer repeats them; new lines come after; what is acknowledged stays in the file for the moment."""
    assert (journal.drained, journal.unshipped()) == (True, Batch((), 0, 0))
    journal.append(b"a\n")
    first = journal.unshipped()
    assert (first.lines, journal.drained) == ((b"a\n",), False)
    journal.append(b"b\n")
    assert journal.unshipped().lines == (b"a\n", b"b\n")
    journal.acknowledge(first)
    assert (journal.unshipped().lines, journal.drained) == ((b"b\n",), False)
    journal.acknowledge(journal.unshipped())
    assert (journal.unshipped().lines, journal.drained) == ((), True)
    journal.acknowledge(first)
    assert journal.drained


def test_a_batch_is_cut_at_a_line(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """At about its size; a single line that is longer goes alone."""
    monkeypatch.setattr(module, "BATCH_BYTES", 10)
    for text in ("1234", "5678", "9", "long" * 10, "x"):
        journal.append(line(text))
    batches: list[tuple[bytes, ...]] = []
    while not journal.drained:
        batch = journal.unshipped()
        batches.append(batch.lines)
        journal.acknowledge(batch)
    assert batches == [(b"1234\n", b"5678\n"), (b"9\n",), (line("long" * 10),), (b"x\n",)]


def test_an_acknowledged_file_is_emptied_when_it_is_large(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that are still to be shipped stay, and only they."""
    monkeypatch.setattr(module, "TRIM_BYTES", 8)
    journal.append(b"1234\n")
    journal.acknowledge(journal.unshipped())
    assert journal.path.stat().st_size == 5
    journal.append(b"5678\n")
    batch = journal.unshipped()
    journal.append(b"9\n")
    journal.acknowledge(batch)
    assert journal.path.read_bytes() == b"9\n"
    late = journal.unshipped()
    journal.append(b"abcdefg\n")
    assert journal.path.read_bytes() == b"9\nabcdefg\n"
    journal.acknowledge(late)
    assert journal.unshipped().lines == (b"abcdefg\n",)
    journal.acknowledge(journal.unshipped())
    assert journal.path.stat().st_size == 0
    journal.append(b"a\n")
    assert (journal.unshipped().lines, journal.path.read_bytes()) == ((b"a\n",), b"a\n")


def test_a_file_under_steady_traffic_does_not_grow(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though there is always a line that came after the batch on its way."""
    monkeypatch.setattr(module, "TRIM_BYTES", 100)
    shipped: list[bytes] = []
    journal.append(line(0))
    for number in range(1, 200):
        batch = journal.unshipped()
        journal.append(line(number))
        journal.acknowledge(batch)
        shipped += batch.lines
        assert journal.path.stat().st_size < 110
    assert shipped == [line(number) for number in range(199)]


def test_more_than_what_is_dropped_is_not_copied(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy would run into what it is made from."""
    monkeypatch.setattr(module, "TRIM_BYTES", 4)
    journal.append(b"123\n")
    batch = journal.unshipped()
    journal.append(b"567\n")
    journal.acknowledge(batch)
    assert journal.path.read_bytes() == b"123\n567\n"
    assert journal.unshipped().lines == (b"567\n",)


def acknowledged_but_one(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Ten bytes to acknowledge, which is enough to drop them, and a line after them."""
    monkeypatch.setattr(module, "TRIM_BYTES", 8)
    journal.append(b"1234\n")
    journal.append(b"5678\n")
    batch = journal.unshipped()
    journal.append(b"9\n")
    return batch


def test_a_crash_while_lines_are_dropped_loses_none(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the cut, a line stands there twice and none in half; the file goes on where it was."""
    batch = acknowledged_but_one(journal, monkeypatch)

    def fail(file: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(os, "ftruncate", fail)
        journal.acknowledge(batch)
    assert journal.path.read_bytes() == b"9\n  \n5678\n9\n"
    assert journal.unshipped().lines == (b"9\n",)
    journal.append(b"a\n")
    journal.acknowledge(batch)
    assert journal.path.read_bytes() == b"9\na\n"
    assert journal.unshipped().lines == (b"9\n", b"a\n")


def test_lines_copied_in_part_are_not_cut_off(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own place in the file is left as it is."""
    batch = acknowledged_but_one(journal, monkeypatch)
    Disk(monkeypatch, 1)
    journal.acknowledge(batch)
    assert journal.path.read_bytes() == b"9234\n5678\n9\n"
    assert journal.unshipped().lines == (b"9\n",)


def test_an_answer_that_comes_twice_acknowledges_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two messages may carry the same lines; the second answer says nothing about lines that came after a trim."""
    monkeypatch.setattr(module, "TRIM_BYTES", 1)
    journal.append(b"long enough to count\n")
    one, other = journal.unshipped(), journal.unshipped()
    journal.acknowledge(one)
    journal.append(b"a\n")
    journal.acknowledge(other)
    assert (journal.drained, journal.unshipped().lines) == (False, (b"a\n",))


def lockable(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_the_lock_is_held_while_its_owner_lives_and_free_after_its_death(tmp_path: Path) -> None:
    """Killed without a chance to say anything; what it had written is there."""
    script = (
        "import sys, time; from pathlib import Path\n"
        "from bursar.instrumentation.journal import Journal\n"
        f"journal = Journal(Path({str(tmp_path)!r}), 'h')\n"
        "journal.append(b'sent\\n')\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    path = tmp_path / "journal" / "h.jsonl"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        assert not lockable(path)
        owner.send_signal(signal.SIGSTOP)
        assert not lockable(path)
        owner.kill()
        owner.wait()
    assert lockable(path)
    assert path.read_bytes() == b"sent\n"


@pytest.mark.parametrize(
    ("booked", "remove", "stays"), [(True, True, False), (True, False, True), (False, True, True), (False, False, True)]
)
def test_closing_lets_go_of_the_lock(tmp_path: Path, booked: bool, remove: bool, stays: bool) -> None:
    """And takes the file away where everything in it is booked."""
    journal = Journal(tmp_path, "h")
    journal.append(b"a\n")
    if booked:
        journal.acknowledge(journal.unshipped())
    journal.close(remove=remove)
    assert journal.path.exists() is stays
    assert not stays or lockable(journal.path)
    assert not journal.writable


@pytest.mark.parametrize("booked", [True, False])
def test_what_comes_after_the_end_is_written_all_the_same(tmp_path: Path, booked: bool) -> None:
    """A thread that outlives the rest of the process has a call to tell of: whoever adopts the journal reads it."""
    journal = Journal(tmp_path, "h")
    journal.append(b"a\n")
    if booked:
        journal.acknowledge(journal.unshipped())
    journal.close(remove=True)
    journal.append(b"b\n")
    journal.append(b"c\n")
    assert journal.path.read_bytes() == (b"b\nc\n" if booked else b"a\nb\nc\n")
    assert journal.unshipped().lines == ((b"b\n", b"c\n") if booked else (b"a\n", b"b\n", b"c\n"))
    assert not lockable(journal.path)
    journal.close(remove=True)
    assert journal.path.exists()


def test_what_comes_after_an_adoption_is_written_alone(tmp_path: Path) -> None:
    """The file was let go of, adopted and removed meanwhile."""
    journal = Journal(tmp_path, "h")
    journal.append(b"a\n")
    journal.close(remove=False)
    journal.path.unlink()
    journal.append(b"b\n")
    assert journal.path.read_bytes() == b"b\n"
    assert journal.unshipped().lines == (b"b\n",)
    journal.close(remove=True)


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With its path and the remedy; lines are kept for shipping, in order."""
    (tmp_path / "journal").write_text("in the way")
    journal = Journal(tmp_path, "h")
    Journal(tmp_path, "h2")
    assert not journal.writable
    journal.append(b"a\n")
    journal.append(b"b\n")
    (warning,) = warnings(caplog)
    assert str(journal.path) in warning
    assert "BURSAR_STATE_DIR" in warning
    batch = journal.unshipped()
    assert (batch.lines, journal.drained) == ((b"a\n", b"b\n"), False)
    journal.append(b"c\n")
    journal.acknowledge(batch)
    assert journal.unshipped().lines == (b"c\n",)
    journal.acknowledge(batch)
    assert journal.unshipped().lines == (b"c\n",)
    journal.close(remove=True)


def test_a_journal_that_cannot_be_locked_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """To everybody else it would be a dead process's: its money would be lent to others."""
    first = Journal(tmp_path, "h")
    second = Journal(tmp_path, "h")
    assert (first.writable, second.writable) == (True, False)
    second.append(b"b\n")
    assert first.path.read_bytes() == b""
    assert second.unshipped().lines == (b"b\n",)
    assert len(warnings(caplog)) == 1
    first.close(remove=True)


class Disk:
    """Stands in for `os.pwrite`: takes so many bytes in all, then is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.pwrite
        monkeypatch.setattr(os, "pwrite", self.write)

    def write(self, file: int, data: bytes, offset: int) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(file, data[: self.room], offset)
        self.room -= written
        return written


def test_a_full_disk_is_told_once_and_no_line_is_lost(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And when there is room again the file goes on."""
    disk = Disk(monkeypatch, 4)
    for text in ("a", "b", "c", "d"):
        journal.append(line(text))
    assert len(warnings(caplog)) == 1
    assert "No space left on device" in warnings(caplog)[0]
    disk.room = 100
    journal.append(b"e\n")
    assert journal.path.read_bytes() == b"a\nb\ne\n"
    assert sorted(journal.unshipped().lines) == [b"a\n", b"b\n", b"c\n", b"d\n", b"e\n"]


def test_half_a_line_does_not_spoil_the_next(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut off again, and the line itself is kept for shipping."""
    disk = Disk(monkeypatch, 5)
    journal.append(b"abc\n")
    journal.append(b"def\n")
    assert journal.path.read_bytes() == b"abc\nd"
    assert journal.unshipped().lines == (b"abc\n", b"def\n")
    disk.room = 100
    journal.append(b"ghi\n")
    assert journal.path.read_bytes() == b"abc\nghi\n"
    batch = journal.unshipped()
    assert batch.lines == (b"abc\n", b"ghi\n", b"def\n")
    journal.acknowledge(batch)
    assert journal.drained


def test_half_a_line_at_the_end_leaves_nothing_to_ship(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits until all is shipped does not wait for ever."""
    Disk(monkeypatch, 5)
    journal.append(b"abc\n")
    journal.append(b"def\n")
    journal.acknowledge(journal.unshipped())
    assert journal.drained


def test_a_full_journal_keeps_newer_lines_in_memory(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once; and once the agent has taken it all the file begins anew."""
    monkeypatch.setattr(module, "CAP_BYTES", 8)
    monkeypatch.setattr(module, "TRIM_BYTES", 6)
    for text in ("123", "567", "a", "b"):
        journal.append(line(text))
    assert journal.path.read_bytes() == b"123\n567\n"
    assert len(warnings(caplog)) == 1
    assert "that no agent has taken yet" in warnings(caplog)[0]
    batch = journal.unshipped()
    assert batch.lines == (b"123\n", b"567\n", b"a\n", b"b\n")
    journal.acknowledge(batch)
    journal.append(b"c\n")
    assert journal.path.read_bytes() == b"c\n"


def test_memory_is_bounded_and_its_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The oldest lines go; an answer on its way meanwhile takes none that it did not carry."""
    monkeypatch.setattr(module, "SPARE_LINES", 3)
    monkeypatch.setattr(module, "SPARES_AT_ONCE", 2)
    (tmp_path / "journal").write_text("in the way")
    journal = Journal(tmp_path, "h")
    for text in ("a", "b", "c"):
        journal.append(line(text))
    batch = journal.unshipped()
    assert batch.lines == (b"a\n", b"b\n")
    assert len(warnings(caplog)) == 1
    journal.append(b"d\n")
    journal.append(b"e\n")
    assert len(warnings(caplog)) == 2
    assert "the oldest are lost" in warnings(caplog)[1]
    journal.acknowledge(batch)
    assert journal.unshipped().lines == (b"c\n", b"d\n")


def append_within(journal: Journal, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Append from inside the journal's next system call of that name, as a destructor may."""
    original: Callable[..., object] = getattr(os, name)

    def reentrant(*arguments: object) -> object:
        monkeypatch.setattr(os, name, original)
        journal.append(b"from a destructor\n")
        return original(*arguments)

    monkeypatch.setattr(os, name, reentrant)


def test_a_destructor_may_append_while_a_line_is_written(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the same thread, inside the very call: both lines are shipped, and neither is cut."""
    append_within(journal, monkeypatch, "pwrite")
    journal.append(b"a\n")
    journal.append(b"b\n")
    batch = journal.unshipped()
    assert sorted(batch.lines) == [b"a\n", b"b\n", b"from a destructor\n"]
    journal.acknowledge(batch)
    assert journal.drained


def test_a_destructor_may_append_while_the_file_is_trimmed(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line is not thrown away with the acknowledged ones."""
    monkeypatch.setattr(module, "TRIM_BYTES", 1)
    journal.append(b"a\n")
    append_within(journal, monkeypatch, "ftruncate")
    journal.acknowledge(journal.unshipped())
    assert journal.unshipped().lines == (b"from a destructor\n",)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_leaves_the_parent_s_journal_alone(journal: Journal) -> None:
    """It writes nothing there, and its end does not free the parent's lock."""
    journal.append(b"parent\n")
    child = os.fork()
    if child == 0:
        journal.abandon()
        journal.append(b"child\n")
        os._exit(0 if not journal.writable else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not lockable(journal.path)
    assert journal.path.read_bytes() == b"parent\n"
