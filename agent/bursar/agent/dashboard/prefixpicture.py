"""How is what prompts begin with drawn: one row a prompt, from the left, what they share in one piece?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from bursar.agent.dashboard.prefixes import ROOT, Prefixes

WIDTH = 1_000.0
HEIGHT = 180.0
"""For all prompts together."""
LEAST_HEIGHT = 5.0
"""Beginnings that fewer have are drawn as one box: what differs."""
LEAST_WIDTH = 0.5
MOST_BOXES = 400
_LETTER = 6.6
"""How wide a letter is."""
_LABEL = 140.0
"""Likewise the label of a mark."""
_ABOVE, _BELOW, _EDGE = 36, 34, 6
_NEARLY_LONGEST = 95
"""In per cent: the few prompts that are longer still are cut off at the edge."""


class Box(NamedTuple):
    """A stretch of tokens that so many prompts have alike; or, of kind `differs`, have each its own."""

    kind: str
    """`tools`, `system`, `messages` or `differs`."""
    x: float
    y: float
    width: float
    height: float
    title: str
    """What it is, in full."""
    label: str
    """The same, as far as there is room."""


class Flag(NamedTuple):
    """A mark at a place of the prompts."""

    x: float
    label: str
    stands: bool
    """Or else it is advised."""
    row: int = 0
    """Of two for its label, so that neighbours do not stand on each other."""


class Tick(NamedTuple):
    """So many tokens from the beginning."""

    x: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Picture:
    """All of it, in units of the drawing."""

    boxes: tuple[Box, ...]
    flags: tuple[Flag, ...]
    ticks: tuple[Tick, ...]

    @property
    def top(self) -> int:
        """How far above the prompts there is something to read."""
        return _ABOVE if any(flag.stands for flag in self.flags) else _EDGE

    @property
    def below(self) -> int:
        """Likewise below them, ahead of the figures of the ticks."""
        return _BELOW if any(not flag.stands for flag in self.flags) else _EDGE


def picture(told: Prefixes, advised: Iterable[str]) -> Picture:
    """The prompts from left to right, what most have on top; marks as `system 5m` where they stand and should."""
    trie = told.trie
    longest = _longest(told)
    across = WIDTH / longest
    return Picture(
        tuple(_Drawing(told, across).boxes()),
        (*_flags(told.marks, told, across, stands=True), *_flags(advised, told, across, stands=False)),
        tuple(Tick(round(tokens * across, 1), tokens) for tokens in _ticks(longest)) if trie.nodes else (),
    )


def _longest(told: Prefixes) -> int:
    """How many tokens the drawing is wide."""
    nearly = told.lengths[min(len(told.lengths) * _NEARLY_LONGEST // 100, len(told.lengths) - 1)]
    return max(nearly, told.shared, 1)


def _ticks(longest: int) -> Iterable[int]:
    """Round numbers, eight steps of them at most."""
    steps = (digit * 10**power for power in range(12) for digit in (1, 2, 5))
    return range(0, longest + 1, next(step for step in steps if step * 8 >= longest))


def _flags(marks: Iterable[str], told: Prefixes, across: float, *, stands: bool) -> Iterable[Flag]:
    placed = {mark: told.positions[place] for mark in marks if (place := mark.rpartition(" ")[0]) in told.positions}
    x, row = -WIDTH, 1
    for mark, at in sorted(placed.items(), key=lambda one: (one[1], one[0])):
        row = 1 - row if at * across - x < _LABEL else 0
        x = at * across
        yield Flag(round(min(x, WIDTH), 1), mark, stands, row)


class _Drawing:
    """The boxes of one drawing."""

    def __init__(self, told: Prefixes, across: float) -> None:
        self._trie = told.trie
        self._scale = told.scale
        self._across = across
        self._each = HEIGHT / max(told.prompts, 1)

    def boxes(self) -> Iterable[Box]:
        """The largest first, each before what comes behind it."""
        drawn = 0
        waiting = [(ROOT, 0.0)]
        while waiting and drawn < MOST_BOXES:
            at, top = waiting.pop(0)
            few: list[int] = []
            for child in sorted(self._trie.behind.get(at, ()), key=lambda one: (-self._trie.counts[one], one)):
                height = self._trie.counts[child] * self._each
                if height < LEAST_HEIGHT:
                    few.append(child)
                    continue
                last = self._run(child)
                if (box := self._box(at, last, top, height)) is not None:
                    drawn += 1
                    yield box
                waiting.append((last, top))
                top += height
            if few and (box := self._rest(at, few, top)) is not None:
                drawn += 1
                yield box

    def _run(self, first: int) -> int:
        """How far the same prompts go on together in the same section."""
        trie, last = self._trie, first
        while len(nexts := trie.behind.get(last, [])) == 1 and trie.counts[nexts[0]] == trie.counts[last]:
            if trie.nodes[nexts[0]].section != trie.nodes[last].section:
                break
            last = nexts[0]
        return last

    def _box(self, before: int, last: int, top: float, height: float) -> Box | None:
        start, end, section = self._trie.ends[before], self._trie.ends[last], self._trie.nodes[last].section
        count = self._trie.counts[last]
        tokens = round((end - start) * self._scale)
        shared = "one prompt alone has" if count == 1 else f"{_prompts(count)} have alike"
        title = f"{section}: {tokens:,} tokens that {shared}"
        return self._made(section, start, end, top, height, title, f"{section} {tokens:,}")

    def _rest(self, before: int, few: list[int], top: float) -> Box | None:
        count = sum(self._trie.counts[one] for one in few)
        start = self._trie.ends[before]
        end = sum(self._trie.whole[one] for one in few) // count
        tokens = round((end - start) * self._scale)
        title = f"{_prompts(count)} go on in {len(few):,} ways, with {tokens:,} tokens on average"
        return self._made("differs", start, end, top, count * self._each, title, f"{len(few):,} ways")

    def _made(self, kind: str, start: int, end: int, top: float, height: float, title: str, label: str) -> Box | None:
        left = float(start * self._scale) * self._across
        right = min(float(end * self._scale) * self._across, WIDTH)
        if right - left < LEAST_WIDTH:
            return None
        fits = height >= 14 and right - left >= len(label) * _LETTER + 8
        return Box(
            kind,
            round(left, 1),
            round(top, 1),
            round(right - left, 1),
            round(height, 1),
            title,
            label if fits else "",
        )


def _prompts(count: int) -> str:
    return "1 prompt" if count == 1 else f"{count:,} prompts"
