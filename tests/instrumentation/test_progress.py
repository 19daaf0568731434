"""Who is told how far a list is, and in what words."""

from __future__ import annotations

import io
import sys

import pytest

from bursar.instrumentation.progress import Bar, Lines, Silent, progress_of


class Terminal(io.StringIO):
    """A text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "wanted", "kind"),
    [
        (io.StringIO(), None, Silent),
        (io.StringIO(), False, Silent),
        (io.StringIO(), True, Lines),
        (Terminal(), None, Bar),
        (Terminal(), True, Bar),
        (Terminal(), False, Silent),
    ],
)
def test_who_is_told(out: io.StringIO, wanted: bool | None, kind: type[object]) -> None:
    """By default whoever looks at a terminal."""
    told = progress_of(3, wanted, out)
    told.close()
    assert isinstance(told, kind)


def test_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain lines do: nothing is to be installed for it."""
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    assert isinstance(progress_of(3, None, Terminal()), Lines)


def test_lines() -> None:
    """Each stage once, and each tenth of the answers."""
    out = io.StringIO()
    lines = Lines(20, out)
    lines.stage("submitting")
    lines.stage("submitting")
    for _ in range(5):
        lines.done(1)
    lines.stage("reading")
    lines.close()
    assert out.getvalue().splitlines() == [
        "map_batch: 0 of 20, submitting",
        "map_batch: 2 of 20, answered",
        "map_batch: 4 of 20, answered",
        "map_batch: 5 of 20, reading",
    ]


def test_the_bar() -> None:
    """Rich's, with what is done now and how many are answered."""
    out = Terminal()
    bar = progress_of(20, None, out)
    bar.stage("reading results")
    bar.done(7)
    bar.close()
    assert "reading results" in out.getvalue()
    assert "7/20" in out.getvalue()
