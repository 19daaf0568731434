"""Prompts made by hand, as the ledger would tell of them, without a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from bursar.agent.advice.caching.study import Source
from bursar.agent.ledger.printbook import Node, Prompt
from bursar.policies.prices import PriceBook, shipped_book
from bursar.policies.usage import Usage

SECOND = 10**9
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
BOOK = shipped_book()
OPUS = "claude-opus-5-5"
"""Per million tokens 4 dollars, 0.20 read, 5 written for five minutes, 8 for an hour; from 512 tokens on."""
UNTIL = 20_790 * DAY
"""The end of 2 December 2026."""


@dataclass(slots=True)
class Desk:
    """All prompts of a test."""

    nodes: dict[int, Node] = field(default_factory=dict[int, Node])
    prompts: list[Prompt] = field(default_factory=list[Prompt])
    texts: dict[int, tuple[bytes, ...]] = field(default_factory=dict[int, "tuple[bytes, ...]"])
    _ids: dict[tuple[int, bytes], int] = field(default_factory=dict[tuple[int, bytes], int])

    def add(self, at_ns: int, *blocks: str, **changes: Any) -> Prompt:
        """
        A call with blocks such as `tools/search 500`, `system/rules 2000 1h`, `user/hello 30`, `settings/x`.

        A role again is another part of the same message. What it paid is plain input unless `usage` says so.
        """
        parent = tokens = 0
        marks: list[tuple[int, str]] = []
        for depth, (section, place, part, name, words) in enumerate(_placed(blocks), start=1):
            count = int(words[0]) if words else 0
            tokens += count
            kind = "settings" if section.startswith("settings") else "tool" if section == "tools" else "text"
            role = section if section in ("user", "assistant") else ""
            where = "messages" if role or section == "settings.messages" else section.removeprefix("settings.")
            node = Node(
                0,
                parent,
                depth,
                _hash(role + name),
                where,
                place,
                part,
                kind,
                role,
                4 * count,
                count,
                kind != "settings",
            )
            parent = self._met(node)
            if len(words) > 1:
                marks.append((depth, words[1]))
        fields: dict[str, Any] = {
            "attempt_id": str(len(self.prompts)),
            "at_ns": at_ns,
            "ttft_ns": SECOND,
            "route": "support",
            "model": OPUS,
            "node": parent,
            "marks": tuple(marks),
            "automatic": "",
            "conversation": "",
            "share": 1.0,
            "usage": Usage(input=tokens, output=10),
            "cost_nano": None,
            "action": "",
            "reason": "",
            "miss_reason": "",
            "cause": None,
            "break_depth": 0,
            "break_offset": 0,
            "break_length": 0,
            "shared_after": 0,
            **changes,
        }
        prompt = Prompt(**fields)
        self.prompts.append(prompt)
        return prompt

    def _met(self, node: Node) -> int:
        found = self._ids.setdefault((node.parent, node.hash), len(self._ids) + 1)
        self.nodes.setdefault(found, node._replace(id=found))
        return found

    def stretches(self, node_id: int) -> tuple[bytes, ...]:
        """Hashes of a node's text up to each cut, where the test gave them."""
        return self.texts.get(node_id, ())

    def source(self, until_ns: int = UNTIL, book: PriceBook = BOOK) -> Source:
        """All of it, in order of time."""
        told = sorted(self.prompts, key=lambda one: one.at_ns)
        return Source(lambda: told, self.nodes.__getitem__, self.stretches, book, until_ns)


def _placed(blocks: Sequence[str]) -> list[tuple[str, int, int, str, list[str]]]:
    """Section or role, place, part, name, and what else is said."""
    found: list[tuple[str, int, int, str, list[str]]] = []
    counts = {"tools": -1, "system": -1, "messages": -1}
    part, last = 0, ""
    for block in blocks:
        head, *words = block.split()
        section, _, name = head.partition("/")
        place = -1
        if section in ("tools", "system"):
            place = counts[section] = counts[section] + 1
            part = 0
        elif not section.startswith("settings"):
            part = part + 1 if section == last else 0
            counts["messages"] += section != last
            place = counts["messages"]
        last = section
        found.append((section, place, part, name, words))
    return found


def _hash(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()
