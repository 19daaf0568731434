"""
What a call costs with Bursar: instructions and CPU time, as ratios to the bare SDK, and the memory it keeps.

    .venv/bin/python tests/benchmarks/overhead.py                       # everything, some minutes
    .venv/bin/python tests/benchmarks/overhead.py --only small --ways sdk,bursar --no-time --no-memory
    .venv/bin/python tests/benchmarks/overhead.py --profile small       # where the time goes

Five workloads (see `workloads`) go over a mock transport that does next to nothing, so that the ratios are to the
SDK's own work alone: against a call over a network they would not be visible. Five ways:

- bare: `open_telemetry=False`, no Bursar.
- the SDK's tracing: `open_telemetry={}`, a real TracerProvider, and the base `SpanProcessor`, which drops every span.
- Bursar on top of that, everything on: a real agent beside it, three budgets that block (one per tenant, one for all
  with alert, downgrade and block, one of the route), journal on disk, leases, metrics to a reader in memory. Labels
  come from the environment and the route from the policy: there is no change to the calling code.
- Bursar without the SDK's tracing: Bursar makes the span itself.
- Bursar with fingerprints of prompts, which the other two ways do without: what they add for the caller, and apart
  from that the work of their worker, as if it looked at every call. Then calls of the largest prompts without a break,
  at full speed: what CPU time the worker takes, of what it may.

Instructions are those of callgrind for so many calls after as many others, by all threads that serve the call;
callgrind is switched on for these calls only. In valgrind calls take fifty times as long, and Bursar's clock would not:
so all of Bursar's `*_SECONDS` are stretched until nothing falls due by the clock. What is counted is thus the work that
a call itself makes, with the asks that it needs where no money is lent to this process (their number is shown). The
work of the background, counting the metrics and shipping the journal to the agent, is counted apart, by a flush of what
the counted calls left; so is one ask, by the first calls of new tenants. What was there before the calls is exempt from
garbage collection: a full one, of all the imported packages, would fall into one stretch or another by chance. Figures
repeat within 0.003.
The kernel's work, such as writing the journal, is in the CPU time only.

CPU time is `process_time`, background threads included, at full speed and with the real clock; medians of rounds that
take turns. In a loop this tight the background ships almost all the time, which it would not in earnest.

Memory is what `tracemalloc` sees growing over 2,000 calls, after a flush, once bounded memories are full.

At the end the ledger must hold each call that was made with Bursar, priced, and all three budgets must have counted it:
else the figures are those of a Bursar that did not do its work, it says so, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.benchmarks import callgrind, household
from tests.benchmarks.hotspots import show_hotspots
from tests.benchmarks.process import House, MeasureError, process
from tests.benchmarks.ratios import as_json, wrong_with
from tests.benchmarks.stages import Stages, Step
from tests.benchmarks.tables import show
from tests.benchmarks.ways import Way
from tests.benchmarks.workloads import WORKLOADS

ROUNDS = 11
WIDTH = 190
Planned = tuple[str, int, Callable[[Step], None]]
"""A stage's name, its number of steps, and how it is run."""


def main() -> int:
    """Measure and print; the exit code."""
    given = _arguments()
    talk = Console(stderr=True)
    with TemporaryDirectory() as made, household.agent(Path(made)) as agent:
        house = House(Path(made), agent)
        if given.profile:
            show_hotspots(_wide(), house, given.profile, given.ways[-1])
            return 0
        if given.keep_callgrind:
            return _keep(talk, house, given.only[0], given.ways[-1], given.keep_callgrind)
        stages = Stages(house, given.only, [Way.BARE, *(way for way in given.ways if way is not Way.BARE)])
        try:
            _measure(stages, talk, given)
        except MeasureError as error:
            talk.print(f"[red]Nothing measured:[/] {error}")
            return 1
        booked = household.booked(house.folder)
    if given.json:
        Console().print_json(data=as_json(stages, booked))
    else:
        show(_wide(), stages, booked)
    return 1 if wrong_with(stages, booked) else 0


def _measure(stages: Stages, talk: Console, given: argparse.Namespace) -> None:
    """Rehearse, then the stages that are wanted and possible, with their progress. Raises `MeasureError`."""
    plan = _plan(stages, talk, given)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk) as progress:
        ours = sum(way.instrumented for way in stages.ways)
        stages.rehearse(partial(progress.advance, progress.add_task("rehearsal", total=ours * len(stages.names))))
        if wrong := wrong_with(stages, household.booked(stages.house.folder)):
            raise MeasureError(" ".join(wrong))
        for name, total, run in plan:
            run(partial(progress.advance, progress.add_task(name, total=total)))


def _plan(stages: Stages, talk: Console, given: argparse.Namespace) -> list[Planned]:
    names, rounds = len(stages.names), given.rounds
    plan: list[Planned] = []
    if not given.no_count and (why_not := callgrind.why_not()) is not None:
        talk.print(why_not)
    elif not given.no_count:
        plan.append(("instructions", names * len(stages.ways), stages.count))
    if Way.PRINTS in stages.ways and not given.no_time:
        plan.append(("fingerprints", 1, stages.work))
    if not given.no_memory:
        plan.append(("memory", len(stages.keepers), stages.keep))
    if not given.no_time:
        plan.append(("CPU time", names * rounds, partial(stages.time, rounds)))
    return plan


def _keep(talk: Console, house: House, name: str, way: Way, folder: Path) -> int:
    """Leave callgrind's files of one act where they can be read by `callgrind_annotate` or KCachegrind."""
    if (why_not := callgrind.why_not()) is not None:
        talk.print(why_not)
        return 1
    with process(way, house, counting=True) as one:
        found = one.order("dump", name)
    folder.mkdir(parents=True, exist_ok=True)
    for path in Path(found["folder"]).glob("kept-*"):
        talk.print(f"callgrind_annotate --inclusive=yes {shutil.move(path, folder / path.name)}", soft_wrap=True)
    return 0


def _wide() -> Console:
    """A terminal as it is; a file or a pipe as wide as the tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a call costs with Bursar, as ratios to the bare SDK.")
    parser.add_argument("--only", type=_workloads, default=list(WORKLOADS), help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument(
        "--ways", type=_ways, default=[*Way], help="of sdk, bursar, own-span, prints; bare is always measured"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of CPU time")
    parser.add_argument("--no-time", action="store_true", help="no CPU time")
    parser.add_argument("--no-count", action="store_true", help="no instructions")
    parser.add_argument("--no-memory", action="store_true", help="no measure of the memory that calls leave behind")
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.add_argument("--profile", choices=WORKLOADS, help="where one workload's time goes, for the last of --ways")
    parser.add_argument(
        "--keep-callgrind",
        type=Path,
        metavar="FOLDER",
        help="callgrind's files of the first of --only, last of --ways",
    )
    return parser.parse_args()


def _workloads(text: str) -> list[str]:
    names = text.split(",")
    if unknown := sorted({*names} - {*WORKLOADS}):
        raise argparse.ArgumentTypeError(
            f"no workload is called {', '.join(unknown)}; choose of {', '.join(WORKLOADS)}"
        )
    return names


def _ways(text: str) -> list[Way]:
    try:
        return [Way(word) for word in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; choose of {', '.join(Way)}") from error


if __name__ == "__main__":
    sys.exit(main())
