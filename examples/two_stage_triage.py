"""Tickets sorted by a cheap model, and by a strong one where the cheap one says that it is not up to it."""

from __future__ import annotations

from typing import Literal

import anthropic
from pydantic import BaseModel

from bursar.instrumentation import cascade, flag, instrument, served

TICKETS = (
    "I was charged twice for my October invoice, please refund one of the payments.",
    "The export button on the reports page does nothing in Firefox since yesterday.",
    "Your contract says one thing about notice periods and your invoice another. Which one holds?",
)
ASK = "Sort this ticket. Set `escalate` where you are not sure of its kind, or it has legal or personal matters in it."


class Triage(BaseModel):
    """What is known of a ticket once it is sorted."""

    kind: Literal["billing", "defect", "question"]
    escalate: bool


def sort(client: anthropic.Anthropic, ticket: str) -> str:
    """The ticket's kind, and which model said so."""
    ask = cascade(client.messages.parse, cheap="claude-haiku-5-5", strong="claude-opus-5-5", accept=flag("escalate"))
    answer = ask(
        max_tokens=200,
        system=ASK,
        messages=[{"role": "user", "content": ticket}],
        output_format=Triage,
    )
    told = served(answer)
    stage = told.stage if told is not None else "unknown"
    triage = Triage.model_validate(answer.parsed_output)
    return f"{triage.kind} ({stage})"


def main() -> None:
    """Sort every ticket."""
    instrument()
    client = anthropic.Anthropic()
    for ticket in TICKETS:
        print(f"{sort(client, ticket)}: {ticket}")


if __name__ == "__main__":
    main()
