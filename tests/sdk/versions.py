"""
Do Bursar's claims hold on every version of the SDK? `python -m tests.sdk.versions [VERSION ...] [-- PYTEST'S OPTIONS]`.

Each version has an environment of its own under `.venv/sdk`, in which the same tests run; two versions at a time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.sdk.environments import HOME, ROOT, NotMade, Recipe, clean_environ, development, made, newest, own_pins
from tests.sdk.outcomes import VARIABLE, Outcome, read

VERSIONS = ("0.108.0", "0.125.0", "1.13.0", "1.14.0", "2.0.0")
"""The oldest one that Bursar takes, and both sides of each change of the SDK that matters to it."""
NEWEST = "anthropic>=2,<3"
TESTS = ("tests/instrumentation", "tests/matrix")
CHECKERS = frozenset({"build", "genai-prices", "import-linter", "mypy", "pyright", "ruff"})
"""Tools of development that no test needs here. (The prices of others are compared on one version; once is enough.)"""
AT_A_TIME = 2
SHOWN = 20
"""How many failures of a version are printed."""


@dataclass
class Run:
    """The tests on one version."""

    version: str
    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    seconds: float = 0.0
    trouble: str = ""
    """Why the tests did not run to their end."""

    def those(self, was: str) -> list[Outcome]:
        """The tests that passed, failed, or were skipped."""
        return [outcome for outcome in self.outcomes.values() if outcome.was == was]

    @property
    def holds(self) -> bool:
        """Whether every claim was tried, and held."""
        return not self.trouble and bool(self.those("passed")) and not self.those("failed")


def main(arguments: Sequence[str]) -> int:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    versions, options = list(arguments[:cut]), list(arguments[cut + 1 :])
    console = Console()
    columns = (SpinnerColumn(), TextColumn("{task.description:>9}"), TextColumn("{task.fields[state]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress, ThreadPoolExecutor(AT_A_TIME) as pool:
        try:
            versions = versions or [*VERSIONS, newest(NEWEST)]
        except NotMade as error:
            sys.exit(f"Which version is the newest is not known; name the versions to try. {error}")
        runs = list(pool.map(partial(run, options=options, progress=progress), versions))
    console.print(table(runs))
    for line in (*reasons(runs), *failures(runs), closing(runs)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0 if all(each.holds for each in runs) else 1


def recipe(version: str) -> Recipe:
    """This version with what its clouds need, Bursar, and the tools of the tests."""
    sdk = f"anthropic[bedrock,vertex]=={version}"
    tools = [tool for tool in development() if tool not in CHECKERS]
    return Recipe(version, (sdk, "httpx", *tools), own_pins(without=["anthropic"]), ".[agent,otel]")


def run(version: str, options: Sequence[str], progress: Progress) -> Run:
    """Make the environment of a version, and run the tests in it."""
    row = progress.add_task(version, total=None, state="makes its environment")
    log, outcomes = _log(version), HOME / version / "outcomes.jsonl"
    try:
        python = made(recipe(version))
    except NotMade as error:
        return Run(version, trouble=str(error))
    begun = time.monotonic()
    with log.open("wb") as out, start(python, outcomes, options, out) as process:
        while process.poll() is None:
            time.sleep(0.5)
            progress.update(row, state=f"{len(read(outcomes))} tests")
    done = Run(version, read(outcomes), time.monotonic() - begun)
    if process.returncode not in (0, 1):
        last = "\n".join(log.read_text().splitlines()[-8:])
        done.trouble = f"pytest ended with {process.returncode}; all of it is in {log.relative_to(ROOT)}:\n{last}"
    progress.update(row, total=1, completed=1, state=f"{len(done.outcomes)} tests, done")
    return done


def _log(version: str) -> Path:
    return HOME / version / "pytest.log"


def start(python: Path, outcomes: Path, options: Sequence[str], out: IO[bytes]) -> subprocess.Popen[bytes]:
    """Begin a run of the tests, or of those that pytest's options name."""
    outcomes.unlink(missing_ok=True)
    plugins = ("-p", "fitting", "-p", "outcomes", "-p", "no:cacheprovider")
    return subprocess.Popen(
        [str(python), "-m", "pytest", "-q", *plugins, *(options or TESTS)],
        cwd=ROOT,
        env=clean_environ({"PYTHONPATH": str(Path(__file__).parent), VARIABLE: str(outcomes)}),
        stdout=out,
        stderr=subprocess.STDOUT,
    )


def table(runs: Iterable[Run]) -> Table:
    """One row per version."""
    drawn = Table(title="Bursar on each version of the SDK", title_justify="left")
    for head in ("anthropic", "passed", "failed", "skipped", "seconds"):
        drawn.add_column(head, justify="right")
    for each in runs:
        counts = [str(len(each.those(was))) for was in ("passed", "failed", "skipped")]
        style = "" if each.holds else "bold red"
        drawn.add_row(each.version, *counts, f"{each.seconds:.0f}", style=style)
    return drawn


def reasons(runs: Iterable[Run]) -> Iterable[str]:
    """Why tests were skipped, and how many for each reason."""
    for each in runs:
        for reason, count in Counter(outcome.words for outcome in each.those("skipped")).items():
            yield f"{each.version}: {count} skipped: {reason}"


def failures(runs: Iterable[Run]) -> Iterable[str]:
    """What failed where, with the first lines of it."""
    for each in runs:
        if each.trouble:
            yield f"{each.version}: {each.trouble}"
        failed = each.those("failed")
        for outcome in failed[:SHOWN]:
            first = "\n".join(outcome.words.splitlines()[:4])
            yield f"{each.version}: {outcome.test}\n{first}"
        if len(failed) > SHOWN:
            yield f"{each.version}: and {len(failed) - SHOWN} more in {_log(each.version).relative_to(ROOT)}"


def closing(runs: Sequence[Run]) -> str:
    """The sum, in the words in which test runners end."""
    counts = [f"{sum(len(each.those(was)) for each in runs)} {was}" for was in ("passed", "failed", "skipped")]
    return ", ".join(counts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
