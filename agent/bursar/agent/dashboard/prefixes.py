"""What do the last prompts of a route begin with: which stretches do they share, and where do they part?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from statistics import median_low
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.advice.caching.places import NEARLY_ALL, names
from bursar.agent.advice.caching.prefixtree import PrefixTree
from bursar.agent.advice.caching.survey import named
from bursar.agent.ledger import printbook
from bursar.agent.ledger.printbook import Node, Prompt
from bursar.policies.fingerprint import Section

MOST_PROMPTS = 200
LOOK = 1_000
"""Calls among which those with fingerprints are looked for."""
MOST_BLOCKS = 20_000
"""Of all prompts together; where they have more, the oldest are left out."""
LATER = 4
"""Messages from there on are one stretch."""
ROOT = 0


class Sample(NamedTuple):
    """One prompt, block by block, and the marks that it had, by place and time to live."""

    prompt: Prompt
    path: tuple[Node, ...]
    marks: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Trie:
    """All beginnings of the prompts, by the id of their last block; `ROOT` for the empty one. Lengths as estimated."""

    counts: Counter[int] = field(default_factory=Counter[int])
    """How many prompts begin so."""
    ends: dict[int, int] = field(default_factory=lambda: {ROOT: 0})
    """How long the beginning is."""
    whole: Counter[int] = field(default_factory=Counter[int])
    """How long the prompts are together that begin so."""
    nodes: dict[int, Node] = field(default_factory=dict[int, Node])
    behind: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """What comes next, in the order of being met."""

    def add(self, path: Sequence[Node]) -> int:
        """Count a prompt in; how long it is."""
        whole = sum(node.tokens for node in path)
        end, before = 0, ROOT
        for node in path:
            end += node.tokens
            if node.id not in self.nodes:
                self.nodes[node.id], self.ends[node.id] = node, end
                self.behind.setdefault(before, []).append(node.id)
            before = node.id
        for one in (ROOT, *(node.id for node in path)):
            self.counts[one] += 1
            self.whole[one] += whole
        return whole

    def known(self, path: Sequence[Node]) -> int:
        """How long the longest beginning of a prompt is that one before it had."""
        return next((self.ends[node.id] for node in reversed(path) if node.id in self.nodes), 0)

    def common(self, share: Fraction) -> int:
        """The longest beginning that such a share of the prompts has; `ROOT` where there is none."""
        found, least = ROOT, share * self.counts[ROOT]
        while nexts := [one for one in self.behind.get(found, ()) if self.counts[one] >= least]:
            found = max(nexts, key=lambda one: (self.counts[one], -one))
        return found


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the prompts, in their order."""

    name: str
    tokens: int
    """Of a typical prompt that has it, as billed."""
    prompts: int
    """How many have it."""
    alike: int
    """How many of them are the same from the beginning up to its end: as many as most."""
    versions: int
    """How many different beginnings end there."""
    marked: str = ""
    """Which marks stand there, and in how many prompts."""
    advised: str = ""
    """Which marks the advice would have there."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What the prompts have in common. Tokens as billed, shared out as they were estimated."""

    prompts: int
    since_ns: int
    until_ns: int
    typical: int
    """Tokens of the median prompt."""
    lengths: tuple[int, ...]
    """Of all prompts, the shortest first."""
    shared: int
    """Tokens that nearly all begin with."""
    nexts: int
    """How many different blocks follow that."""
    repeated: float
    """Of the tokens of all prompts, what an earlier one of them had begun with already: 0 to 1."""
    scale: Fraction
    """Billed tokens for one estimated."""
    stretches: tuple[Stretch, ...]
    marks: Mapping[str, int]
    """Marks that stand, as `system 5m`, and in how many prompts."""
    positions: Mapping[str, int]
    """Places by their names: how many tokens into the prompt, mostly."""
    trie: Trie


def sampled(db: Database, route: str, until_ns: int) -> list[Sample]:
    """The last prompts of a route whose fingerprints are kept, in order of time; few where they are very long."""
    known: dict[int, Node] = {}
    paths: list[tuple[Prompt, tuple[Node, ...]]] = []
    blocks = 0
    for prompt in reversed(printbook.latest(db, route, until_ns, limit=MOST_PROMPTS, look=LOOK)):
        with suppress(KeyError):  # its blocks were forgotten between two readings
            paths.append((prompt, printbook.path(db, prompt.node, known)))
            blocks += len(paths[-1][1])
        if blocks > MOST_BLOCKS:
            break
    tree = PrefixTree(known.__getitem__)
    return [Sample(prompt, path, _marks(prompt, tree)) for prompt, path in reversed(paths)]


def _marks(prompt: Prompt, tree: PrefixTree) -> tuple[tuple[str, str], ...]:
    """By place, as the advice names them; most prompts have none."""
    return tuple(named(prompt, tree.seen(prompt))) if prompt.marks or prompt.automatic else ()


def prefixes(samples: Sequence[Sample], advised: Iterable[str] = ()) -> Prefixes:
    """What they have in common; `advised` marks as `system 5m`. Raises `ValueError` without any prompt."""
    if not samples:
        raise ValueError("without prompts there is nothing in common")
    trie, repeated, lengths = Trie(), 0, list[int]()
    for sample in samples:
        repeated += trie.known(sample.path)
        lengths.append(trie.add(sample.path))
    billed = sum(sample.prompt.usage.prompt for sample in samples)
    scale = Fraction(billed, trie.whole[ROOT]) if trie.whole[ROOT] else Fraction(1)
    common = trie.common(NEARLY_ALL)
    marks = Counter(f"{place} {ttl}" for sample in samples for place, ttl in sample.marks)
    placed = _placed(samples)
    where = {place: one.slot for place, one in placed.items() if one.slots}
    return Prefixes(
        prompts=len(samples),
        since_ns=samples[0].prompt.at_ns,
        until_ns=samples[-1].prompt.at_ns,
        typical=median_low(sample.prompt.usage.prompt for sample in samples),
        lengths=tuple(sorted(round(length * scale) for length in lengths)),
        shared=round(trie.ends[common] * scale),
        nexts=len(trie.behind.get(common, ())),
        repeated=repeated / trie.whole[ROOT] if trie.whole[ROOT] else 0.0,
        scale=scale,
        stretches=tuple(_stretches(samples, scale, where, marks, tuple(advised))),
        marks=dict(sorted(marks.items(), key=lambda one: (-one[1], one[0]))),
        positions={place: round(median_low(one.ends) * scale) for place, one in placed.items()},
        trie=trie,
    )


_Slot = tuple[str, int]


@dataclass(slots=True)
class _Seen:
    """What was seen of one slot."""

    tokens: list[int] = field(default_factory=list[int])
    lasts: Counter[int] = field(default_factory=Counter[int])

    @property
    def key(self) -> tuple[int, int, int]:
        """Equal for neighbours that are told as one."""
        return len(self.tokens), max(self.lasts.values()), len(self.lasts)


def _stretches(
    samples: Sequence[Sample],
    scale: Fraction,
    where: Mapping[str, _Slot],
    marks: Mapping[str, int],
    advised: Sequence[str],
) -> Iterator[Stretch]:
    seen: dict[_Slot, _Seen] = {}
    for sample in samples:
        for slot, (tokens, last) in _slots(sample.path).items():
            one = seen.setdefault(slot, _Seen())
            one.tokens.append(tokens)
            one.lasts[last] += 1
    order = {str(section): place for place, section in enumerate(Section)}
    slots = sorted(seen, key=lambda slot: (order[slot[0]], slot[1]))
    for run in _runs(slots, seen):
        prompts, alike, versions = seen[run[-1]].key
        tokens = sum(median_low(seen[slot].tokens) for slot in run)
        yield Stretch(
            _name(run, slots),
            round(tokens * scale),
            prompts,
            alike,
            versions,
            ", ".join(f"{mark} in {count:,}" for mark, count in marks.items() if where.get(_place(mark)) in run),
            ", ".join(mark for mark in advised if where.get(_place(mark)) in run),
        )


def _slots(path: Iterable[Node]) -> dict[_Slot, tuple[int, int]]:
    """How long each part of a prompt is, and the last block of it."""
    found: dict[_Slot, tuple[int, int]] = {}
    for node in path:
        if (slot := _slot(node)) is not None:
            found[slot] = found.get(slot, (0, 0))[0] + node.tokens, node.id
    return found


def _slot(node: Node) -> _Slot | None:
    return _slot_at(node.section, node.place)


@lru_cache(maxsize=4_096)
def _slot_at(section: str, place: int) -> _Slot | None:
    if place < 0:
        return None
    return section, min(place, LATER) if section == Section.MESSAGES else place


def _runs(slots: Sequence[_Slot], seen: Mapping[_Slot, _Seen]) -> list[list[_Slot]]:
    """Neighbours of one section that are shared in the same way, together; messages stand for themselves."""
    runs: list[list[_Slot]] = []
    for slot in slots:
        last = runs[-1][-1] if runs else None
        alone = slot[0] == Section.MESSAGES or last is None or last[0] != slot[0]
        if alone or last is None or seen[last].key != seen[slot].key:
            runs.append([slot])
        else:
            runs[-1].append(slot)
    return runs


def _name(run: Sequence[_Slot], slots: Sequence[_Slot]) -> str:
    section, first, last = run[0][0], run[0][1], run[-1][1]
    if section == Section.MESSAGES:
        return f"messages[{first}]{' and later' if first == LATER else ''}"
    if len(run) == sum(slot[0] == section for slot in slots):
        return section
    return f"{section}[{first}]" if first == last else f"{section}[{first}] to [{last}]"


def _place(mark: str) -> str:
    return mark.rpartition(" ")[0]


@dataclass(slots=True)
class _Placed:
    """Where a place is, as a mark names it."""

    ends: list[int] = field(default_factory=list[int])
    """How long the prompts are up to there, as estimated."""
    slots: Counter[_Slot] = field(default_factory=Counter[_Slot])

    @property
    def slot(self) -> _Slot:
        """In which part of the prompts, mostly."""
        return self.slots.most_common(1)[0][0]


def _placed(samples: Iterable[Sample]) -> dict[str, _Placed]:
    """Every place of the prompts; of a section, or a message, its end."""
    found: dict[str, _Placed] = {}
    for sample in samples:
        end = 0
        told: dict[str, tuple[int, Node]] = {}
        for node in sample.path:
            end += node.tokens
            for place in names(node):
                told[place] = end, node
        for place, (at, node) in told.items():
            one = found.setdefault(place, _Placed())
            one.ends.append(at)
            if (slot := _slot(node)) is not None:
                one.slots[slot] += 1
    return found
