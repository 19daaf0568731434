"""Outcomes: what a run wrote down is read back, while it runs and afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.sdk.outcomes import Outcome, Writer, read, words


def report(when: str, outcome: str, why: object = "") -> SimpleNamespace:
    return SimpleNamespace(nodeid="t.py::test_x", when=when, outcome=outcome, longrepr=why)


@pytest.mark.parametrize(
    ("phases", "was"),
    [
        (["passed", "passed", "passed"], "passed"),
        (["passed", "failed", "passed"], "failed"),
        (["failed", "passed"], "failed"),
        (["passed", "passed", "failed"], "failed"),
        (["skipped", "passed"], "skipped"),
    ],
)
def test_a_test_is_what_its_worst_phase_was(tmp_path: Path, phases: list[str], was: str) -> None:
    """Preparing, running, cleaning up."""
    writer = Writer(tmp_path / "run")
    for when, outcome in zip(("setup", "call", "teardown"), phases, strict=False):
        writer.pytest_runtest_logreport(report(when, outcome))
    writer.pytest_unconfigure()
    assert [outcome.was for outcome in read(tmp_path / "run").values()] == [was]


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    """A run is looked at while it goes on; one that has not begun has told nothing."""
    line = json.dumps({"test": "a", "was": "passed", "words": ""})
    (tmp_path / "run").write_text(f"{line}\n{line[:9]}")
    assert read(tmp_path / "run") == {"a": Outcome("a", "passed")}
    assert read(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("outcome", "why", "expected"),
    [
        ("skipped", ("t.py", 3, "Skipped: not here"), "not here"),
        ("failed", "t.py:3: in test_x\n    assert 1 == 2\nE   assert 1 == 2\nlog", "E   assert 1 == 2"),
        ("failed", "one\ntwo\nthree\nfour\nfive\nsix", "two\nthree\nfour\nfive\nsix"),
    ],
)
def test_the_words_say_what_was_wrong(outcome: str, why: object, expected: str) -> None:
    """The reason of a skip, pytest's own lines of a failure, or else the last lines there are."""
    assert words(report("call", outcome, why)) == expected
