"""What would each way to mark a route's prompts have cost? Three looks at the calls: what is in them, search, proof."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from bursar.agent.advice.caching.chain import Call, Policy, Search
from bursar.agent.advice.caching.gaps import Gaps
from bursar.agent.advice.caching.layout import AS_IT_IS, Layout
from bursar.agent.advice.caching.places import places
from bursar.agent.advice.caching.prefixtree import Known, PrefixTree, Reader, Stretches, request_before
from bursar.agent.advice.caching.promptcache import Bill, Prefix, Refresh
from bursar.agent.advice.caching.replay import Replay, Tally
from bursar.agent.advice.caching.survey import Survey
from bursar.agent.advice.interval import DAY_NS
from bursar.agent.ledger.printbook import Prompt
from bursar.policies.prices import PriceBook, Rates, rates

ASSUMED_MINIMUM = 1_024
"""Tokens of the shortest prefix that is cached, where the price book does not know the model's."""
_MILLE = 1_000
_BESIDE = 2
"""Marks that are left beside those at the end of a request and of the one before it."""
_NEARLY = 99
"""Percent of the best saving from which on fewer marks are preferred."""


class Group(NamedTuple):
    """Calls that are judged together."""

    route: str
    model: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the calls are read, as often as they are looked at."""

    prompts: Callable[[], Iterable[Prompt]]
    """All calls of the period in order of time."""
    node: Reader
    stretches: Stretches
    book: PriceBook
    until_ns: int
    told: Callable[[], object] = lambda: None
    """Told of every call read, for a progress bar."""


class Way(NamedTuple):
    """A way to mark prompts, in a layout."""

    layout: Layout
    policy: Policy


@dataclass(slots=True)
class Study:
    """The calls of one route to one model, and what was found out."""

    group: Group
    survey: Survey
    minimum_known: bool
    names: tuple[str, ...] = ()
    """The places of the prompts as they are."""
    searches: dict[Layout, Search] = field(default_factory=dict[Layout, Search])
    ways: list[Way] = field(default_factory=list[Way])
    """Those that were replayed."""
    tallies: dict[tuple[Way, Refresh], Tally] = field(default_factory=dict[tuple[Way, Refresh], Tally])
    plain: Tally = field(default_factory=Tally)
    """Without any mark."""
    present: dict[Refresh, Tally] = field(default_factory=dict[Refresh, Tally])
    """With the marks that the calls had."""
    gaps: dict[Way, Gaps] = field(default_factory=dict[Way, Gaps])

    def places(self, layout: Layout) -> tuple[str, ...]:
        """The places in a layout."""
        return layout.places(self.names)

    def best(self, layout: Layout = AS_IT_IS) -> Way | None:
        """The way with the fewest marks of those that save nearly most; None where none saves anything."""
        return self._best(way for way in self.ways if way.layout == layout and not way.policy.previous)

    def best_beyond(self) -> Way | None:
        """Likewise of those with a mark where the request before ended."""
        return self._best(way for way in self.ways if way.policy.previous)

    def _best(self, ways: Iterable[Way]) -> Way | None:
        tried = [(self.plain.total - self.tallies[way, Refresh.MARKED].total, way) for way in ways]
        most = max((saving for saving, _ in tried), default=0)
        if most <= 0:
            return None
        return min((way.policy.size, -saving, way) for saving, way in tried if 100 * saving >= _NEARLY * most)[2]


def studied(source: Source) -> list[Study]:
    """Every route and model of the calls, those without a price left out."""
    studies = _surveyed(source)
    _searched(source, studies)
    _replayed(source, studies)
    return list(studies.values())


_Studies = dict[Group, Study]


def _calls(source: Source, studies: _Studies | None = None) -> Iterator[tuple[Group, Prompt, Rates, int]]:
    """
    Calls that a cache saw in this order, with their prices and their day, counted back from the end.

    All at the prices of the end: advice is about days to come.
    """
    today = datetime.fromtimestamp(source.until_ns // 10**9, UTC).date()
    for prompt in source.prompts():
        source.told()
        group = Group(prompt.route, prompt.model)
        if "batch" in prompt.modifiers or (studies is not None and group not in studies):
            continue
        at = _prices(source.book, prompt.model, today, prompt.modifiers, prompt.usage.prompt)
        if at is not None and prompt.usage.prompt:
            yield group, prompt, at, (source.until_ns - 1 - prompt.at_ns) // DAY_NS


def _surveyed(source: Source) -> _Studies:
    studies: _Studies = {}
    trees: dict[Group, PrefixTree] = {}
    for group, prompt, at, day in _calls(source):
        study = studies.get(group)
        if study is None:
            model = source.book.find(group.model)
            minimum = None if model is None else model.min_cacheable_tokens
            survey = Survey(ASSUMED_MINIMUM if minimum is None else minimum)
            study = studies[group] = Study(group, survey, minimum_known=minimum is not None)
            trees[group] = PrefixTree(source.node, new=_noted(survey, source.stretches))
        study.survey.see(prompt, trees[group].seen(prompt), _weight(prompt), at, day)
    return studies


def _noted(survey: Survey, stretches: Stretches) -> Callable[[Known], None]:
    def new(known: Known) -> None:
        node = survey.met(known)
        if node is not None:
            survey.texts[node.section, node.place, node.part].add(stretches(node.id), node.bytes)

    return new


def _searched(source: Source, studies: _Studies) -> None:
    trees: dict[Group, list[tuple[PrefixTree, Search]]] = {}
    for group, study in studies.items():
        survey = study.survey
        study.names = places(survey.shapes, survey.kinds)
        for layout in (AS_IT_IS, *survey.layouts()):
            search = study.searches[layout] = Search(len(study.places(layout)), survey.minimum)
            tree = PrefixTree(source.node, study.places(layout), layout, source.stretches)
            trees.setdefault(group, []).append((tree, search))
    for group, prompt, at, _ in _calls(source, studies):
        for tree, search in trees[group]:
            search.see(_call(prompt, tree.seen(prompt), at))
    for study in studies.values():
        for layout, search in study.searches.items():
            study.ways += [Way(layout, policy) for policy in _worth_a_replay(search) if policy.size]
        if study.survey.looks_too_short:
            fixed = [policy for _, policy in study.searches[AS_IT_IS].best() if not policy.tail]
            kept = dict.fromkeys([next(one for one in fixed if one.size <= _BESIDE), Policy()])
            study.ways += [Way(AS_IT_IS, one._replace(tail="5m", previous="5m")) for one in kept]


def _worth_a_replay(search: Search) -> list[Policy]:
    """The best, and the one with the fewest marks of those nearly as good."""
    found = search.best()
    most = found[0][0]
    if most <= 0:
        return []
    nearly = [(policy.size, -saving, policy) for saving, policy in found if 100 * saving >= _NEARLY * most]
    return list(dict.fromkeys([found[0][1], min(nearly)[2]]))


@dataclass(slots=True)
class _Proof:
    """The replays of one study in one layout."""

    tree: PrefixTree
    replays: list[tuple[Policy, Replay]]
    plain: Tally | None
    """Where calls without marks are counted."""
    present: list[Replay]
    gaps: list[tuple[Gaps, str]]
    wide: bool

    def see(self, prompt: Prompt, at: Rates, day: int) -> None:
        known = self.tree.seen(prompt)
        call = _call(prompt, known, at)
        if self.wide:
            call = call._replace(previous=request_before(known))
        for policy, replay in self.replays:
            replay.see(call, day, policy.on(call))
        if self.plain is not None:
            self.plain.add(call, day, Bill(call.total, 0, 0, 0))
        if self.present:
            marks = _marks(prompt, known) if prompt.marks or prompt.automatic else []
            for replay in self.present:
                replay.see(call, day, marks)
        for gaps, ttl in self.gaps:
            gaps.see(call, day, ttl)


def _replayed(source: Source, studies: _Studies) -> None:
    proofs = {group: [_proof(source, study, layout) for layout in study.searches] for group, study in studies.items()}
    for group, prompt, at, day in _calls(source, studies):
        for proof in proofs[group]:
            proof.see(prompt, at, day)


def _proof(source: Source, study: Study, layout: Layout) -> _Proof:
    minimum = study.survey.minimum
    proof = _Proof(
        PrefixTree(source.node, study.places(layout), layout, source.stretches),
        [],
        None,
        [],
        [],
        study.survey.looks_too_short,
    )
    for way in study.ways:
        if way.layout != layout:
            continue
        for refresh in Refresh:
            replay = Replay(minimum, refresh)
            study.tallies[way, refresh] = replay.tally
            proof.replays.append((way.policy, replay))
        if way.policy.marks:
            place, ttl = way.policy.marks[-1]
            gaps = study.gaps[way] = Gaps(place, minimum)
            proof.gaps.append((gaps, ttl))
    if layout == AS_IT_IS:
        proof.plain = study.plain
        for refresh in Refresh:
            study.present[refresh] = study.plain
            if study.survey.marks:
                replay = Replay(minimum, refresh)
                study.present[refresh] = replay.tally
                proof.present.append(replay)
    return proof


def _call(prompt: Prompt, known: Known, at: Rates) -> Call:
    ready_ns = prompt.at_ns + prompt.ttft_ns
    return Call(prompt.at_ns, ready_ns, prompt.usage.prompt, at, _weight(prompt), known.places, known.tail)


def _weight(prompt: Prompt) -> int:
    return round(_MILLE / prompt.share)


def _marks(prompt: Prompt, known: Known) -> list[tuple[Prefix, str]]:
    """The marks that a request had, shortest prefix first."""
    ttls = dict(prompt.marks)
    found: list[tuple[Prefix, str]] = []
    if prompt.automatic and known.tail is not None:
        found.append((known.tail, prompt.automatic))
    at: Known | None = known
    while ttls and at is not None and at.node is not None:
        ttl = ttls.pop(at.node.depth, None)
        if ttl is not None and at.prefix is not None and (not found or found[-1][0] is not at.prefix):
            found.append((at.prefix, ttl))
        at = at.parent
    return found[::-1]


@lru_cache(maxsize=4_096)
def _prices_at(book: PriceBook, model: str, day: date, modifiers: tuple[str, ...], above: int) -> Rates | None:
    return rates(
        model,
        day,
        book,
        prompt_tokens=above,
        fast="fast" in modifiers,
        geo="us" if "geo:us" in modifiers else None,
        region=next((place for place in ("us-gov", "regional") if place in modifiers), None),
    )


def _prices(book: PriceBook, model: str, day: date, modifiers: tuple[str, ...], tokens: int) -> Rates | None:
    """What a token of the call cost; kept by length tier."""
    return _prices_at(
        book, model, day, modifiers, max((above for above in _tiers(book, model) if tokens > above), default=0) + 1
    )


@lru_cache(maxsize=1_024)
def _tiers(book: PriceBook, model: str) -> tuple[int, ...]:
    """The lengths above which the model costs something else."""
    found = book.find(model)
    return () if found is None else tuple({row.above for row in found.rows})
