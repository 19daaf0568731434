"""What may be told of a prompt: its blocks by keyed hashes and lengths?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b

from bursar.instrumentation.promptblocks import SETTINGS, Prompt, PromptBlock
from bursar.policies.fingerprint import HASH_BYTES, STRETCH_BYTES, Block, Section, cuts

MEMORY = 8_192
"""Blocks that are remembered as told; beyond that the one that was not met the longest is told again."""


class Hashing:
    """Hashes under the installation's key. Remembers which blocks it met; single-threaded."""

    def __init__(self, key: str) -> None:
        """`key` in hex, at most 64 bytes. Raises `ValueError` where it is none."""
        self._key = bytes.fromhex(key)
        if not 0 < len(self._key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError(f"a key has 1 to {blake2b.MAX_KEY_SIZE} bytes, not {len(self._key)}")
        self._met: OrderedDict[str, None] = OrderedDict()

    def hash(self, text: str | bytes, size: int = HASH_BYTES) -> str:
        """In hex digits, two for each byte of `size`."""
        return blake2b(_bytes(text), digest_size=size, key=self._key).hexdigest()

    def blocks(self, prompt: Prompt) -> tuple[Block, ...]:
        """The blocks of a prompt as they may be told."""
        return tuple(self._block(block) for block in prompt.blocks)

    def conversation(self, blocks: Iterable[Block]) -> str:
        """What a conversation is known by: its tools, system and first message."""
        return self.hash("".join(block.hash for block in blocks if _opens(block)))

    def stretches(self, prompt: Prompt, blocks: Iterable[Block]) -> dict[int, tuple[str, ...]]:
        """Of text blocks that were never met before, hashes of their beginnings."""
        found: dict[int, tuple[str, ...]] = {}
        for place, (block, told) in enumerate(zip(prompt.blocks, blocks, strict=True)):
            if told.kind == "text" and self._is_new(told.hash):
                hashes = self._beginnings(block.text)
                if hashes:
                    found[place] = hashes
        return found

    def _block(self, block: PromptBlock) -> Block:
        return Block(
            self.hash(block.text),
            block.section,
            block.index,
            block.part,
            block.kind,
            block.role,
            block.bytes,
            block.tokens,
            block.cacheable,
            block.mark,
        )

    def _is_new(self, hash_: str) -> bool:
        new = hash_ not in self._met
        self._met[hash_] = None
        self._met.move_to_end(hash_)
        if len(self._met) > MEMORY:
            self._met.popitem(last=False)
        return new

    def _beginnings(self, text: str) -> tuple[str, ...]:
        data = _bytes(text)
        hashing, done, found = blake2b(digest_size=STRETCH_BYTES, key=self._key), 0, list[str]()
        for place in cuts(len(data)):
            hashing.update(data[done:place])
            done = place
            found.append(hashing.copy().hexdigest())
        return tuple(found)


def _opens(block: Block) -> bool:
    return block.kind != SETTINGS and (block.section is not Section.MESSAGES or block.index == 0)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
