"""
The rows of docs/failures.md, shown: each rule is broken, and its tests fail. `python -m tests.mutants [ROW ...]`.

Ends with 1 if a broken rule is not seen, with 2 if the table does not fit the code, or the tests do not run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.mutants.table import ROOT, Mutant, StaleError, read_table
from tests.mutants.verdict import UntoldError, Verdict, Word, failing, judge


@dataclass(frozen=True, slots=True)
class Judged:
    """A mutant and what was said of it."""

    mutant: Mutant
    verdict: Verdict

    @property
    def caught(self) -> bool:
        """Whether its tests fail by it."""
        return self.verdict.word is Word.CAUGHT


def main(arguments: Sequence[str]) -> int:
    """Break the rules of the rows that were asked for; the exit code."""
    asked, table = _parse(arguments), read_table()
    unknown = set(asked.rows) - {mutant.row for mutant in table}
    if unknown:
        sys.stderr.write(f"there are no mutants of row {', '.join(map(str, sorted(unknown)))}\n")
        return 2
    mutants = [mutant for mutant in table if not asked.rows or mutant.row in asked.rows]
    try:
        for mutant in mutants:
            mutant.applied((ROOT / mutant.file).read_text())
        judged = _judge_all(mutants)
    except (StaleError, UntoldError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if asked.json:
        sys.stdout.write(json.dumps([_plain(each) for each in judged], indent=1) + "\n")
    else:
        _show(judged)
    return 0 if all(each.caught for each in judged) else 1


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=(__doc__ or "").strip())
    parser.add_argument("rows", nargs="*", type=int, metavar="ROW", help="rows of docs/failures.md; all without any")
    parser.add_argument("--json", action="store_true", help="verdicts for machines, on standard output")
    return parser.parse_args(arguments)


def _judge_all(mutants: Sequence[Mutant]) -> list[Judged]:
    """First all their tests without any change, so that one which fails anyway catches nothing; then each mutant."""
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    judged: list[Judged] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("without any change", total=len(mutants))
        anyway = failing(tests)
        for mutant in mutants:
            progress.update(task, description=f"row {mutant.row}: {mutant.broken}")
            spoilt = anyway.intersection(mutant.tests)
            verdict = Verdict(Word.FAILS_ANYWAY, 0.0, min(spoilt)) if spoilt else judge(mutant)
            judged.append(Judged(mutant, verdict))
            said = f"{verdict.word}: row {mutant.row}, {mutant.broken}"
            progress.console.print(said, highlight=False, soft_wrap=True)
            progress.advance(task)
    return judged


def _show(judged: Sequence[Judged]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 200)
    table = Table("row", "what is broken", "verdict", "by", "seconds", box=box.MARKDOWN)
    for each in judged:
        style = "green" if each.caught else "red"
        word = f"[{style}]{each.verdict.word}[/]"
        by = each.verdict.by.rpartition("::")[2] if each.caught else each.verdict.by
        table.add_row(str(each.mutant.row), each.mutant.broken, word, by, f"{each.verdict.seconds:.1f}")
    console.print(table)
    caught, rows = sum(each.caught for each in judged), len({each.mutant.row for each in judged})
    console.print(f"{caught} of {len(judged)} caught, in {rows} rows", highlight=False)


def _plain(judged: Judged) -> dict[str, object]:
    mutant, verdict = judged.mutant, judged.verdict
    return {
        "row": mutant.row,
        "broken": mutant.broken,
        "file": mutant.file,
        "tests": list(mutant.tests),
        "verdict": verdict.word.value,
        "by": verdict.by,
        "seconds": round(verdict.seconds, 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
