"""How does advice look in a terminal?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.advice.recommendation import Recommendation
from bursar.agent.ledger.markingbook import Pulled, State
from bursar.agent.ledger.verdictbook import Dismissal

_NAMES = 28
"""Columns for names at most: in a terminal of 80 the words beside them keep 50."""


def show(found: Sequence[Recommendation], dismissed: Mapping[str, Dismissal], console: Console) -> None:
    """A table of what to do; below it the changes as code that can be copied, and once what all of it rests on."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, leading=1)
    table.add_column("route and model", max_width=_NAMES, overflow="fold")
    table.add_column("what to do", overflow="fold")
    for one in found:
        named = "\n".join(part for part in (one.route or "all routes", one.model, one.id) if part)
        table.add_row(Text(named), _told(one, dismissed.get(one.id)))
    console.print(table)
    for one in found:
        if one.advised and one.snippet and one.snippet not in one.text:
            console.print(Text(f"{one.id}, {one.route or 'all routes'}:", "bold"))
            console.print(Text(f"{one.snippet}\n"), soft_wrap=True)
    for said in dict.fromkeys(said for one in found for said in one.assumes):
        console.print(Text(said, "dim"))


_STATES = {State.PULLED: "on trial", State.KEPT: "in force", State.TAKEN_BACK: "taken back"}


def show_markings(pulled: Sequence[Pulled], console: Console) -> None:
    """The marks that Bursar added by itself, with what was predicted of them and seen; nothing where there are none."""
    if not pulled:
        return
    table = Table(title='marks added by cache = "auto"', title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("route and model", max_width=_NAMES, overflow="fold")
    table.add_column("marks", overflow="fold")
    table.add_column("what became of them", overflow="fold")
    for one in pulled:
        marking = one.marking
        seen = one.reason or f"{100 * one.predicted:.1f}% of what its prompts cost predicted"
        table.add_row(
            Text(f"{marking.route}\n{marking.model}\n{marking.id}"),
            Text("\n".join(map(str, marking.marks))),
            Text(f"{_STATES[one.state]}: {seen}"),
        )
    console.print(table)


def _told(one: Recommendation, dismissal: Dismissal | None) -> Text:
    """The words; a snippet that is part of them on a line of its own, so that it can be copied."""
    text = Text(one.text.replace(f" Put {one.snippet} ", f"\nPut {one.snippet}\n") if one.snippet else one.text)
    if dismissal is not None:
        text.append(f"\nDismissed by {dismissal.by}: {dismissal.reason}", "dim")
    return text
