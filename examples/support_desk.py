"""
A support desk on the plain anthropic SDK: triage, answer from a handbook, follow up by stream, digests beside it all.

It knows nothing of Bursar. `python examples/support_desk.py --tickets 40` works against the real API with a key, or
against a sandbox: `bursar sandbox` prints what to set.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import anthropic

SUBJECTS = (
    "My invoice shows the same item twice",
    "The export stops at row 5,000",
    "How do I move my workspace to another region?",
    "Password reset mails never arrive",
    "Please cancel the annual plan",
    "The webhook signature does not verify",
    "We need a data processing agreement",
    "Search finds nothing since Tuesday",
)

HANDBOOK = "\n".join(
    f"Article {n}. When a customer writes about {subject.lower()}, first thank them, then confirm the account and the "
    f"plan, then check the status page for open incidents, then follow procedure {n:02d}: describe what you see, say "
    "what happens next and when, and never promise a refund above the limit of your tier without a second signature."
    for n, subject in enumerate(SUBJECTS * 2, start=1)
)


EPHEMERAL: anthropic.types.CacheControlEphemeralParam = {"type": "ephemeral"}


@dataclass(frozen=True)
class Ticket:
    """One customer's question."""

    number: int
    customer: str
    text: str


def tickets(count: int) -> list[Ticket]:
    """So many tickets of two customers in turn."""
    return [Ticket(n, ("acme", "globex")[n % 2], f"{SUBJECTS[n % len(SUBJECTS)]} (#{n})") for n in range(count)]


class Desk:
    """What is done with a ticket."""

    def __init__(self, client: anthropic.Anthropic, *, cached: bool = False) -> None:
        self.client = client
        self.cached = cached

    def triage(self, ticket: Ticket) -> str:
        """Sort a ticket into a queue."""
        message = self.client.messages.create(
            model="claude-sonnet-5-5",
            max_tokens=120,
            messages=[{"role": "user", "content": f"Which queue: billing, technical or sales? {ticket.text}"}],
        )
        return _text(message)

    def answer(self, ticket: Ticket) -> str:
        """Answer a ticket by the handbook, which is long and the same every time."""
        message = self.client.messages.create(
            model="claude-opus-5-5",
            max_tokens=250,
            system=[{"type": "text", "text": HANDBOOK, "cache_control": EPHEMERAL}] if self.cached else HANDBOOK,
            messages=[{"role": "user", "content": ticket.text}],
        )
        return _text(message)

    def follow_up(self, ticket: Ticket) -> str:
        """Write a follow-up, shown to the agent while it is written."""
        with self.client.messages.stream(
            model="claude-sonnet-5-5",
            max_tokens=160,
            messages=[{"role": "user", "content": f"Write a friendly follow-up to: {ticket.text}"}],
        ) as stream:
            return "".join(stream.text_stream)

    def handle(self, ticket: Ticket) -> bool:
        """Everything for one ticket; whether it could be done."""
        try:
            self.triage(ticket)
            self.answer(ticket)
            self.follow_up(ticket)
        except Exception as error:  # noqa: BLE001 - a desk goes on with the next ticket, whatever happened to this one
            print(f"ticket {ticket.number} is left for tomorrow: {error}", file=sys.stderr)
            return False
        return True


async def digest(customers: Sequence[str]) -> list[str]:
    """Summarise the day for each customer, all at once."""

    async def one(client: anthropic.AsyncAnthropic, customer: str) -> str:
        message = await client.messages.create(
            model="claude-haiku-5-5",
            max_tokens=200,
            messages=[{"role": "user", "content": f"Summarise today's tickets of {customer} in three lines."}],
        )
        return _text(message)

    async with anthropic.AsyncAnthropic() as client:
        said = await asyncio.gather(*(one(client, customer) for customer in customers), return_exceptions=True)
    return [line for line in said if isinstance(line, str)]


def _text(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def main() -> None:
    """Work through the day's tickets with a few people at the desk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=40, help="how many tickets came in")
    parser.add_argument("--people", type=int, default=6, help="how many work at once")
    parser.add_argument("--only-answer", action="store_true", help="answer them by the handbook, one after the other")
    parser.add_argument("--cached", action="store_true", help="mark the handbook for the prompt cache")
    given = parser.parse_args()
    if given.only_answer:
        with anthropic.Anthropic() as client:
            said = [Desk(client, cached=given.cached).answer(ticket) for ticket in tickets(given.tickets)]
        print(f"{len(said)} of {given.tickets} tickets answered")
        return
    with anthropic.Anthropic() as client, ThreadPoolExecutor(given.people + 1) as people:
        digests = people.submit(lambda: asyncio.run(digest(["acme", "globex", "initech", "umbrella"])))
        done = sum(people.map(Desk(client, cached=given.cached).handle, tickets(given.tickets)))
        said = digests.result()
    print(f"{done} of {given.tickets} tickets answered, {len(said)} digests written")


if __name__ == "__main__":
    main()
