"""`bursar forwards`: who gets spans, how many wait, and what became of the others?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bursar.agent.ledger import LedgerMissing
from bursar.agent.ledger.balances import iso
from bursar.agent.ledger.forwardtables import TargetState, path_beside, states
from bursar.agent.settings import read_settings

_COUNTS = ("sent", "refused", "overflowed", "abandoned", "passed_over")


@click.command("forwards")
@click.option("--db", type=click.Path(path_type=Path), help="The ledger (default: BURSAR_DB, or the state folder).")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def forwards_command(db: Path | None, as_json: bool) -> None:
    """Who gets the spans that the agent receives, how many wait, and what became of the others?"""
    ledger = read_settings(os.environ, db=db).db
    if not ledger.exists():
        raise LedgerMissing(f"there is no ledger at {ledger}: start the agent once, or set BURSAR_DB to where it is")
    found = states(path_beside(ledger))
    if as_json:
        click.echo(json.dumps({"forwards": [to_json(one) for one in found]}, indent=2))
    elif found:
        _show(found)
    else:
        click.echo("Spans are passed on to nobody: the policy has no [[forward]].")


def to_json(state: TargetState) -> Mapping[str, Any]:
    """Ready for JSON. Counts are spans."""
    return {
        "name": state.name,
        "state": _word(state),
        "kind": state.kind,
        "url": state.url,
        "protocol": state.protocol,
        "queued": {"spans": state.spans, "bytes": state.bytes, "oldest": _when(state.oldest_ns)},
        **{name: getattr(state, name) for name in _COUNTS},
        "dropped": state.dropped,
        "failing_since": _when(state.failing_since_ns),
        "tries": state.tries,
        "next_try": _when(state.next_try_ns or None),
        "last_sent": _when(state.last_sent_ns),
        "last_error": state.last_error,
        "last_error_at": _when(state.last_error_ns),
    }


def _word(state: TargetState) -> str:
    if not state.present:
        return "not in the policy"
    if state.failing_since_ns is not None:
        return "failing"
    return "waiting" if state.spans else "idle"


def _show(found: Sequence[TargetState]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("forward", "state"):
        table.add_column(title, overflow="fold")
    for title in ("queued", "sent", "dropped", "passed over"):
        table.add_column(title, justify="right")
    table.add_column("since", overflow="fold")
    for state in found:
        numbers = (state.spans, state.sent, state.dropped, state.passed_over)
        since = state.failing_since_ns or state.oldest_ns
        cells = (state.name, _word(state), *(f"{number:,}" for number in numbers), _when(since) or "")
        table.add_row(*map(Text, cells))
    console = Console(highlight=False)
    console.print(table)
    for state in found:
        for line in _lines(state):
            console.print(Text(f"{state.name}: {line}"), soft_wrap=True)


def _lines(state: TargetState) -> list[str]:
    lines: list[str] = []
    if state.refused:
        lines.append(f"{state.refused:,} spans were refused by it for good")
    if state.overflowed:
        lines.append(f"{state.overflowed:,} spans were dropped as the oldest of a full queue (queue_mb)")
    if state.abandoned:
        lines.append(f"{state.abandoned:,} spans were dropped, since the policy had it no longer")
    if state.last_error is not None:
        lines.append(f"last error {_when(state.last_error_ns)}: {state.last_error}")
    return lines


def _when(at_ns: int | None) -> str | None:
    return None if at_ns is None else iso(at_ns)
