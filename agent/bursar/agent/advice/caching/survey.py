"""What do the prompts of a route have in common, what marks do they carry, and what broke their caching?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from bursar.agent.advice.caching.layout import Change, Layout
from bursar.agent.advice.caching.places import MESSAGES, NEARLY_ALL, Shape, names
from bursar.agent.advice.caching.prefixtree import SETTINGS, Known, request_before
from bursar.agent.advice.caching.promptcache import LOOKBACK
from bursar.agent.ledger.printbook import Node, Prompt
from bursar.policies.cachemarks import TAIL
from bursar.policies.fingerprint import Cause, Section, cuts
from bursar.policies.prices import Rates

_SAMPLE = 2_000
"""System prompts that are compared; from then on of every second call, then of every fourth."""
_TEXTS = 3_000
"""Texts of a place whose beginnings are compared."""
_CUTS = 64
_KINDS = 4_096
"""Different beginnings at one cut that are counted; with more of them nothing is shared there."""
_LEAST_TEXTS = 3
_ANSWERED = 2
"""Messages of a conversation that has had one answer: with one more it goes on."""
_A_TWENTIETH = 20
_RECUR_NS = 3_600 * 10**9
"""A break counts where the call before came within the longest time to live: else nothing was there to be read."""


class Broken(NamedTuple):
    """What breaks caching: why, and in which block."""

    cause: Cause
    place: str


@dataclass(slots=True)
class Loss:
    """How often that was, and what it cost."""

    calls: int = 0
    tokens: int = 0
    """Behind the passage that changed, the same as before; in thousandths, for calls that stand for several."""
    cost: Counter[int] = field(default_factory=Counter[int])
    """By day: what they cost as plain input less what they would have, read; in thousandths of pico-dollars."""


@dataclass(slots=True)
class Texts:
    """New texts at one place of the prompt, by what they begin with."""

    count: int = 0
    seen: list[Counter[bytes]] = field(default_factory=list[Counter[bytes]])
    """By the number of the cut."""
    length: int = 0
    """The longest, in bytes."""

    def add(self, hashes: tuple[bytes, ...], length: int) -> None:
        """Count one in."""
        self.count += 1
        self.length = max(self.length, length)
        for number, one in enumerate(hashes[:_CUTS]):
            if number == len(self.seen):
                self.seen.append(Counter())
            if one in self.seen[number] or len(self.seen[number]) < _KINDS:
                self.seen[number][one] += 1

    def best(self) -> tuple[int, int] | None:
        """Number and bytes of the cut at which most text is what others begin with; None where little is."""
        found: tuple[int, int, int] | None = None
        for number, (at, counter) in enumerate(zip(cuts(self.length), self.seen, strict=False)):
            least = max(_LEAST_TEXTS, self.count // _A_TWENTIETH)
            shared = sum(count for count in counter.values() if count >= least)
            if 2 * shared >= self.count and (found is None or at * shared > found[0]):
                found = at * shared, number, at
        return None if found is None else found[1:]


@dataclass(slots=True)
class Survey:
    """The calls of one route to one model, one after the other in order of time."""

    minimum: int
    calls: int = 0
    weight: int = 0
    """How many they stand for, in thousandths."""
    tokens: int = 0
    """Of all prompts, in thousandths."""
    read: int = 0
    first_ns: int = 0
    last_ns: int = 0
    short: int = 0
    """Calls whose prompt is below the model's minimum."""
    lengths: Counter[int] = field(default_factory=Counter[int])
    """Prompts by length, to two digits."""
    sampled: int = 0
    """Calls of processes that looked only at some conversations."""
    billed: Counter[int] = field(default_factory=Counter[int])
    """By day: what the prompts cost, in thousandths of pico-dollars."""
    shapes: Counter[Shape] = field(default_factory=Counter[Shape])
    kinds: Counter[str] = field(default_factory=Counter[str])
    """How many different beginnings ended at each place."""
    marks: Counter[tuple[tuple[str, str], ...]] = field(default_factory=Counter[tuple[tuple[str, str], ...]])
    losses: dict[Broken, Loss] = field(default_factory=dict[Broken, Loss])
    misses: Counter[str] = field(default_factory=Counter[str])
    """What the API itself said, where diagnostics were on."""
    texts: dict[tuple[str, int, int], Texts] = field(default_factory=dict[tuple[str, int, int], Texts])
    systems: list[tuple[Node, ...]] = field(default_factory=list[tuple[Node, ...]])
    turns: int = 0
    """Calls that go on with a conversation, of those that were looked at for it."""
    wide: int = 0
    """Those of them that add more blocks than a mark looks back at."""
    _every: int = 1

    def met(self, known: Known) -> Node | None:
        """Count a new beginning in; its last block, where its text's beginnings should be told of."""
        node = known.node
        if node is None:
            return None
        for name in names(node)[:-1]:
            self.kinds[name] += 1
        before = known.parent
        if before is not None and before.node is not None and _apart(before.node, node):
            self._ended(before)
        texted = node.kind == "text" and (node.section == Section.SYSTEM or (node.place == 0 and node.role == "user"))
        texts = self.texts.setdefault((node.section, node.place, node.part), Texts()) if texted else None
        return node if texts is not None and texts.count < _TEXTS else None

    def _ended(self, known: Known) -> None:
        """A section, or a message, was seen to end: what ends there is another beginning of its kind, once."""
        if known.node is not None and not known.ended:
            known.ended = True
            for name in names(known.node)[-1:]:
                self.kinds[name] += 1

    def see(self, prompt: Prompt, known: Known, weight: int, rates: Rates, day: int) -> None:
        """Count one call in."""
        usage = prompt.usage
        self.first_ns = self.first_ns or prompt.at_ns
        since_ns, self.last_ns = prompt.at_ns - self.last_ns, prompt.at_ns
        self.calls += 1
        self.weight += weight
        self.tokens += weight * usage.prompt
        self.read += weight * usage.cache_read
        self.short += usage.prompt < self.minimum
        self.lengths[_two_digits(usage.prompt)] += 1
        self.sampled += prompt.share < 1
        cost = usage.input * rates.input + usage.cache_read * rates.cache_read
        cost += usage.cache_write_5m * rates.cache_write_5m + usage.cache_write_1h * rates.cache_write_1h
        self.billed[day] += weight * cost
        self.shapes[known.shape] += 1
        self._ended(known)
        if prompt.marks or prompt.automatic:
            self.marks[tuple(named(prompt, known))] += 1
        if prompt.miss_reason:
            self.misses[prompt.miss_reason] += 1
        if prompt.cause is not None and since_ns <= _RECUR_NS:
            self._broken(prompt, known, weight, rates, day)
        if known.shape.messages > _ANSWERED:
            self._turn(known)
        if known.shape.system > 1 and self.calls % self._every == 0:
            self._sample(known)

    def _broken(self, prompt: Prompt, known: Known, weight: int, rates: Rates, day: int) -> None:
        node = _at(known, prompt.break_depth)
        if prompt.cause is None or node is None:
            return
        loss = self.losses.setdefault(Broken(prompt.cause, _place(node)), Loss())
        told = max(known.estimate, 1)
        tokens = weight * min(prompt.shared_after, told) * prompt.usage.prompt // told
        loss.calls += 1
        loss.tokens += tokens
        loss.cost[day] += tokens * (rates.input - rates.cache_read)

    def _turn(self, known: Known) -> None:
        before = request_before(known)
        if before is not None and known.tail is not None:
            self.turns += 1
            self.wide += known.tail.depth - before.depth >= LOOKBACK

    @property
    def looks_too_short(self) -> bool:
        """Whether most turns add so many blocks that a mark at their end does not find the one before."""
        return self.turns >= _LEAST_TEXTS and 2 * self.wide >= self.turns

    def _sample(self, known: Known) -> None:
        system = tuple(node for node in _path(known) if node.section == Section.SYSTEM and node.kind != SETTINGS)
        self.systems.append(system)
        if len(self.systems) > _SAMPLE:
            self.systems = self.systems[::2]
            self._every *= 2

    def layouts(self) -> list[Layout]:
        """Changes of the prompts that may let more of them be shared."""
        found: list[Layout] = []
        best: tuple[int, Layout] | None = None
        for (section, place, part), texts in self.texts.items():
            cut = texts.best() if texts.count >= _LEAST_TEXTS else None
            if cut is not None and (best is None or texts.count * cut[1] > best[0]):
                layout = Layout(Change.CUT, section, place, part, cut=cut[1], number=cut[0])
                best = texts.count * cut[1], layout
        if best is not None:
            found.append(best[1])
        if (steady := self._steady()) is not None:
            found.append(Layout(Change.ORDER, Section.SYSTEM, steady=steady))
        return found

    def _steady(self) -> frozenset[bytes] | None:
        """Blocks that nearly all system prompts have, where one of them stands behind another block."""
        counts = Counter(digest for system in self.systems for digest in {node.hash for node in system})
        steady = frozenset(one for one, count in counts.items() if count >= NEARLY_ALL * len(self.systems))
        behind = sum(_behind(system, steady) for system in self.systems)
        return steady if steady and 2 * behind >= len(self.systems) else None

    @property
    def typical(self) -> int:
        """The median prompt, to two digits."""
        at = 0
        for length, count in sorted(self.lengths.items()):
            at += count
            if 2 * at >= self.calls:
                return length
        return 0

    @property
    def share_read(self) -> Fraction:
        """Which part of the prompts was read from the cache."""
        return Fraction(self.read, max(self.tokens, 1))


def _apart(one: Node, other: Node) -> bool:
    """Whether two neighbours are of different sections or messages."""
    return one.section != other.section or (one.section == Section.MESSAGES and one.place != other.place)


def _behind(system: tuple[Node, ...], steady: frozenset[bytes]) -> bool:
    """Whether a block that stays the same stands behind one that does not."""
    changing = False
    for node in system:
        if node.hash not in steady:
            changing = True
        elif changing:
            return True
    return False


def _path(known: Known) -> Iterator[Node]:
    """Blocks from the beginning."""
    found: list[Node] = []
    at: Known | None = known
    while at is not None and at.node is not None:
        found.append(at.node)
        at = at.parent
    return reversed(found)


def _at(known: Known, depth: int) -> Node | None:
    at: Known | None = known
    while at is not None and at.node is not None:
        if at.node.depth == depth:
            return at.node
        at = at.parent
    return None


def _place(node: Node) -> str:
    """A block's place in words that marks and people use."""
    if node.section != Section.MESSAGES:
        return f"{node.section}[{node.place}]" if node.place >= 0 else str(node.section)
    return f"messages[{node.place}]" if 0 <= node.place <= 1 else str(node.section)


def named(prompt: Prompt, known: Known) -> Iterator[tuple[str, str]]:
    """The marks of a request by their places, in the order of the cache."""
    ttls = dict(prompt.marks)
    found: list[tuple[str, str]] = [(TAIL, prompt.automatic)] if prompt.automatic else []
    at: Known | None = known
    behind: Node | None = None
    last = True
    while at is not None and (node := at.node) is not None:
        if node.depth in ttls:
            alone = behind is None or (behind.section, behind.place) != (node.section, node.place)
            place = TAIL if last else _mark_place(node, behind, alone=alone)
            if (TAIL, ttls[node.depth]) != (place, prompt.automatic):
                found.append((place, ttls[node.depth]))
        last = last and (node.kind == SETTINGS or not node.cacheable)
        behind, at = node, at.parent
    return reversed(found)


def _mark_place(node: Node, behind: Node | None, *, alone: bool) -> str:
    if node.section != Section.MESSAGES:
        last = behind is None or behind.section != node.section or behind.kind == SETTINGS
        return str(node.section) if last else f"{node.section}[{node.place}]"
    if node.place >= MESSAGES:
        return str(node.section)
    return f"messages[{node.place}]" if alone else f"messages[{node.place}].content[{node.part}]"


def _two_digits(tokens: int) -> int:
    digits = max(len(str(tokens)) - 2, 0)
    return round(tokens, -digits)
