"""
Does the SDK's own test-suite notice Bursar? `python -m tests.sdk.suite [PYTEST'S OPTIONS]`.

The suite comes with the SDK's source distribution and runs on what its lock file names: bare, with Bursar active, and
with Bursar active and an agent whose budget is in force. Then the outcomes are compared, test by test.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from tests.sdk import active, outcomes
from tests.sdk.comparison import Comparison, Difference, compare
from tests.sdk.environments import HOME, NotMade, clean_environ, made
from tests.sdk.knowndifferences import KNOWN
from tests.sdk.outcomes import Outcome
from tests.sdk.source import NEEDS_A_SERVER, VERSION, recipe, unpacked
from tests.whole.scene import POLICY, House

BARE, ACTIVE, WITH_AGENT = "without Bursar", "with Bursar", "with Bursar and an agent"
WORKERS = "2"
LIMIT = "1000000 USD"
SHOWN_LINES = 6
AT_MOST_SECONDS = 3600


@dataclass(frozen=True)
class Run:
    """One run of the suite."""

    outcomes: Mapping[str, Outcome]
    charges: int
    seconds: float


class DidNotRun(Exception):  # noqa: N818 - reads as what it is where it is caught
    """The suite did not run to its end; the text says why."""


def main(options: Sequence[str]) -> int:
    console = Console(highlight=False, soft_wrap=True)
    try:
        with console.status("the SDK's source and its environment"):
            suite = unpacked()
            python = made(recipe(suite))
        bare = _told(console, BARE, run(BARE, python, suite, options))
        alike = [_judged(console, bare, name, run(name, python, suite, options)) for name in (ACTIVE, WITH_AGENT)]
    except (NotMade, DidNotRun) as error:
        sys.exit(str(error))
    return 0 if all(alike) else 1


def _judged(console: Console, bare: Run, name: str, done: Run) -> bool:
    """Whether a run went as the bare one, saying where it did not."""
    _told(console, name, done)
    comparison = compare(bare.outcomes, done.outcomes, KNOWN)
    for line in lines(comparison, done.charges):
        console.print(line, markup=False)
    return not comparison.differing and done.charges > 0


def _told(console: Console, name: str, done: Run) -> Run:
    counts = Counter(outcome.was for outcome in done.outcomes.values())
    told = ", ".join(f"{counts[was]} {was}" for was in ("passed", "failed", "skipped"))
    console.print(f"{name}: {told} in {done.seconds:.0f} s")
    return done


def run(name: str, python: Path, suite: Path, options: Sequence[str]) -> Run:
    """
    The suite without the tests that need a server of its own, in one of the three ways.

    Raises `DidNotRun`.
    """
    label = name.replace(" ", "-")
    log, written = HOME / f"{label}.log", HOME / f"{label}.jsonl"
    written.unlink(missing_ok=True)
    begun = time.monotonic()
    with ExitStack() as stack, log.open("wb") as out:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bursar-suite-")))
        plugins, environ = _manner(name, folder, stack)
        command = [str(python), "-m", "pytest", "-q", "-n", WORKERS, "-o", "verbosity_assertions=2"]
        ended = subprocess.run(
            [*command, "-p", "no:cacheprovider", *plugins, *(options or ["--ignore", NEEDS_A_SERVER])],
            cwd=suite,
            env=clean_environ({"PYTHONPATH": str(Path(__file__).parent), outcomes.VARIABLE: str(written), **environ}),
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=AT_MOST_SECONDS,
        )
        charges = active.charges(folder)
    if ended.returncode not in (0, 1):
        raise DidNotRun(f"{name}: pytest ended with {ended.returncode}:\n{log.read_text()[-2000:]}")
    return Run(outcomes.read(written), charges, time.monotonic() - begun)


def _manner(name: str, folder: Path, stack: ExitStack) -> tuple[Sequence[str], Mapping[str, str]]:
    """The plugins and variables of a run."""
    if name == BARE:
        return ("-p", "outcomes"), {}
    environ = {active.VARIABLE: str(folder)}
    if name == WITH_AGENT:
        policy = folder / "bursar.toml"
        policy.write_text(POLICY.format(limit=LIMIT))
        house = House(folder, "", _free_port(), arguments=("--policy", str(policy)))
        try:
            stack.enter_context(house.agent())
        except AssertionError as error:
            raise DidNotRun(f"{error}\n{(folder / 'agent.log').read_text()}") from None
        environ["BURSAR_AGENT"] = house.agent_url
    return ("-p", "outcomes", "-p", "active"), environ


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def lines(comparison: Comparison, charges: int) -> Iterable[str]:
    """The verdict on a run, as it is printed."""
    by_design = sum(map(len, comparison.by_design.values()))
    yield (
        f"  of {comparison.tests} tests of anthropic {VERSION} {comparison.identical} identical, "
        f"{by_design} different by design, {len(comparison.differing)} different; {charges} charges were made"
    )
    for file, count in Counter(test.partition("::")[0] for test in comparison.failing).items():
        yield f"  fail without Bursar too: {count} of {file}"
    for known, differences in comparison.by_design.items():
        yield f"  by design: {len(differences)}: {known.reason}"
    for difference in comparison.differing:
        yield from _shown(difference)


def _shown(difference: Difference) -> Iterable[str]:
    yield f"  {difference.test}: {difference.before}, then {difference.after}"
    yield from (f"    {line}" for line in difference.words.splitlines()[:SHOWN_LINES])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
