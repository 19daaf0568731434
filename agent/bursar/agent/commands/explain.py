"""`bursar explain`: why was this call treated as it was, and do the numbers say so?"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from bursar.agent.commands.howfar import progress
from bursar.agent.explanation import Explained, explain
from bursar.agent.ledger import balances, cases, open_for_reading
from bursar.agent.ledger.cases import Case
from bursar.agent.ledger.life import Attempt
from bursar.agent.settings import read_settings
from bursar.agent.visible import visible
from bursar.policies.amounts import usd

_SECOND = 10**9


@click.command("explain")
@click.argument("name", metavar="ID")
@click.option("--db", type=click.Path(dir_okay=False, path_type=Path), help="The ledger.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def explain_command(name: str, db: Path | None, as_json: bool) -> None:
    """
    Why was a call treated as it was? ID is that of the call, an attempt, a decision (`error.decision_id`), a request
    or a message. Each decision is made again from what the ledger keeps; exit code 1 where that comes out otherwise.
    """
    with open_for_reading(read_settings(os.environ, db=db).db) as ledger, progress("looking for it"):
        case = cases.find(ledger, name)
        if case is None:
            raise click.ClickException(f"the ledger has no call, attempt, decision, request or message {name}")
        explained = [explain(ledger, decision) for decision in case.decisions]
    if as_json:
        click.echo(json.dumps(_json(case, explained), indent=2))
    else:
        Console(highlight=False).print(*_told(case, explained), sep="\n", soft_wrap=True)
    if any(one.hindsight is not None and not one.hindsight.agrees for one in explained):
        raise SystemExit(1)


def _told(case: Case, explained: list[Explained]) -> Iterator[Text]:
    for one in explained:
        yield from _decision(one)
    for attempt in case.attempts:
        yield from _outcome(attempt)


def _decision(one: Explained) -> Iterator[Text]:
    decision = one.decision
    labels = ", ".join(f"{name}={value}" for name, value in decision.labels.items())
    named = f"{decision.route}{f' ({labels})' if labels else ''}"
    yield Text(f"{balances.iso(decision.at_ns)}  {visible(named)}", style="bold")
    to = f" to {decision.planned}" if decision.planned != decision.model else ""
    yield Text(f"  asked for {decision.model}: {decision.action}{to}, because of {decision.reason or 'nothing'}")
    budget, step = decision.figures.get("budget"), decision.figures.get("step")
    if budget:
        yield Text(f"  by budget {budget}{f', step {step}' if step else ''}")
    for change in decision.figures.get("changes", ()):
        yield Text(f"  changed: {change}")
    if one.hindsight is None:
        yield Text(f"  {one.why_not}")
        return
    for sentence in one.hindsight.reasoning:
        yield Text(f"  {visible(sentence)}")
    agrees = (
        "The same figures lead to the same decision." if one.hindsight.agrees else "Made again it comes out otherwise."
    )
    yield Text(f"  {agrees}", style="green" if one.hindsight.agrees else "red")


def _outcome(attempt: Attempt) -> Iterator[Text]:
    charge = attempt.charge
    if charge is None:
        because = "" if attempt.failure is None else f", {attempt.failure}"
        yield Text(f"  attempt {attempt.attempt_id}: {attempt.state.value}{because}")
        return
    cost = "unknown" if charge.cost_nano_usd is None else f"{usd(charge.cost_nano_usd)} USD"
    yield Text(f"  attempt {attempt.attempt_id}: {attempt.state.value}, {cost} by {charge.basis.value}, {charge.model}")
    if charge.duration_ns is not None:
        first = charge.first_token_ns
        until = "" if first is None else f", {first / _SECOND:.3f} s to the first token"
        yield Text(f"    took {charge.duration_ns / _SECOND:.3f} s{until}")
    if charge.stop_reason is not None:
        yield Text(f"    stopped: {charge.stop_reason}")
    for line in charge.lines:
        yield Text(f"    {line.quantity:,} {line.label}: {usd(line.nano_usd)} USD ({line.price_id})")
    for missing in charge.missing:
        yield Text(f"    not seen: {missing}")


def _json(case: Case, explained: list[Explained]) -> dict[str, Any]:
    return {
        "call_id": case.call_id,
        "decisions": [
            {
                **asdict(one.decision),
                "reproduced": None if one.hindsight is None else one.hindsight.agrees,
                "reasoning": [one.why_not] if one.hindsight is None else list(one.hindsight.reasoning),
            }
            for one in explained
        ],
        "attempts": [
            {
                "attempt_id": attempt.attempt_id,
                "state": attempt.state.value,
                "model": attempt.model,
                "nano_usd": attempt.charge.cost_nano_usd if attempt.charge is not None else None,
                "basis": attempt.charge.basis.value if attempt.charge is not None else None,
                "duration_ns": attempt.duration_ns,
                "first_token_ns": attempt.first_token_ns,
                "stop_reason": attempt.stop_reason,
                "failure": attempt.failure,
            }
            for attempt in case.attempts
        ],
    }
