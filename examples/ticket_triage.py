"""A help desk's tickets, sorted and answered: an ordinary program on the Anthropic SDK."""

from __future__ import annotations

from dataclasses import dataclass

import anthropic

TICKETS = (
    "I was charged twice for my October invoice, please refund one of the payments.",
    "The export button on the reports page does nothing in Firefox since yesterday.",
    "How do I add a second administrator to our account? The old one leaves on Friday.",
)
KINDS = ["billing", "defect", "question"]
HOUSE_STYLE = "You answer for the help desk of Lindgren Software. Be brief and kind, and promise nothing."


@dataclass(frozen=True)
class Ticket:
    """One message of a customer, and what was made of it."""

    text: str
    kind: str
    summary: str


class Desk:
    """Answers tickets, one customer after the other."""

    def __init__(self, client: anthropic.Anthropic) -> None:
        self.client = client

    def handle(self, text: str) -> str:
        """The reply to one message."""
        ticket = Ticket(text, classify(self.client, text), summarise(self.client, text))
        return f"[{ticket.kind}] {self.reply(ticket)}"

    def reply(self, ticket: Ticket) -> str:
        """A reply in the house style, by the strongest of the models used here."""
        message = self.client.messages.create(
            model="claude-sonnet-5-5",
            max_tokens=400,
            system=HOUSE_STYLE,
            messages=[{"role": "user", "content": f"Kind: {ticket.kind}\nIn short: {ticket.summary}\n\n{ticket.text}"}],
        )
        return text_of(message)


def classify(client: anthropic.Anthropic, text: str) -> str:
    """One of `KINDS`, through a tool that the model must call."""
    message = client.messages.create(
        model="claude-haiku-5-5",
        max_tokens=100,
        tools=[
            {
                "name": "file_ticket",
                "description": "File the ticket under one kind.",
                "input_schema": {
                    "type": "object",
                    "properties": {"kind": {"type": "string", "enum": KINDS}},
                    "required": ["kind"],
                },
            }
        ],
        tool_choice={"type": "tool", "name": "file_ticket"},
        messages=[{"role": "user", "content": text}],
    )
    filed = next(block.input for block in message.content if block.type == "tool_use")
    return str(filed["kind"])


def summarise(client: anthropic.Anthropic, text: str) -> str:
    """The ticket in one line."""
    message = client.messages.create(
        model="claude-haiku-5-5",
        max_tokens=80,
        messages=[{"role": "user", "content": f"Say in one line what this customer wants:\n{text}"}],
    )
    return text_of(message)


def text_of(message: anthropic.types.Message) -> str:
    """The words of an answer."""
    return "".join(block.text for block in message.content if block.type == "text")


def main() -> None:
    """Answer every ticket."""
    desk = Desk(anthropic.Anthropic())
    for text in TICKETS:
        print(desk.handle(text))


if __name__ == "__main__":
    main()
