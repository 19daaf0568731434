"""The table of docs/matrix.md, out of what the cases come to: `python -m tests.matrix.table` writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import anthropic
from tests.matrix.case import Case, Told
from tests.matrix.cases import CASES
from tests.matrix.conditions import CONDITIONS, changes
from tests.matrix.measuring import measure

PAGE = Path(__file__).resolve().parents[2] / "docs" / "matrix.md"
HEAD = """<!-- Written by `python -m tests.matrix.table`, on anthropic {version}. Do not edit. -->
# Every way of calling

Each row is a way of calling the SDK that some instrumentation of it gets wrong: tokens counted twice or without the
cached ones, a stream broken off and priced by its placeholder, raw responses and batches that nobody sees, copies of a
client that lose what was put on them, generators that are consumed, contexts that leak, streams whose types change,
calls that crash. The cases are data in `tests/matrix`; the tests there hold what each must come to, with the SDK's own
tracing and without; this page says what it came to on anthropic {version}.

The API's answer is the same nearly everywhere: 100 tokens of input, 2,000 read from the cache, 500 written to it (300
for five minutes, 200 for an hour), 42 of output, two web searches: on Claude Sonnet 5.5, 22,370,000 nano-dollars.

- **requests**: what went over the wire.
- **charges**, **basis**: cost of each in nano-dollars; `usage` is the API's own count, `estimate` the lower bound of a
  stream broken off, `unknown` what may have been billed without telling.
- **spans**: those of calls that ask for a message, the SDK's where it makes them; `!` marks one that ended in an error.
- **input/output**, **cost on the span**: tokens, the cached ones included, and nano-dollars as they stand there. A
  second line is what Bursar's own span says, with the SDK's tracing off, where that differs.
- **same for the caller**: whether values, types, exceptions, order, laziness, requests, releases, contexts, warnings
  and log lines are those of a process without Bursar, with the agent up, with the agent stopped, with a journal that
  cannot be written, and with the disk full. What every request carries besides is the header
  `x-stainless-raw-response: raw`, which the SDK sends from any client that has middleware.

"""
COLUMNS = ["case", "requests", "charges", "basis", "spans", "input/output", "cost on the span", "same for the caller"]


def page() -> str:
    """The whole page."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(row, CASES)]
    return HEAD.format(version=anthropic.__version__) + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def row(case: Case) -> list[str]:
    """One case."""
    seen, own = measure(case), measure(case, traced=False)
    return [
        case.name,
        str(seen.requests),
        several(number(charge.nano) for charge in seen.charges),
        several(charge.basis for charge in seen.charges),
        differing(count(seen.spans), count(own.spans)),
        differing(several(map(tokens, seen.spans)), several(map(tokens, own.spans))),
        differing(several(number(span.nano) for span in seen.spans), several(number(span.nano) for span in own.spans)),
        identical(case),
    ]


def identical(case: Case) -> str:
    """Whether a caller sees a difference, and in which conditions."""
    marred = [condition for condition in CONDITIONS if changes(case, condition)]
    return "no: " + ", ".join(marred) if marred else "yes"


def differing(sdk: str, own: str) -> str:
    """What the SDK's span says, and Bursar's own where that is something else."""
    return sdk if own == sdk else f"{sdk}<br>{own}"


def count(spans: Sequence[Told]) -> str:
    """How many, and a mark for those that failed."""
    return f"{len(spans)}{' !' if any(span.failed for span in spans) else ''}"


def tokens(span: Told) -> str:
    """`2,600/42`."""
    return f"{number(span.input)}/{number(span.output)}"


def number(value: int | None) -> str:
    """With commas; a dash where nothing is said."""
    return "–" if value is None else f"{value:,}"


def several(cells: Iterable[str]) -> str:
    """What stands there more than once is counted."""
    found = Counter(cells)
    return "; ".join(cell if count == 1 else f"{count} × {cell}" for cell, count in sorted(found.items())) or "–"


if __name__ == "__main__":
    PAGE.write_text(page())
