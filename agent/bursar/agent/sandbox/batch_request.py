"""Is this a batch that the API would take, and which page of batches is asked for? Params are looked at later."""

import re
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass

from bursar.agent.sandbox.batch import Item
from bursar.agent.sandbox.errors import invalid
from bursar.agent.sandbox.fields import Json, join, list_at, object_at, required, text_at
from bursar.agent.sandbox.limits import Limits, too_large, too_many

MAX_PAGE = 1_000
_DEFAULT_PAGE = 20
_LONGEST_ID = 64
_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """How many batches, and next to which."""

    limit: int
    after: str | None
    before: str | None


async def read_body(chunks: AsyncIterable[bytes], limits: Limits) -> bytes:
    """The whole body; one over the limit is heard to its end, so that the client hears the 413."""
    body = bytearray()
    heard = 0
    async for chunk in chunks:
        heard += len(chunk)
        if heard <= limits.size:
            body += chunk
    if heard > limits.size:
        raise too_large(limits)
    return bytes(body)


def parse_items(body: Json, limits: Limits) -> tuple[Item, ...]:
    """The requests of a new batch, each under a custom_id of its own."""
    values = list_at(required(body, "requests"), "requests")
    if not values:
        raise invalid("requests", "List should have at least 1 item after validation, not 0")
    if len(values) > limits.requests:
        raise too_many(limits, len(values))
    items = tuple(_item(value, join("requests", index)) for index, value in enumerate(values))
    seen: set[str] = set()
    for index, item in enumerate(items):
        if item.custom_id in seen:
            raise invalid(f"requests.{index}.custom_id", f"'{item.custom_id}' is not unique within the batch")
        seen.add(item.custom_id)
    return items


def parse_page(query: Mapping[str, str]) -> PageRequest:
    """The page that a list's query asks for."""
    text = query.get("limit", str(_DEFAULT_PAGE))
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= MAX_PAGE:
        raise invalid("limit", f"Input should be a whole number from 1 to {MAX_PAGE}")
    if "after_id" in query and "before_id" in query:
        raise invalid("before_id", "cannot be combined with `after_id`")
    return PageRequest(int(text), query.get("after_id"), query.get("before_id"))


def _item(value: object, where: str) -> Item:
    item = object_at(value, where)
    place = join(where, "custom_id")
    custom_id = text_at(required(item, "custom_id", where), place)
    if len(custom_id) > _LONGEST_ID:
        raise invalid(place, f"String should have at most {_LONGEST_ID} characters")
    if not _CUSTOM_ID.fullmatch(custom_id):
        raise invalid(place, "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'")
    return Item(custom_id, object_at(required(item, "params", where), join(where, "params")))
