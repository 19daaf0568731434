"""Which beginnings do the prompts of a route have in common, how long is each, and which places are in it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from bursar.agent.advice.caching.layout import AS_IT_IS, NEW, Layout, Piece
from bursar.agent.advice.caching.places import Shape, names
from bursar.agent.advice.caching.promptcache import LIFETIME_NS, Prefix
from bursar.agent.ledger.printbook import Node, Prompt
from bursar.policies.fingerprint import Section

_KEPT_NS = LIFETIME_NS["1h"]
SETTINGS = "settings"


@dataclass(eq=False, slots=True)
class Known:
    """A beginning as the ledger has it, and what it is as a prefix of the cache."""

    parent: Known | None
    node: Node | None
    """None at the very beginning."""
    estimate: int
    """Tokens up to here, as estimated by who told it."""
    end: int
    """The same as billed: taken from the first call that had it."""
    shape: Shape
    prefix: Prefix | None
    """In the layout; None before the first block."""
    places: tuple[Prefix | None, ...]
    tail: Prefix | None
    """Up to the last block that may be marked."""
    salt: bytes
    """Hashes of settings that the next block is not without."""
    held: tuple[tuple[Node, Piece, int], ...]
    """Blocks that stand further behind in the layout, with their tokens."""
    ended: bool = False
    """Whether a section or a message was seen to end here."""


Reader = Callable[[int], Node]
"""Reads a node by its id."""
Stretches = Callable[[int], tuple[bytes, ...]]
"""Reads the hashes of a node's text up to each cut."""


def _no_stretches(_node_id: int) -> tuple[bytes, ...]:
    return ()


@dataclass(slots=True)
class PrefixTree:
    """
    The prompts of one route and model in one layout, call after call in order of time.

    Equal prefixes are one object for as long as an entry of them could be alive; what is older is let go.
    """

    read: Reader
    names: tuple[str, ...] = ()
    """The places that are looked for, in the order of the cache."""
    layout: Layout = AS_IT_IS
    stretches: Stretches = _no_stretches
    new: Callable[[Known], None] | None = None
    """Told of each beginning that is met for the first time."""
    _numbers: Mapping[str, int] = field(init=False)
    _root: Known = field(init=False)
    _interned: WeakValueDictionary[tuple[int, bytes], Prefix] = field(
        init=False, default_factory=WeakValueDictionary[tuple[int, bytes], Prefix]
    )
    _recent: dict[int, Known] = field(init=False, default_factory=dict[int, Known])
    """What was met, and all that it stands on, in the hour that runs."""
    _before: dict[int, Known] = field(init=False, default_factory=dict[int, Known])
    """The same in the hour before it."""
    _turn_ns: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._root = Known(None, None, 0, 0, Shape(), None, (None,) * len(self.names), None, b"", ())

    def seen(self, prompt: Prompt) -> Known:
        """The whole prompt of a call."""
        if prompt.at_ns >= self._turn_ns:
            self._recent, self._before = {}, self._recent
            self._turn_ns = prompt.at_ns + _KEPT_NS
        return self._found(prompt.node) or self._met(prompt)

    def _found(self, node_id: int) -> Known | None:
        """What is known of a beginning; it, and all that it stands on, is kept for another hour."""
        found = self._recent.get(node_id)
        if found is None and (found := self._before.get(node_id)) is not None:
            at: Known | None = found
            while at is not None and at.node is not None and at.node.id not in self._recent:
                self._recent[at.node.id] = at
                at = at.parent
        return found

    def _met(self, prompt: Prompt) -> Known:
        """A prompt that is new from some block on: the tokens of the new ones are what was billed for them."""
        nodes: list[Node] = []
        node_id, known = prompt.node, None
        while node_id and (known := self._found(node_id)) is None:
            node = self.read(node_id)
            nodes.append(node)
            node_id = node.parent
        start = known or self._root
        nodes.reverse()
        for part, until in _billed(prompt, nodes, start.end):
            start = self._grown(start, part, until)
        return start

    def _grown(self, start: Known, nodes: Sequence[Node], until: int) -> Known:
        """So many blocks behind a beginning, which together reach up to `until` tokens."""
        told = sum(node.tokens for node in nodes)
        room, at = max(until - start.end, 0), start
        for node in nodes:
            estimate = at.estimate + node.tokens
            end = start.end + (room * (estimate - start.estimate) // told if told else 0)
            at = self._with(at, node, estimate, until if node is nodes[-1] and until > end else end)
        return at

    def _with(self, at: Known, node: Node, estimate: int, end: int) -> Known:
        tokens = end - at.end
        known = Known(at, node, estimate, end, at.shape.grown(node), at.prefix, at.places, at.tail, at.salt, at.held)
        if at.held and node.section != self.layout.section:
            for held, piece, length in at.held:
                self._append(known, held, piece, length)
            known.held = ()
        if node.kind == SETTINGS:
            known.salt += node.hash
        else:
            for piece in self.layout.pieces(node, self.stretches):
                length = tokens * piece.share[0] // piece.share[1]
                if piece.held:
                    known.held = (*known.held, (node, piece, length))
                else:
                    self._append(known, node, piece, length)
        self._recent[node.id] = known
        if self.new is not None:
            self.new(known)
        return known

    def _append(self, known: Known, node: Node, piece: Piece, tokens: int) -> None:
        """Put a block behind the prefix of a beginning."""
        parent = known.prefix
        key = (id(parent), known.salt + piece.key)
        # As they are, each beginning of the ledger's is another one: no need to look for an equal one.
        prefix = None if self.layout is AS_IT_IS else self._interned.get(key)
        if prefix is None:
            prefix = _behind(parent, tokens)
            if self.layout is not AS_IT_IS:
                self._interned[key] = prefix
        known.prefix, known.salt = prefix, b""
        if not piece.cacheable:
            return
        known.tail = prefix
        if not self._numbers:
            return
        matched = (NEW,) if piece.new else names(node)
        numbers = [number for name in matched if (number := self._numbers.get(name)) is not None]
        if numbers:
            places = list(known.places)
            for number in numbers:
                places[number] = prefix
            known.places = tuple(places)


def request_before(known: Known) -> Prefix | None:
    """What the request before this one ended with: two messages earlier, since an answer lies between them."""
    if known.node is None or known.node.section != Section.MESSAGES:
        return None
    last = known.node.place - 2
    at = known.parent
    while at is not None and at.node is not None and at.node.section == Section.MESSAGES:
        if at.node.place <= last and at.node.cacheable:
            return at.prefix
        at = at.parent
    return None


def _behind(parent: Prefix | None, tokens: int) -> Prefix:
    return Prefix(None, 1, tokens) if parent is None else Prefix(parent, parent.depth + 1, parent.end + tokens)


def _billed(prompt: Prompt, nodes: Sequence[Node], start: int) -> list[tuple[Sequence[Node], int]]:
    """
    New blocks of a prompt, and up to how many tokens they reach.

    Where a mark of its own was read or written, that tells exactly how long the prompt is up to its last mark.
    """
    usage = prompt.usage
    cached = usage.cache_read + usage.cache_write
    last = max((depth for depth, _ in prompt.marks), default=0)
    whole = [(nodes, usage.prompt)] if nodes else []
    if prompt.automatic or not last or not start < cached <= usage.prompt or usage.web_searches or usage.web_fetches:
        return whole
    before = [node for node in nodes if node.depth <= last]
    behind = nodes[len(before) :]
    return [part for part in ((before, cached), (behind, usage.prompt)) if part[0]] if before else whole
