"""Claims about the measured history, at its smallest."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.benchmarks.history import Run, commands, run, wrong
from tests.benchmarks.pastmillion import A_DAY, DAY_SECONDS, SECOND, WORKS, make

from bursar.agent.ledger import open_for_reading, printbook

CALLS = 1_000


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("history") / "ledger.sqlite"
    make(path, CALLS, time.time_ns() - SECOND)
    return path


def test_the_routes_are_all_of_the_calls() -> None:
    assert sum(work.share for work in WORKS) == 100


def test_what_is_made_up_hangs_together(ledger: Path) -> None:
    """Every call has a fingerprint whose blocks are as long as its billed prompt, within its stretch of time."""
    now_ns = time.time_ns()
    with open_for_reading(ledger) as db:
        found = list(printbook.prompts(db, 0, now_ns))
        lengths = [sum(node.tokens for node in printbook.path(db, one.node, {})) for one in found]
    assert len(found) == CALLS
    assert lengths == [one.usage.prompt for one in found]
    assert found[0].at_ns > now_ns - CALLS * DAY_SECONDS * SECOND / A_DAY - 60 * SECOND


@pytest.mark.parametrize("name", ["advise --json", "simulate --policy", "simulate --levers"])
def test_a_command_is_run_to_its_end(ledger: Path, tmp_path: Path, name: str) -> None:
    one = run(name, commands(tmp_path)[name], ledger, CALLS)
    assert (one.code, one.said) == (0, "")
    assert one.megabytes > 10
    assert one.cpu > 0


def test_a_command_that_fails_says_so(ledger: Path, tmp_path: Path) -> None:
    one = run("x", ["simulate", "--since", "never"], ledger, CALLS)
    assert one.code == 2
    assert "say what to simulate" in one.said
    assert len(wrong([one])) == 1


STEADY = Run("x", 1_000, 1.0, 1.0, 40, 3, 0, "")


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (replace(STEADY, calls=10_000, cpu=10.0, seconds=10.0), ""),
        (replace(STEADY, calls=10_000, cpu=13.1), "13.1 times the time for 10.0"),
        (replace(STEADY, calls=10_000, megabytes=521), "13.0 times the memory for 10.0"),
        (replace(STEADY, calls=10_000, seconds=2.1, shown=1), "no progress in 2 s"),
    ],
)
def test_what_is_not_met(second: Run, what: str) -> None:
    """Growth beyond that of the calls, and long silence."""
    found = wrong([STEADY, second])
    assert what in "".join(found)
    assert len(found) == bool(what)
