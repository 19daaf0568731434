"""Does Bursar do in each framework what the page on frameworks says? `python -m tests.frameworks [NAME ...]`."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.frameworks.catalog import FRAMEWORKS, LOOP_RUNNER, NOBODY, Framework, Run
from tests.frameworks.claims import Claim, bill, charges, claims
from tests.frameworks.environment import made, versions
from tests.frameworks.performance import Performance, perform


@dataclass(frozen=True, slots=True)
class Report:
    """What is told of a framework."""

    framework: Framework
    versions: dict[str, str]
    runs: dict[Run, Performance]
    claims: list[Claim]


def main(names: list[str]) -> int:
    """Run the frameworks of these names, or all; 1 if a claim does not hold, 2 for a name there is none of."""
    unknown = set(names) - {framework.name for framework in FRAMEWORKS}
    if unknown:
        known = ", ".join(framework.name for framework in FRAMEWORKS)
        sys.stderr.write(f"there is no framework {', '.join(sorted(unknown))} here: use {known}\n")
        return 2
    console = Console(width=None if sys.stdout.isatty() else 160)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        wanted = [framework for framework in FRAMEWORKS if not names or framework.name in names]
        reports = [_report(framework, progress) for framework in wanted]
    console.print(_frameworks(reports), _routes(reports), _claims(reports))
    said = [claim for report in reports for claim in report.claims]
    failed = sum(not claim.holds for claim in said)
    console.print(f"{len(said) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _report(framework: Framework, progress: Progress) -> Report:
    task = progress.add_task(f"{framework.name}: its environment", total=None)
    python = made(framework)
    runs: dict[Run, Performance] = {}
    for run in framework.runs:
        progress.update(task, description=f"{framework.name}: {run}")
        runs[run] = perform(framework, run, python)
    found = versions(python, framework.name, "anthropic")
    report = Report(framework, found, runs, claims(framework, runs))
    failed = sum(not claim.holds for claim in report.claims)
    progress.console.print(f"{framework.name}: {len(report.claims) - failed} passed, {failed} failed")
    progress.remove_task(task)
    return report


def _frameworks(reports: list[Report]) -> Table:
    table = Table(
        "framework", "version", "anthropic", "cases", "requests", "charges", "billed", "charged", title="Seen"
    )
    for report in reports:
        guest = report.runs[Run.GUEST]
        owed = sum(bill(guest).values())
        told = sum(charge.nano_usd or 0 for charge in charges(guest))
        counts = (len(guest.cases), len(bill(guest)), len(charges(guest)))
        name = report.framework.name
        found = (report.versions[name], report.versions["anthropic"])
        table.add_row(name, *found, *map(str, counts), f"{owed} nano-dollars", f"{told}")
    return table


def _routes(reports: list[Report]) -> Table:
    """How many cases of a framework were found where."""
    table = Table("framework", "the case's function", "who runs the loop", "nobody", "elsewhere", title="Routes")
    for report in reports:
        framework, guest = report.framework, report.runs[Run.GUEST]
        places: Counter[str] = Counter()
        for name, case in guest.cases.items():
            own = {f"{framework.desk}:{name}": "own", LOOP_RUNNER: "loop", NOBODY: "nobody"}
            places.update({own.get(charge.route, charge.route) for charge in case.charges})
        counts = [str(places.pop(kind, 0)) for kind in ("own", "loop", "nobody")]
        table.add_row(framework.name, *counts, "\n".join(f"{count} {route}" for route, count in places.items()))
    return table


def _claims(reports: list[Report]) -> Table:
    table = Table("framework", "claim", "", title="Claims", show_lines=False)
    for report in reports:
        for claim in report.claims:
            table.add_row(
                report.framework.name, claim.name, "holds" if claim.holds else "FAILS: " + "\n".join(claim.faults)
            )
    return table


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
