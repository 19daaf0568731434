"""Do tests see that a rule is broken?"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.mutants.stage import Stage, staged
from tests.mutants.table import ROOT, Mutant

LIMIT_SECONDS = 300.0
"""Longer than any row's tests take; whoever is not done by then has said nothing."""
ALL_SECONDS = 1_800.0
"""The same for the tests of all rows together."""
_PASSED, _FAILED = 0, 1
_SAID = re.compile(r"^(?:FAILED|ERROR) ([^\s\[]+)", re.MULTILINE)


class Word(StrEnum):
    """What is said of a mutant; only the first is good."""

    CAUGHT = "caught"
    NOT_CAUGHT = "not caught"
    NOT_IMPORTED = "not imported"
    """The tests never came to the changed file."""
    NO_END = "no end"
    BROKEN = "did not run"
    """Neither passed nor failed: nothing was collected, say."""
    FAILS_ANYWAY = "fails anyway"
    """Without the change as well."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant."""

    word: Word
    seconds: float
    by: str = ""
    """The first test that failed; else the last that pytest said."""


@dataclass(frozen=True, slots=True)
class _Run:
    code: int | None
    said: str
    seconds: float


def judge(mutant: Mutant) -> Verdict:
    """Whether one of its tests fails by the change. Raises `StaleError`."""
    with staged() as stage:
        stage.mutate(mutant)
        run = _run(stage, ["-x", *mutant.tests], LIMIT_SECONDS)
        imported = stage.imported(mutant)
    failed = _SAID.findall(run.said)
    return Verdict(_word(run, imported=imported, failed=bool(failed)), run.seconds, failed[0] if failed else _last(run))


def failing(tests: Sequence[str]) -> frozenset[str]:
    """Those of some tests that fail on a copy without any change. Raises `UntoldError` where they do not run."""
    with staged() as stage:
        run = _run(stage, tests, ALL_SECONDS)
    if run.code not in (_PASSED, _FAILED):
        raise UntoldError(f"without any change the tests do not run: {_last(run) or 'they come to no end'}")
    return frozenset(_SAID.findall(run.said))


class UntoldError(Exception):
    """Tests that ran to no result; the text says what pytest said."""


def _word(run: _Run, *, imported: bool, failed: bool) -> Word:
    if run.code is None:
        return Word.NO_END
    if run.code not in (_PASSED, _FAILED):
        return Word.BROKEN
    if not imported:
        return Word.NOT_IMPORTED
    return Word.CAUGHT if failed else Word.NOT_CAUGHT


def _last(run: _Run) -> str:
    return next((line for line in reversed(run.said.splitlines()) if line), "")


def _run(stage: Stage, tests: Sequence[str], seconds: float) -> _Run:
    """Run tests; the processes that they leave go with them."""
    command = [str(stage.python), "-m", "pytest", "-q", "--no-header", "--tb=no", "--hypothesis-seed=0"]
    command += ["-p", "no:cacheprovider", f"--basetemp={stage.folder / 'tmp'}", *tests]
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=_environment(stage),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            said, code = "", None
        finally:
            _end(process.pid)
    return _Run(code, said, time.monotonic() - began)


_NOT_OURS = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTEST_ADDOPTS")
"""What would lead to other code, or hide what was imported."""


def _environment(stage: Stage) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_OURS}
    return {**kept, "HYPOTHESIS_STORAGE_DIRECTORY": str(stage.folder / "hypothesis")}


def _end(session: int) -> None:
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:  # nobody is left
        return
