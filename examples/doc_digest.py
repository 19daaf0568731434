"""A long document, digested section by section at once: an asynchronous program on the Anthropic SDK."""

from __future__ import annotations

import asyncio

import anthropic

DOCUMENT = """
The harbour. In 1907 the town had eleven boats and one crane. The crane was borrowed.
The railway. The line came in 1912, six years after the station that had been built for it.
The market. Fish was sold on Tuesdays, and on all other days by arrangement with the fishwives.
The bridge. Nobody remembers why it was painted green, but it has been painted green four times since.
""".strip()


async def digest_section(client: anthropic.AsyncAnthropic, section: str) -> str:
    """One section in a few words, read as they are written."""
    async with client.messages.stream(
        model="claude-haiku-5-5",
        max_tokens=200,
        messages=[{"role": "user", "content": f"Digest this section:\n{section}"}],
    ) as stream:
        return "".join([text async for text in stream.text_stream])


async def combine(client: anthropic.AsyncAnthropic, digests: list[str]) -> str:
    """One digest out of many, as a raw stream of events."""
    events = await client.messages.create(
        model="claude-sonnet-5-5",
        max_tokens=300,
        stream=True,
        messages=[{"role": "user", "content": "Make one text of these notes:\n" + "\n".join(digests)}],
    )
    deltas = [event.delta async for event in events if event.type == "content_block_delta"]
    return "".join(delta.text for delta in deltas if delta.type == "text_delta")


async def headline(client: anthropic.AsyncAnthropic, text: str) -> str:
    """Five words for the top of the page."""
    message = await client.messages.create(
        model="claude-haiku-5-5",
        max_tokens=30,
        messages=[{"role": "user", "content": f"A headline of five words for:\n{text}"}],
    )
    return "".join(block.text for block in message.content if block.type == "text")


async def main() -> None:
    """Digest the document."""
    async with anthropic.AsyncAnthropic() as client:
        digests = await asyncio.gather(*(digest_section(client, section) for section in DOCUMENT.splitlines()))
        text = await combine(client, list(digests))
        print(await headline(client, text))
        print(text)


if __name__ == "__main__":
    asyncio.run(main())
