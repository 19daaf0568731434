"""What would a process tell of a request? Fingerprints made on the test's side, to the contract's word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.savings.placing import cacheable, inner_blocks, listed

from bursar.policies.fingerprint import HASH_BYTES, Block, Fingerprint, Section

KEY = b"proof"
_ROLE_TOKENS = 4
_FIXED = {"image": 1_600, "document": 3_000}

Json = dict[str, Any]


def fingerprint(attempt_id: str, body: Json, begins: float) -> Fingerprint:
    """A request by its blocks; `begins` is how many seconds its answer took to begin."""
    blocks = (*_tools(body), *_system(body), *_messages(body))
    opening = next((place for place, block in enumerate(blocks) if block.role == "assistant"), len(blocks))
    return Fingerprint(
        attempt_id,
        blocks,
        conversation=_hash("".join(block.hash for block in blocks[:opening])),
        ttft_ns=round(begins * 1e9),
        automatic=_ttl(body),
    )


def _tools(body: Json) -> Iterator[Block]:
    for index, tool in enumerate(listed(body, "tools")):
        yield _block(tool, Section.TOOLS, index)


def _system(body: Json) -> Iterator[Block]:
    cited = any(_cited(block) for block in _contents(body))
    yield _settings(Section.SYSTEM, [body.get("speed") or "standard", cited])
    for index, block in enumerate(listed(body, "system")):
        yield _block(block, Section.SYSTEM, index)


def _messages(body: Json) -> Iterator[Block]:
    images = any(block.get("type") == "image" for block in _contents(body))
    output: Json = body.get("output_config") or {}
    effort: Any = output.get("effort")
    yield _settings(Section.MESSAGES, [body.get("tool_choice"), body.get("thinking"), effort, images])
    previous = ""
    for index, message in enumerate(body["messages"]):
        for part, block in enumerate(listed(message, "content")):
            role = message["role"]
            more = _ROLE_TOKENS if role != previous else 0
            yield _block(block, Section.MESSAGES, index, part, role, more)
            previous = role


def _contents(body: Json) -> Iterator[Json]:
    """Blocks of messages, and what stands in results of tools."""
    for message in body["messages"]:
        for block in listed(message, "content"):
            yield block
            yield from inner_blocks(block)


def _cited(block: Json) -> bool:
    """A document that is to be cited has an object there, an answer that cites has a list."""
    citations: Any = block.get("citations")
    return isinstance(citations, dict) and bool(citations.get("enabled"))  # pyright: ignore[reportUnknownMemberType]


def _block(block: Json, section: Section, index: int, part: int = 0, role: str = "", more: int = 0) -> Block:
    bare = _bare(block)
    canonical = _json(bare)
    shown = bare["text"] if set(bare) == {"type", "text"} else canonical
    kind = "tool" if section is Section.TOOLS else block["type"]
    return Block(
        hash=_hash(f"{role}\n{canonical}"),
        section=section,
        index=index,
        part=part,
        kind=kind,
        role=role,
        bytes=len(canonical.encode()),
        tokens=_tokens(bare, shown) + more,
        cacheable=cacheable(block),
        mark=next((ttl for holder in (block, *inner_blocks(block)) if (ttl := _ttl(holder))), ""),
    )


def _tokens(bare: Json, shown: str) -> int:
    if _binary(bare):
        return _FIXED[bare["type"]]
    binaries = [one for one in inner_blocks(bare) if _binary(one)]
    if binaries:
        rest = [one for one in inner_blocks(bare) if one not in binaries]
        shown = _json({**bare, "content": rest})
    fixed: list[int] = [_FIXED[one["type"]] for one in binaries]
    return -(-len(shown.encode()) // 4) + sum(fixed)


def _binary(block: Json) -> bool:
    source: Any = block.get("source")
    if block.get("type") not in _FIXED or not isinstance(source, dict):
        return False
    return source.get("type") not in ("text", "content")  # pyright: ignore[reportUnknownMemberType]


def _settings(section: Section, what: list[Any]) -> Block:
    return Block(_hash(_json(what)), section, -1, 0, "settings", "", 0, 0, cacheable=False)


def _bare(block: Json) -> Json:
    bare = {name: value for name, value in block.items() if name != "cache_control" and value is not None}
    if isinstance(bare.get("content"), list):
        bare["content"] = [_bare(one) if isinstance(one, dict) else one for one in bare["content"]]  # pyright: ignore
    return bare


def _ttl(holder: Json) -> str:
    control = holder.get("cache_control")
    return "" if control is None else control.get("ttl") or "5m"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), key=KEY, digest_size=HASH_BYTES).hexdigest()
