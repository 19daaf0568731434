"""
What became of every test of a run, one JSON line each, in the order in which they ended.

A pytest plugin of its own (`-p outcomes`, with this folder on the path), since it runs in environments that have no
Rich and under test-suites that are not ours. BURSAR_OUTCOMES names the file to write.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

VARIABLE = "BURSAR_OUTCOMES"
RANK = ("passed", "skipped", "failed")
"""A test has three phases, and is what the worst of them was."""


@dataclass(frozen=True)
class Outcome:
    """One test: its node id, what it was (`passed`, `skipped` or `failed`), and the words for it."""

    test: str
    was: str
    words: str = ""


class Writer:
    """Notes every report of the process that sees them all: the only one, or the one that xdist's workers tell."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            line = {"test": report.nodeid, "was": report.outcome, "words": words(report)}
            self._file.write(json.dumps(line) + "\n")

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome == "failed":
            line = {"test": report.nodeid, "was": "failed", "words": words(report)}
            self._file.write(json.dumps(line) + "\n")

    def pytest_unconfigure(self) -> None:
        self._file.close()


def words(report: Any) -> str:
    """Why a test was skipped, or the lines of its failure that say what was wrong."""
    why: Any = report.longrepr
    if report.outcome == "skipped" and isinstance(why, tuple):
        _, _, reason = cast("tuple[str, int, str]", why)
        return reason.removeprefix("Skipped: ")
    text = str(why or "")
    wrong = [line for line in text.splitlines() if line.startswith(("E ", "Failed:", "worker "))]
    return "\n".join(wrong or text.splitlines()[-5:])


def pytest_configure(config: Any) -> None:
    path = os.environ.get(VARIABLE)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Writer(Path(path)))


def read(path: Path) -> dict[str, Outcome]:
    """What a run has written so far, by node id; of a line that is being written, nothing."""
    found: dict[str, Outcome] = {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.split("\n")[:-1]:
        outcome = Outcome(**json.loads(line))
        before = found.get(outcome.test)
        if before is None or RANK.index(before.was) < RANK.index(outcome.was):
            found[outcome.test] = outcome
    return found
