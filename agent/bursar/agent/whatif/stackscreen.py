"""How the savings stack looks to people."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bursar.agent.advice.wording import amount
from bursar.agent.whatif.stack import Lever, Line, Stack, names
from bursar.agent.whatif.stack import stacked as left_of

LINES = 20
"""So many routes are shown; `--json` has all."""
_NOTES = (
    "Tokens are scaled between tokenizers; a cheaper model is taken to answer in as many words, and well enough: "
    "`bursar eval` says whether it does.",
    "The cache lever goes by fingerprints where enough calls have one. Elsewhere half of the shortest prompt is taken "
    "to be shared if prompts are alike in length, else nothing: token counts do not tell.",
    "The batch lever is pulled only on routes that nobody seems to wait for, net of the cache's hits that are lost.",
)


def stacked(found: Stack) -> RenderableType:
    """The stack in total, then by route, then what it rests on."""
    days = "1 day" if found.days == 1 else f"{float(found.days):.3g} days"
    heading = f"{found.calls:,} calls in {days}; the levers pulled one on top of the other"
    return Group(
        Text(heading, "bold"), _total(found), _routes(found), *_reasons(found), Text("\n".join(_said(found)), "dim")
    )


def _total(found: Stack) -> Table:
    table = Table("levers", box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("USD a day", "saved, USD a day", "saved"):
        table.add_column(title, justify="right", no_wrap=True)
    left = found.totals()
    for name, nano in zip(names(found.levers), left, strict=True):
        saved = left[0] - nano
        share = f"{100 * saved / left[0]:.1f}%" if left[0] else ""
        table.add_row(name.replace("+", " + "), _day(found, nano), _day(found, saved), share)
    return table


def _routes(found: Stack) -> Table:
    table = Table("route and model", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("calls", justify="right", no_wrap=True)
    for title in ("baseline", *(f"+ {lever}" for lever in found.levers)):
        table.add_column(title, justify="right", no_wrap=True)
    for line in found.lines[:LINES]:
        moved = f" > {line.to}" if line.to else ""
        amounts = [_day(found, nano) for nano in left_of(line.nano, line.saved)]
        table.add_row(Text(f"{line.route}\n{line.model}{moved}", overflow="fold"), f"{line.calls:,}", *amounts)
    return table


def _reasons(found: Stack) -> Iterable[RenderableType]:
    left = len(found.lines) - LINES
    if left > 0:
        yield Text(f"and {left:,} more (--json has them)", "dim")
    told: dict[tuple[Lever, str], list[Line]] = {}
    for line in found.lines[:LINES]:
        for lever, why in line.why.items():
            told.setdefault((lever, why), []).append(line)
    for (lever, why), lines in told.items():
        routes = ", ".join(dict.fromkeys(line.route for line in lines))
        yield Text(f"{lever} saves nothing on {routes}: {why}.")


def _said(found: Stack) -> Iterable[str]:
    if found.unknown:
        yield f"{found.unknown:,} more calls have no known cost, and are in no sum."
    if found.bounds:
        yield f"Of {found.bounds:,} calls only a bound is known: no lever changes it."
    for lever, said in zip(Lever, _NOTES, strict=True):
        if lever in found.levers:
            yield said


def _day(found: Stack, nano: int) -> str:
    nano_a_day = round(nano / found.days)
    return amount(nano_a_day) if nano_a_day >= 0 else f"-{amount(-nano_a_day)}"
