"""Which earlier prompts are kept to compare the next ones with, and how much of their text?"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from bursar.instrumentation.divergence import Kept, divergence, first_difference
from bursar.instrumentation.promptblocks import SETTINGS, Prompt
from bursar.policies.fingerprint import Block, Break, Cause, Section
from bursar.policies.values import value

ROUTES = 64
PROMPTS = 8
"""Kept of each route and model: the last of so many conversations."""
TEXT_CHARACTERS = 65_536
"""Of text kept for each route, each block's once, the one that was not met the longest forgotten first."""
BLOCK_CHARACTERS = 32_768
"""Kept of one block at most, from its start."""
LEAST_TOKENS = 16


@value
class _Last:
    model: str
    blocks: tuple[Block, ...]
    hashes: frozenset[str]


class _Route:
    """What is kept of one route."""

    def __init__(self) -> None:
        self.prompts: list[_Last] = []
        self.texts: OrderedDict[str, str] = OrderedDict()
        self._size = 0

    def remember(self, last: _Last, replaced: _Last | None, prompt: Prompt) -> None:
        """Keep a prompt; `replaced` is the one that it goes on from."""
        self.prompts = [one for one in self.prompts if one is not replaced]
        self.prompts.append(last)
        own = [one for one in self.prompts if one.model == last.model]
        if len(own) > PROMPTS:
            self.prompts.remove(own[0])
        # From the end: what prompts begin with is forgotten last.
        for block, told in zip(reversed(prompt.blocks), reversed(last.blocks), strict=True):
            self._keep(told.hash, block.text)

    def _keep(self, hash_: str, text: str) -> None:
        if hash_ in self.texts:
            self.texts.move_to_end(hash_)
            return
        self.texts[hash_] = kept = text[:BLOCK_CHARACTERS]
        self._size += len(kept)
        while self._size > TEXT_CHARACTERS:
            self._size -= len(self.texts.popitem(last=False)[1])


class LastPrompts:
    """Compares each prompt with the one of its route and model that is the most like it, and keeps it for the next."""

    def __init__(self) -> None:
        self._routes: OrderedDict[str, _Route] = OrderedDict()

    def compare(self, route: str, model: str, prompt: Prompt, blocks: tuple[Block, ...]) -> Break | None:
        """Why it left the one before it, if it did where it might have gone on."""
        kept = self._routes.get(route)
        if kept is None:
            kept = self._routes[route] = _Route()
        self._routes.move_to_end(route)
        while len(self._routes) > ROUTES:
            self._routes.popitem(last=False)
        last = _Last(model, blocks, frozenset(one.hash for one in blocks))
        best = _most_like(last, [one for one in kept.prompts if one.model == model])
        other = _most_like(last, [one for one in kept.prompts if one.model != model])
        found = _of_model(best, other, last)
        if found is None and best is not None:
            texts = {
                told.hash: block.text[:BLOCK_CHARACTERS] for block, told in zip(prompt.blocks, blocks, strict=True)
            }
            found = divergence(Kept(best.blocks, kept.texts.get), Kept(blocks, texts.get))
        kept.remember(last, best if best is not None and _goes_on(best, last) else None, prompt)
        return found


def _most_like(last: _Last, known: Sequence[_Last]) -> _Last | None:
    """The one that has the most of it; of several the latest."""
    best: _Last | None = None
    most = -1
    for one in known:
        shared = sum(block.tokens for block in last.blocks if block.hash in one.hashes)
        if shared >= most:
            best, most = one, shared
    return best


def _goes_on(before: _Last, last: _Last) -> bool:
    """Whether it is of the same conversation: the first message is the same, or it is the very one it was like."""
    return _first_message(before) == _first_message(last)


def _first_message(last: _Last) -> tuple[str, ...]:
    return tuple(one.hash for one in last.blocks if one.section is Section.MESSAGES and one.index == 0)


def _of_model(best: _Last | None, other: _Last | None, last: _Last) -> Break | None:
    """
    Whether another model had more of it: a conversation that goes on there, or a route that is moved.

    The very same prompt on another model is no move: a cascade or a comparison does that.
    """
    if other is None or last.blocks == other.blocks:
        return None
    theirs, ours = _prefix(other, last), _prefix(best, last) if best is not None else 0
    moved = first_difference(other.blocks, last.blocks) == len(other.blocks) or best is None
    if not moved or theirs < ours + LEAST_TOKENS:
        return None
    section = last.blocks[0].section
    same = sum(
        one.tokens for one in last.blocks[: first_difference(other.blocks, last.blocks)] if one.section is section
    )
    return Break(0, 0, Cause.MODEL, 0, same)


def _prefix(before: _Last, last: _Last) -> int:
    shared = first_difference(before.blocks, last.blocks)
    return sum(one.tokens for one in last.blocks[:shared] if one.kind != SETTINGS)
