"""How is a figure shown to people?"""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from tests.soak.figure import Figure


def show(console: Console, figure: Figure) -> None:
    """Its table, its claims, and how to run again what went wrong."""
    table = Table(title=figure.title, title_justify="left", box=box.MARKDOWN)
    for number, head in enumerate(figure.columns):
        table.add_column(head, justify="left" if number == 0 else "right")
    for row in figure.rows:
        table.add_row(*row)
    console.print(table)
    for claim in figure.claims:
        console.print("[green]holds[/]" if claim.holds else "[red]does not hold[/]", claim.text, highlight=False)
    if not figure.holds:
        for command in figure.repeat:
            console.print("again:", command, highlight=False, soft_wrap=True)
