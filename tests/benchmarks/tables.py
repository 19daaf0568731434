"""How the figures are shown to people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from tests.benchmarks.household import Booked
from tests.benchmarks.ratios import KEPT_GOAL_BYTES, Row, exchange_of, rows_of, wrong_with
from tests.benchmarks.stages import Figures, Stages
from tests.benchmarks.ways import Way

from bursar.instrumentation.cpubudget import BURST_SECONDS, SHARE

WITHIN_SECONDS = 0.1
"""One piece of work may be begun with the last of a budget; it is owed."""


def show(console: Console, stages: Stages, booked: Booked) -> None:
    """Print everything that was found."""
    counted, timed = rows_of(stages.counts, "instructions"), rows_of(stages.times, "cpu")
    if counted:
        console.print(_table("Instructions of a call (callgrind), ratios to the bare SDK", counted, "M instr.", 1e-6))
    if timed:
        console.print(_table("CPU time of a call, all threads, ratios to the bare SDK", timed, "ms", 1e3))
    for line in _lines(stages, booked, counted):
        console.print(line, highlight=False, soft_wrap=True)


def _table(title: str, rows: Sequence[Row], unit: str, scale: float) -> Table:
    table = Table(title=title, title_justify="left", box=box.MARKDOWN)
    table.add_column("", no_wrap=True)
    heads = (f"bare, {unit}", Way.SDK.heading, Way.BURSAR.heading, "adds", "goal", "of it asks", "background")
    for head in (*heads, Way.OWN_SPAN.heading, "goal", Way.PRINTS.heading, "worker"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.workload,
            f"{row.bare * scale:.2f}",
            _ratio(row.sdk),
            _ratio(row.bursar),
            "" if row.difference is None else _judged(f"{row.difference:+.3f}", met=row.difference <= row.goal),
            f"{row.goal:+.2f}",
            f"({row.asks:.2f})" if row.asking is None else f"{row.asking:.3f} ({row.asks:.2f})",
            _background(row),
            "" if row.own_span is None else _judged(f"{row.own_span:.3f}", met=row.own_span <= row.own_span_goal),
            f"{row.own_span_goal:.2f}",
            "" if row.prints is None else f"{row.prints:+.3f}",
            "" if row.printing is None else f"{row.printing:.3f}",
        )
    return table


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.3f}"


def _background(row: Row) -> str:
    if row.shipping is not None:
        return f"{row.shipping:+.3f}"
    return "" if row.shipments is None else f"({row.shipments:.2f})"


def _judged(text: str, *, met: bool) -> str:
    return f"[green]{text}[/]" if met else f"[red]{text}[/]"


def _lines(stages: Stages, booked: Booked, counted: Sequence[Row]) -> Iterator[str]:
    if batches := [row.batch for row in counted if row.batch is not None]:
        yield (
            "Of it asks: asking the agent for money, and how often a call does. Background: what in addition counting "
            f"the metrics and shipping the journal take, {', '.join(map(str, batches))} calls at a time."
        )
    exchange = exchange_of(stages)
    if exchange is not None:
        yield (
            f"One ask: {exchange.asking:.3f} of the bare small call; the first call of a new tenant asks "
            f"{exchange.asks:.1f} times. Shipping one call alone: {exchange.shipping:.3f}."
        )
    if stages.working:
        yield _worked(stages.working)
    for way, kept in stages.kept.items():
        goal = f" (goal: below {KEPT_GOAL_BYTES})" if way is Way.BURSAR else ""
        yield f"Memory kept per small call after flush, {way.heading}: {kept:.0f} bytes{goal}."
    if wrong := wrong_with(stages, booked):
        yield from (f"[red]Not valid:[/] {sentence}" for sentence in wrong)
    elif booked.calls:
        usd = booked.nano_usd / 1e9
        yield f"Checked: {booked.calls:,} calls with Bursar, each in the ledger and in three budgets; {usd:.2f} USD."


def _worked(found: Figures) -> str:
    allowed = BURST_SECONDS + SHARE * found["seconds"]
    took = _judged(f"{found['worked']:.2f} s", met=found["worked"] <= allowed + WITHIN_SECONDS)
    return (
        f"Fingerprints of {found['calls']:,} large calls, each of another conversation, in {found['seconds']:.0f} s "
        f"without a break: their worker took {took} of CPU time, of {allowed:.2f} s that it may; {found['told']:,} "
        f"were told, and in the end it looked at {found['share']:.1%} of conversations."
    )
