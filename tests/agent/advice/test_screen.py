"""Claims about the screen: what to do in a table of 80 columns, the change below it as code that can be copied."""

from __future__ import annotations

from rich.console import Console

from bursar.agent.advice.recommendation import Kind, Recommendation
from bursar.agent.advice.screen import show
from bursar.agent.ledger.verdictbook import Dismissal

CODE = 'client.messages.create(\n    cache_control={"type": "ephemeral"},  # the end of the request\n    ...,\n)'
ONE = Recommendation(
    Kind.CUT, "support", "claude-opus-5-5", "Mark it. [bold]", snippet=CODE, assumes=("So.", "And so.")
)
OTHER = Recommendation(Kind.NOT_HERE, "", "", "Nothing.", snippet="never shown", assumes=("So.",), advised=False)

SCREEN = f"""
 route and model   what to do
 ──────────────────────────────────────
 support           Mark it. [bold]
 claude-opus-5-5
 {ONE.id}

 all routes        Nothing.
 {OTHER.id}          Dismissed by ada: no

{ONE.id}, support:
client.messages.create(
    cache_control={{"type": "ephemeral"}},  # the end of the request
    ...,
)

So.
And so.
"""


def test_advice_on_a_screen() -> None:
    """Code keeps its lines; what figures rest on stands once; names and texts are no markup."""
    console = Console(width=80)
    with console.capture() as captured:
        show([ONE, OTHER], {OTHER.id: Dismissal(OTHER.id, "", "", 1, "no", "ada", "")}, console)
    assert [line.rstrip() for line in captured.get().splitlines()] == SCREEN.splitlines()
