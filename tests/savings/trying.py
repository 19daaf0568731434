"""
What would the best marks have saved, found by trying them all on the sandbox's own cache and prices?

No search, and nothing of Bursar's advice: what the chain search advises can be held against it. Tried are the places
that nearly every request of the day has, at most four marks, both times to live, with and without a mark at the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import combinations

from tests.savings.placing import marked, unmarked
from tests.savings.workload import Ask

from bursar.agent.sandbox import Refresh
from bursar.agent.sandbox import marks as sandbox_marks
from bursar.agent.sandbox.bill import nano_usd
from bursar.agent.sandbox.cache import Lookup, Prompt, PromptCache
from bursar.agent.sandbox.request import MessageRequest, parse_request
from bursar.policies.cachemarks import TAIL, Mark

MOST_PLACES = 6
_MOST_MARKS = 4
_NEARLY_ALL, _SHARED = 0.95, 0.9
_LIVES = {"5m": sandbox_marks.FIVE_MINUTES, "1h": sandbox_marks.ONE_HOUR}
_ONCE = ("tools", *(f"system[{at}]" for at in range(3)), "system")
_MESSAGES = (*(f"messages[0].content[{at}]" for at in range(2)), *(f"messages[{at}]" for at in range(4)))


@dataclass(frozen=True, slots=True)
class Tried:
    """The cheapest of all sets of marks."""

    marks: tuple[Mark, ...]
    nano: int
    """What the day would have cost."""
    sets: int
    """How many were tried."""


@dataclass(frozen=True, slots=True)
class _Sent:
    ask: Ask
    request: MessageRequest
    """Without marks."""
    at: Mapping[str, int]
    """Where a mark would stand, by place."""


def best(asks: Sequence[Ask], refresh: Refresh) -> Mapping[str, Tried]:
    """By model. All of them must be such as the sandbox serves."""
    by_model: dict[str, list[_Sent]] = defaultdict(list)
    for ask in asks:
        one = _sent(ask)
        by_model[one.request.model.id].append(one)
    return {model: _best(sent, refresh) for model, sent in by_model.items()}


def _best(sent: Sequence[_Sent], refresh: Refresh) -> Tried:
    tried = [(_cost(sent, marks, refresh), marks) for marks in _sets(_places(sent))]
    nano, marks = min(tried, key=lambda one: one[0])
    return Tried(marks, nano, len(tried))


def _sent(ask: Ask) -> _Sent:
    bare = unmarked(ask.body)
    request = parse_request(bare, ask.betas or None)
    at = {place: found for place in (*_ONCE, *_MESSAGES, TAIL) if (found := _position(ask, place)) is not None}
    return _Sent(ask, request, at)


def _position(ask: Ask, place: str) -> int | None:
    """Where the sandbox sees a mark at a place; None where the request has no such."""
    seen = parse_request(marked(ask.body, [Mark(place)]), ask.betas or None).prompt.marks
    return seen[0].position if seen else None


def _places(sent: Sequence[_Sent]) -> list[str]:
    """In the order of the cache: those that nearly all have, and that are not another one in nearly each."""
    found: dict[tuple[int | None, ...], str] = {}
    for place in (*_ONCE, *_MESSAGES):
        stands = tuple(one.at.get(place) for one in sent)
        kinds = Counter(one.request.prompt.digests[at] for one, at in zip(sent, stands, strict=True) if at is not None)
        if kinds.total() >= _NEARLY_ALL * len(sent) and len(kinds) <= max(1, _SHARED * len(sent)):
            found[stands] = place
    return sorted(found.values(), key=lambda place: max(one.at.get(place, -1) for one in sent))[-MOST_PLACES:]


def _sets(places: Sequence[str]) -> Iterator[tuple[Mark, ...]]:
    for tail in ((), (TAIL,)):
        for count in range(min(_MOST_MARKS - len(tail), len(places)) + 1):
            for chosen in combinations(places, count):
                stands = (*chosen, *tail)
                for hours in range(len(stands) + 1):
                    yield tuple(Mark(place, "1h" if at < hours else "5m") for at, place in enumerate(stands))


def _cost(sent: Sequence[_Sent], marks: Sequence[Mark], refresh: Refresh) -> int:
    cache = PromptCache(refresh)
    waiting: list[tuple[float, int, Lookup]] = []
    total = 0
    for number, one in enumerate(sent):
        while waiting and waiting[0][0] <= one.ask.at:
            cache.store(heappop(waiting)[2])
        lookup = cache.look_up(_prompt(one, marks), one.ask.at)
        heappush(waiting, (one.ask.at + one.ask.begins, number, lookup))
        output = min(one.ask.output, one.request.max_tokens)
        total += nano_usd(one.request.model, one.request.usage(lookup, output))
    return total


def _prompt(one: _Sent, marks: Sequence[Mark]) -> Prompt:
    """With a mark at each place that it has; of two on one block the first."""
    stands: dict[int, int] = {}
    for mark in marks:
        at = one.at.get(mark.place)
        if at is not None:
            stands.setdefault(at, _LIVES[mark.ttl])
    return replace(one.request.prompt, marks=tuple(sandbox_marks.Mark(*pair) for pair in sorted(stands.items())))
