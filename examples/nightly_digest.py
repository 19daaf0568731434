"""A nightly job that digests what came in during the day: ordinary calls, all at once, on the Anthropic SDK."""

from __future__ import annotations

import asyncio

import anthropic

DOCUMENTS = {
    "harbour.txt": "In 1907 the town had eleven boats and one crane. The crane was borrowed, and never given back.",
    "railway.txt": "The line came in 1912, six years after the station that had been built for it.",
    "market.txt": "Fish was sold on Tuesdays, and on all other days by arrangement with the fishwives.",
    "bridge.txt": "Nobody remembers why it was painted green, but it has been painted green four times since.",
    "school.txt": "There were two teachers, who had not spoken to each other since the railway came.",
    "theatre.txt": "It burned down twice, both times during a comedy, and both times nobody left before the end.",
}
ASK = "Digest this document in one sentence, for people who have no time:\n"


async def digest(client: anthropic.AsyncAnthropic, text: str) -> str:
    """One document in a sentence."""
    message = await client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=100,
        messages=[{"role": "user", "content": ASK + text}],
    )
    return "".join(block.text for block in message.content if block.type == "text")


async def main() -> None:
    """Digest them all."""
    async with anthropic.AsyncAnthropic() as client:
        digests = await asyncio.gather(*(digest(client, text) for text in DOCUMENTS.values()))
    for name, said in zip(DOCUMENTS, digests, strict=True):
        print(f"{name}: {said}")


if __name__ == "__main__":
    asyncio.run(main())
