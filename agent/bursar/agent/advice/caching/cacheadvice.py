"""What should be changed in how a route's prompts are cached, as far as fingerprints tell?"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from bursar.agent.advice.caching import cachewords as words
from bursar.agent.advice.caching.cachewords import Why
from bursar.agent.advice.caching.case import Case
from bursar.agent.advice.caching.gaps import PING_NS, Gaps
from bursar.agent.advice.caching.layout import AS_IT_IS, NEW, Change, Layout
from bursar.agent.advice.caching.promptcache import LOOKBACK, Refresh
from bursar.agent.advice.caching.replay import UNIT
from bursar.agent.advice.caching.snippet import marked_call, ordered_call, split_call, unmarked_call
from bursar.agent.advice.caching.study import Source, Way, studied
from bursar.agent.advice.caching.survey import Broken, Loss
from bursar.agent.advice.interval import observed, per_day
from bursar.agent.advice.recommendation import Kind, Recommendation, Saving, ordered
from bursar.policies.cachemarks import TAIL, Mark, Marking
from bursar.policies.fingerprint import Cause

WORTH_IT = Fraction(2, 100)
"""Of what a route's prompts cost: what saves less is not worth a change."""
KEEPING_WORTH_IT = Fraction(5, 100)
"""Likewise for keeping entries alive, which takes a clock of its own."""
_MILLE = 1_000
_MOST_BREAKS = 5
_NEARLY_ALL = Fraction(95, 100)


def cache_advice(source: Source) -> list[Recommendation]:
    """Advice for every route and model of the calls, the surest saving first; reads the calls three times."""
    studies = studied(source)
    began_ns = min((study.survey.first_ns for study in studies), default=source.until_ns)
    days = observed(began_ns, source.until_ns)
    return ordered(one for study in studies for one in _Advisor(study, days).all())


def advised_marking(one: Recommendation) -> Marking | None:
    """The marks that a guard would add to carry out a recommendation; None where that is not for marks alone to do."""
    told = one.evidence.get("marks") if one.kind is Kind.CUT else None
    if not told:
        return None
    return Marking(one.id, one.route, one.model, tuple(Mark(mark["place"], mark["ttl"]) for mark in told))


class _Advisor(Case):
    """What is said of one study."""

    def all(self) -> Iterator[Recommendation]:
        """Everything that there is to say."""
        best = self.study.best()
        yield self._marks(best)
        yield from self._breaks()
        yield from self._looked_too_short(best)
        for layout in self.study.searches:
            if layout.change is not Change.NONE and (moved := self._move(layout, best)) is not None:
                yield moved
        if best is not None and best in self.study.gaps:
            gaps = self.study.gaps[best]
            yield from self._kept(gaps, best)
            yield from self._warmed(gaps, best)

    def _marks(self, best: Way | None) -> Recommendation:
        study = self.study
        present, billed = study.present[Refresh.MARKED].total, study.plain.total
        least = self.cost(best)
        gained = present - least >= WORTH_IT * present
        if gained and best is not None:
            return self._cut(best)
        if study.survey.marks and (best is not None or present <= billed):
            return self._said(Kind.CUT, Why.AS_GOOD, "The cache marks that stand are as good as any.", best)
        if study.survey.marks and gained:
            return self._removed()
        return self._not_here()

    def _cut(self, best: Way) -> Recommendation:
        survey = self.study.survey
        marks = self.marks_of(best)
        tally = self.study.tallies[best, Refresh.MARKED]
        saving, under = self.saved(best)
        read = Fraction(tally.read, max(tally.tokens, 1))
        automatic = [mark.place for mark in marks] == [TAIL]
        stands = f", instead of the marks that stand ({self.standing()})" if survey.marks else ""
        text = (
            f"Mark {words.marks_text(marks)}{stands}{': automatic caching does' if automatic else ''}. Of "
            f"{self.prompts()}, {words.percent(read)} would be read from the cache; now "
            f"{words.percent(survey.share_read)} is. {self.worth(saving)} {self.otherwise(under)}"
        )
        return self.made(
            Kind.CUT,
            text,
            saving=saving,
            under=under,
            evidence=self.evidence(Why.CUT, best),
            snippet=marked_call(self.study.group.model, marks),
            assumes=(words.RENEWED, words.ALONE),
        )

    def _removed(self) -> Recommendation:
        saving, under = self.saved(None)
        text = (
            f"Take the cache marks away ({self.standing()}): of {self.prompts()}, "
            f"{words.percent(self.study.survey.share_read)} is read from the cache, and writing it costs more than "
            f"that brings. {self.worth(saving)}"
        )
        return self.made(
            Kind.CUT,
            text,
            saving=saving,
            under=under,
            evidence=self.evidence(Why.REMOVE, None),
            snippet=unmarked_call(dict.fromkeys(place for marks in self.study.survey.marks for place, _ in marks)),
            assumes=(words.RENEWED, words.ALONE),
        )

    def _not_here(self) -> Recommendation:
        survey, model = self.study.survey, self.study.group.model
        search = self.study.searches[AS_IT_IS]
        if survey.short >= _NEARLY_ALL * survey.calls:
            why = Why.TOO_SHORT
        elif not self.study.names:
            why = Why.NOTHING_SHARED
        elif 2 * search.long_enough < survey.calls:
            why = Why.SHARED_TOO_SHORT
        else:
            why = Why.TOO_RARE
        text = words.WHY_NOT[why].format(
            tokens=f"{survey.typical:,}", calls=f"{survey.calls:,}", model=model, minimum=f"{survey.minimum:,}"
        )
        return self._said(Kind.NOT_HERE, why, text, None)

    def _said(self, kind: Kind, why: Why, text: str, best: Way | None) -> Recommendation:
        return self.made(kind, text, evidence=self.evidence(why, best), advised=False)

    def _breaks(self) -> Iterator[Recommendation]:
        survey = self.study.survey
        least = WORTH_IT / 2 * survey.billed.total()
        worst = sorted(survey.losses.items(), key=lambda one: -one[1].cost.total())
        for broken, loss in worst[:_MOST_BREAKS]:
            if loss.cost.total() >= least and loss.tokens:
                yield self._break(broken, loss)

    def _break(self, broken: Broken, loss: Loss) -> Recommendation:
        survey = self.study.survey
        what, remedy = words.CAUSES[broken.cause]
        where = "" if broken.cause is Cause.MODEL else f" in {broken.place}"
        share = Fraction(loss.calls, survey.calls)
        tokens = loss.tokens // (_MILLE * loss.calls)
        saving = per_day(loss.cost, self.days, unit=UNIT)
        said = words.miss_reason(broken.cause, broken.place)
        misses = survey.misses[said]
        confirmed = f" The API itself says {said} of {words.calls(misses)}." if misses else ""
        text = (
            f"{what[0].upper()}{what[1:]}{where} keeps what is behind it from being read from the cache: in "
            f"{words.calls(loss.calls)} ({words.percent(share)}), about {tokens:,} tokens each.{confirmed} {remedy} "
            f"{self.worth(saving)}"
        )
        evidence = {
            **self.evidence(None, None),
            "cause": broken.cause.value,
            "block": broken.place,
            "breaks": loss.calls,
            "share_of_calls": round(float(share), 4),
            "tokens_lost_per_break": tokens,
            "cache_miss_reasons": dict(survey.misses),
        }
        return self.made(
            Kind.BREAK,
            text,
            place=f"{broken.cause} {broken.place}",
            saving=saving,
            evidence=evidence,
            assumes=(words.APART,),
        )

    def _looked_too_short(self, best: Way | None) -> Iterator[Recommendation]:
        way, survey = self.study.best_beyond(), self.study.survey
        base = min(self.study.present[Refresh.MARKED].total, self.cost(best))
        if way is None or base - self.cost(way) < WORTH_IT * base:
            return
        saving, under = self.saved_beyond(way, best)
        tally = self.study.tallies[way, Refresh.MARKED]
        marks = self.marks_of(way)
        beside = f"{words.marks_text(marks[:-1])}, " if marks[:-1] else ""
        text = (
            f"Turns add more blocks than the {LOOKBACK} that a mark looks back at: in "
            f"{words.percent(Fraction(survey.wide, survey.turns))} of them the mark at the end does not find what the "
            f"turn before wrote. Mark {beside}the last block of messages[-3], where the request before ended, and the "
            f"end of each request for 5m: {words.percent(Fraction(tally.read, max(tally.tokens, 1)))} of the prompts "
            f"would be read from the cache. {self.worth(saving)} {self.otherwise(under)}"
        )
        placed = [{"place": mark.place, "ttl": mark.ttl} for mark in marks]
        placed.insert(-1, {"place": "messages[-3]", "ttl": "5m"})
        told = {"cause": "look_back", "share_of_turns": round(survey.wide / survey.turns, 4), "marks": placed}
        snippet = 'messages[-3]["content"][-1]["cache_control"] = {"type": "ephemeral"}\n' + marked_call(
            self.study.group.model, marks
        )
        yield self.made(
            Kind.BREAK,
            text,
            place="look_back",
            saving=saving,
            under=under,
            evidence={**self.evidence(None, way), **told},
            snippet=snippet,
            assumes=(words.RENEWED, words.APART),
        )

    def _move(self, layout: Layout, best: Way | None) -> Recommendation | None:
        way = self.study.best(layout)
        if way is None or not any(self.study.places(layout)[place] == NEW for place, _ in way.policy.marks):
            return None
        base = min(self.study.present[Refresh.MARKED].total, self.cost(best))
        if base - self.cost(way) < WORTH_IT * base:
            return None
        saving, under = self.saved_beyond(way, best)
        tally = self.study.tallies[way, Refresh.MARKED]
        read = words.percent(Fraction(tally.read, max(tally.tokens, 1)))
        what, snippet, more = self._in_two(way) if layout.change is Change.CUT else self._in_order(way)
        return self.made(
            Kind.MOVE,
            f"{what} {read} of the prompts would be read from the cache. {self.worth(saving)} {self.otherwise(under)}",
            place=str(layout.change),
            saving=saving,
            under=under,
            evidence={**self.evidence(None, way), "change": layout.change.value, **more},
            snippet=snippet,
            assumes=(words.RENEWED, words.APART),
        )

    def _in_two(self, way: Way) -> tuple[str, str, dict[str, Any]]:
        """Of a text that is sent as two blocks: what to do, as code, and what more is told."""
        layout, in_messages = way.layout, way.layout.section == "messages"
        block = f"messages[0].content[{layout.part}]" if in_messages else f"system[{layout.place}]"
        text = (
            f"Texts in {block} begin alike up to about byte {layout.cut:,}: send that as a block of its own, the "
            f"rest as a second one, and mark {words.marks_text(self.marks_of(way))}."
        )
        snippet = split_call(layout.section, "TEXT" if in_messages else "SYSTEM", self._new_ttl(way))
        return text, snippet, {"block": block, "cut_bytes": layout.cut}

    def _in_order(self, way: Way) -> tuple[str, str, dict[str, Any]]:
        """Of a system prompt in another order."""
        steady = len(way.layout.steady)
        text = (
            "A part of the system prompt that stays the same stands behind one that changes: put the "
            f"{f'{steady} blocks that stay' if steady > 1 else 'block that stays'} the same first, and mark "
            f"{words.marks_text(self.marks_of(way))}."
        )
        return text, ordered_call(self._new_ttl(way)), {"steady_blocks": steady}

    def _new_ttl(self, way: Way) -> str:
        """How long the mark at the new place lives."""
        return next(ttl for place, ttl in way.policy.marks if self.study.places(way.layout)[place] == NEW)

    def _kept(self, gaps: Gaps, best: Way) -> Iterator[Recommendation]:
        found = gaps.keep_alive()
        if found is None or found.saving < KEEPING_WORTH_IT * self.cost(best):
            return
        mid = round(Fraction(found.saving, UNIT) / self.days)
        saving = Saving(0, mid, 2 * mid)
        place = self.study.names[gaps.place]
        text = (
            f"Keep {place} alive with a mark of {found.ttl}: after its last call read it again every "
            f"{words.span(PING_NS[found.ttl])} for {words.span(found.until_ns)}, by the same prompt with max_tokens=0. "
            f"Worth {words.signed(mid)} USD a day as observed, {self.a_day(found.pings)} such reads paid."
        )
        evidence = {
            **self.evidence(None, best),
            "ttl": found.ttl,
            "every_seconds": PING_NS[found.ttl] // 10**9,
            "for_seconds": found.until_ns // 10**9,
            "reads_per_day": self.a_day(found.pings),
        }
        yield self.made(Kind.KEEP_ALIVE, text, place=place, saving=saving, evidence=evidence, assumes=(words.APART,))

    def _warmed(self, gaps: Gaps, best: Way) -> Iterator[Recommendation]:
        if gaps.parallel.total() < WORTH_IT * self.cost(best):
            return
        saving = per_day(gaps.parallel, self.days, unit=UNIT)
        place = self.study.names[gaps.place]
        text = (
            f"Let one call go first: {self.a_day(gaps.parallel_calls)} calls a day start while another is still "
            f"writing {place}, and each pays for writing it too. Wait for the first one's first token, or write it "
            f"beforehand by the same prompt with max_tokens=0. {self.worth(saving)}"
        )
        evidence = {**self.evidence(None, best), "parallel_calls_per_day": self.a_day(gaps.parallel_calls)}
        yield self.made(Kind.PREWARM, text, place=place, saving=saving, evidence=evidence, assumes=(words.APART,))
