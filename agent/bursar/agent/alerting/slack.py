"""How does a message look in Slack, within what Slack takes?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bursar.agent.alerting.message import Field, Listing, Message

HEADER, TEXT, FIELD, FIELDS, BLOCKS, FALLBACK = 150, 3000, 2000, 10, 50, 3000
"""Slack refuses a longer header, section or field, more fields in a section and more blocks in a message."""

Block = dict[str, Any]


def slack_body(message: Message) -> dict[str, Any]:
    """The message as Block Kit, with its text for notifications and old clients."""
    return {"text": _escaped(message.text, FALLBACK), "blocks": list(_blocks(message))[:BLOCKS]}


def _blocks(message: Message) -> Iterator[Block]:
    yield {"type": "header", "text": {"type": "plain_text", "text": _cut(message.headline, HEADER), "emoji": False}}
    if not message.fields and not message.listings:
        yield _section("\n".join(message.sentences))
    if message.fields:
        yield {"type": "section", "fields": [_field(field) for field in message.fields[:FIELDS]]}
    for listing in message.listings:
        yield _section(_lines(listing))
    if message.footer:
        yield {"type": "context", "elements": [_mrkdwn(message.footer, TEXT)]}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text, TEXT)}


def _field(field: Field) -> Block:
    return _mrkdwn(f"*{field.title}*\n{field.text}", FIELD)


def _lines(listing: Listing) -> str:
    return "\n".join((f"*{listing.title}*", *(f"• {line}" for line in listing.lines)))


def _mrkdwn(text: str, most: int) -> Block:
    return {"type": "mrkdwn", "text": _escaped(text, most)}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


_SIGNS = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
"""What Slack reads as its own; a label's value must not ping a channel."""


def _escaped(text: str, most: int) -> str:
    """Without Slack's signs, and cut to a length that counts them as written; none is cut in two."""
    signs = [_SIGNS.get(sign, sign) for sign in text]
    if sum(map(len, signs)) <= most:
        return "".join(signs)
    kept, length = 0, 1
    while length + len(signs[kept]) <= most:
        length += len(signs[kept])
        kept += 1
    return f"{''.join(signs[:kept])}…"
