"""What is told of a prompt so that its caching can be judged, and nobody can read it? Keyed hashes, lengths, order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, cast

PATH = "/guard/fingerprints"
"""Where a process tells them, off its callers' paths. What is lost on the way is advice foregone, never money."""
VERSION = 1
HASH_BYTES = 8
"""A block is known by BLAKE2b of its canonical text under the installation's key, cut to so many bytes."""
STRETCH_BYTES = 4
MOST_MARKS = 4
"""Marks in one request, automatic caching included: the API refuses more."""


class FingerprintError(ValueError):
    """A message that cannot be understood; the text says which field and why."""


class Section(StrEnum):
    """The parts of a prompt, in the order of the cache."""

    TOOLS = "tools"
    SYSTEM = "system"
    MESSAGES = "messages"


class Cause(StrEnum):
    """Why a prompt diverges from the one before it on its route, where it might have gone on as that one did."""

    TIMESTAMP = "timestamp"
    IDENTIFIER = "identifier"
    """A UUID, a request id, a hash: a new one in each request."""
    PERSON = "person"
    """Text about one user or customer ahead of text that all share."""
    TOOL_ORDER = "tool_order"
    """The same tools in another order."""
    KEY_ORDER = "key_order"
    """The same JSON object with its members in another order."""
    TOOLS = "tools"
    """Tools were added, taken away or described otherwise."""
    TOOL_CHOICE = "tool_choice"
    IMAGES = "images"
    """Images were added to prompts that had none, or taken away."""
    THINKING = "thinking"
    EFFORT = "effort"
    MODEL = "model"
    SPEED = "speed"
    NUMBER = "number"
    """A counter, an amount, a random number."""
    ORDER = "order"
    """The same blocks of system or messages in another order."""
    TEXT = "text"
    """The text is another one, and nothing says why."""


@dataclass(frozen=True, slots=True)
class Block:
    """
    One position of the prompt. What is equal under the key is equal for the cache.

    Two pseudo-blocks of no tokens, of kind `settings`, stand at the beginning of `system` and of `messages`: their hash
    covers what else must be equal there (`system`: speed, server tools that change it, citations; `messages`:
    tool_choice, whether there are images, thinking, effort).
    """

    hash: str
    """16 hex digits."""
    section: Section
    index: int
    """The tool, the system block, or the message that it belongs to; -1 for a pseudo-block."""
    part: int
    """Which block of its message; 0 elsewhere."""
    kind: str
    """`text`, `tool`, `tool_use`, `tool_result`, `image`, `document`, `thinking`, …, `settings`."""
    role: str
    """`user`, `assistant`, `system`; empty outside of messages."""
    bytes: int
    """Of its canonical text in UTF-8, binary data left out."""
    tokens: int
    """An estimate, in proportion right to the others of its request: the agent scales them to what was billed."""
    cacheable: bool = True
    """Whether a mark may stand on it."""
    mark: str = ""
    """`5m` or `1h` where the request has a mark on it; for an automatic one see `Fingerprint.automatic`."""


@dataclass(frozen=True, slots=True)
class Break:
    """Where, and why, a prompt left the one before it on its route (and model, and conversation, where it has one)."""

    depth: int
    """Place in `Fingerprint.blocks` of the first that differs."""
    offset: int
    """Bytes into its canonical text up to which both are equal."""
    cause: Cause
    length: int
    """Bytes of the stretch that differs, in this prompt."""
    shared_after: int
    """Estimated tokens behind that stretch, to the section's end, that are the same in both: lost for the cache."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One request, by its blocks in the order of the cache."""

    attempt_id: str
    """Joins it with its route, model, time and usage in the ledger."""
    blocks: tuple[Block, ...]
    conversation: str = ""
    """Keyed hash of what a conversation begins with: tools, system and the first user message."""
    share: float = 1.0
    """The share of conversations that this process looked at then, above 0 and at most 1."""
    ttft_ns: int = 0
    """From its start to its first token or its answer: before that nobody can read what it wrote."""
    automatic: str = ""
    """`5m` or `1h` where the request asks for automatic caching at its top level."""
    brk: Break | None = None
    miss_reason: str = ""
    """The API's own `cache_miss_reason`, where diagnostics were on."""
    stretches: Mapping[int, tuple[str, ...]] = field(default_factory=dict[int, "tuple[str, ...]"])
    """
    By place in `blocks`, for text blocks that this process met for the first time: keyed hashes (8 hex digits) of the
    text from its start up to each of `cuts(bytes)`.
    """


@dataclass(frozen=True, slots=True)
class Prints:
    """What a process tells at a time."""

    holder: str
    prints: tuple[Fingerprint, ...]
    protocol: int = VERSION


def cuts(length: int) -> tuple[int, ...]:
    """
    Where a text of so many bytes is hashed from its start, its end left out.

    Every 256 bytes up to 8 kB, then every 1 kB to 32 kB, 4 kB to 128 kB, 16 kB to 1 MB, and 64 kB beyond: 135 for 1 MB.
    """
    found: list[int] = []
    place = 0
    for step, until in _STEPS:
        while place + step <= min(until, length - 1):
            place += step
            found.append(place)
    return tuple(found)


_KB = 1_024
_STEPS = ((256, 8 * _KB), (_KB, 32 * _KB), (4 * _KB, 128 * _KB), (16 * _KB, _KB * _KB), (64 * _KB, 1 << 40))


def to_json(message: Prints) -> dict[str, Any]:
    """A message as a JSON object: each block once, in a table, however many requests it stands in."""
    table: dict[Block, int] = {}
    prints = [_print_to_json(one, table) for one in message.prints]
    blocks = [[getattr(block, name) for name in _BLOCK] for block in table]
    return {"protocol": message.protocol, "holder": message.holder, "blocks": blocks, "prints": prints}


def from_json(value: Any) -> Prints:
    """Raises `FingerprintError`."""
    told = _object(value, "the message")
    try:
        table = [_block(row) for row in told["blocks"]]
        return Prints(
            holder=_text(told["holder"], "holder"),
            prints=tuple(_print(one, table) for one in told["prints"]),
            protocol=_whole(told.get("protocol", VERSION), "protocol"),
        )
    except (KeyError, TypeError, IndexError) as error:
        raise FingerprintError(f"the fingerprints are incomplete: {error!r}") from error


_BLOCK = tuple(one.name for one in fields(Block))
_BREAK = tuple(one.name for one in fields(Break))
_MOST = 2**53


def _print_to_json(one: Fingerprint, table: dict[Block, int]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "attempt_id": one.attempt_id,
        "blocks": [table.setdefault(block, len(table)) for block in one.blocks],
        "conversation": one.conversation,
        "share": one.share,
        "ttft_ns": one.ttft_ns,
        "automatic": one.automatic,
        "miss_reason": one.miss_reason,
        "stretches": {str(place): list(hashes) for place, hashes in one.stretches.items()},
    }
    if one.brk is not None:
        told["brk"] = [getattr(one.brk, name) for name in _BREAK]
    return told


def _block(row: Any) -> Block:
    told = dict(zip(_BLOCK, row, strict=False))
    try:
        section = Section(told["section"])
    except ValueError as error:
        raise FingerprintError(f"block.section: {error}") from error
    mark = _text(told.get("mark", ""), "block.mark")
    return Block(
        hash=_hash(told["hash"], HASH_BYTES),
        section=section,
        index=_whole(told["index"], "block.index", least=-1),
        part=_whole(told["part"], "block.part"),
        kind=_text(told["kind"], "block.kind"),
        role=_text(told["role"], "block.role"),
        bytes=_whole(told["bytes"], "block.bytes"),
        tokens=_whole(told["tokens"], "block.tokens"),
        cacheable=told.get("cacheable") is True,
        mark=_ttl(mark, "block.mark"),
    )


def _print(value: Any, table: list[Block]) -> Fingerprint:
    told = _object(value, "a fingerprint")
    share = told.get("share", 1.0)
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
        raise FingerprintError(f"share must be above 0 and at most 1, not {share!r}")
    blocks = tuple(table[_whole(place, "blocks")] for place in told["blocks"])
    return Fingerprint(
        attempt_id=_text(told["attempt_id"], "attempt_id"),
        blocks=blocks,
        conversation=_text(told.get("conversation", ""), "conversation"),
        share=float(share),
        ttft_ns=_whole(told.get("ttft_ns", 0), "ttft_ns"),
        automatic=_ttl(_text(told.get("automatic", ""), "automatic"), "automatic"),
        brk=_break(told["brk"], len(blocks)) if told.get("brk") is not None else None,
        miss_reason=_text(told.get("miss_reason", ""), "miss_reason"),
        stretches=_stretches(told.get("stretches", {}), len(blocks)),
    )


def _break(row: Any, blocks: int) -> Break:
    told = dict(zip(_BREAK, row, strict=False))
    try:
        cause = Cause(told["cause"])
    except ValueError:
        cause = Cause.TEXT  # a cause that a newer process knows
    depth, offset, length, after = (
        _whole(told[name], f"brk.{name}") for name in ("depth", "offset", "length", "shared_after")
    )
    if depth >= blocks:
        raise FingerprintError(f"brk.depth is {depth}, and there are {blocks} blocks")
    return Break(depth, offset, cause, length, after)


def _stretches(value: Any, blocks: int) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for place, hashes in _object(value, "stretches").items():
        if not place.isdecimal() or int(place) >= blocks:
            raise FingerprintError(f"stretches: {place!r} is no place among {blocks} blocks")
        found[int(place)] = tuple(_hash(one, STRETCH_BYTES) for one in hashes)
    return found


def _hash(value: Any, size: int) -> str:
    text = _text(value, "hash")
    if len(text) != 2 * size or not set(text) <= set("0123456789abcdef"):
        raise FingerprintError(f"a hash must be {2 * size} hex digits, not {ascii(text)[:40]}")
    return text


def _ttl(value: str, name: str) -> str:
    if value not in ("", "5m", "1h"):
        raise FingerprintError(f"{name} must be 5m, 1h or empty, not {ascii(value)[:40]}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise FingerprintError(f"{name} must be a text, not {type(value).__name__}")
    return value


def _whole(value: Any, name: str, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST:
        raise FingerprintError(f"{name} must be a whole number from {least}, not {ascii(value)[:40]}")
    return value


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FingerprintError(f"{name} must be a JSON object, not {type(value).__name__}")
    return cast("dict[str, Any]", value)
