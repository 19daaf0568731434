"""Claims about what outlives a restart."""

import contextlib
from pathlib import Path

import pytest

from bursar.agent.sandbox.chronicle import Chronicle

ONE, TWO = {"what": "one", "n": 1}, {"what": "two", "text": "\n"}


def again(path: Path) -> list[dict[str, object]]:
    """What a new chronicle of this file reads."""
    chronicle = Chronicle(path)
    try:
        return chronicle.read()
    finally:
        chronicle.close()


def test_without_a_file() -> None:
    """Nothing is kept, and nothing fails."""
    chronicle = Chronicle()
    chronicle.note("one")
    chronicle.close()
    assert chronicle.read() == []


def test_what_is_noted_is_there(tmp_path: Path) -> None:
    """At once, for its owner alone, in a folder that is made; and it goes on where it was."""
    path = tmp_path / "new" / "state"
    chronicle = Chronicle(path)
    assert chronicle.read() == []
    chronicle.note("one", n=1)
    assert path.read_bytes() == b'[{"what":"one","n":1}]\n'
    assert path.stat().st_mode & 0o777 == 0o600
    chronicle.close()
    later = Chronicle(path)
    assert later.read() == [ONE]
    later.note("two", text="\n")
    later.close()
    assert again(path) == [ONE, TWO]


def test_what_belongs_together_is_one_line(tmp_path: Path) -> None:
    """Also where one block is in another; a block that fails has happened as far as it got."""
    path = tmp_path / "state"
    chronicle = Chronicle(path)
    with chronicle.together():
        chronicle.note("one", n=1)
        with chronicle.together():
            chronicle.note("two", text="\n")
        assert path.read_bytes() == b""
    assert path.read_bytes().count(b"\n") == 1
    with contextlib.suppress(KeyError), chronicle.together():
        chronicle.note("one", n=1)
        raise KeyError
    chronicle.close()
    assert again(path) == [ONE, TWO, ONE]


@pytest.mark.parametrize("kept", [1, 8, 20])
def test_a_line_that_was_cut_off(tmp_path: Path, kept: int) -> None:
    """Counts for nothing, and the next begins where it began; also where it is the first."""
    path = tmp_path / "state"
    path.write_bytes(b'[{"what":"two","text":"\\n"}]'[:kept])
    assert again(path) == []
    line = b'[{"what":"one","n":1}]\n'
    path.write_bytes(line + line[:kept])
    chronicle = Chronicle(path)
    assert chronicle.read() == [ONE]
    chronicle.note("two", text="\n")
    chronicle.close()
    assert again(path) == [ONE, TWO]


def test_another_sandbox(tmp_path: Path) -> None:
    """Cannot have the file as long as this one has it."""
    chronicle = Chronicle(tmp_path / "state")
    with pytest.raises(OSError, match=r"another sandbox has .*state; end it, or choose another file"):
        Chronicle(tmp_path / "state")
    chronicle.close()
    assert again(tmp_path / "state") == []


def test_a_file_of_something_else(tmp_path: Path) -> None:
    """Is left as it was."""
    path = tmp_path / "notes"
    path.write_bytes(b"dear diary")
    with pytest.raises(OSError, match="notes holds something else than a sandbox's state"):
        Chronicle(path).read()
    assert path.read_bytes() == b"dear diary"
    with pytest.raises(OSError, match="something else"):
        Chronicle(path).read()
