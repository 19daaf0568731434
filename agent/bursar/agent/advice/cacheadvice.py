"""What should be changed in how a route's prompts are cached, as far as fingerprints tell?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bursar.agent.advice import cachewords as words
from bursar.agent.advice.cachewords import Why
from bursar.agent.advice.gaps import PING_NS, Gaps
from bursar.agent.advice.interval import DAY_NS, LEAST_DAYS, per_day
from bursar.agent.advice.layout import AS_IT_IS, NEW, Change, Layout
from bursar.agent.advice.promptcache import Refresh
from bursar.agent.advice.recommendation import Kind, Recommendation, Saving, ordered
from bursar.agent.advice.replay import UNIT
from bursar.agent.advice.snippet import marked_call, split_call, unmarked_call
from bursar.agent.advice.study import Source, Study, Way, studied
from bursar.agent.advice.survey import Broken, Loss
from bursar.policies.cachemarks import TAIL, Mark, Marking

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
    days = max(Fraction(source.until_ns - began_ns, DAY_NS), Fraction(1))
    return ordered(one for study in studies for one in _Advisor(study, days).all())


def advised_marking(one: Recommendation) -> Marking | None:
    """The marks that a guard would add to carry out a recommendation; None where that is not for marks alone to do."""
    told = one.evidence.get("marks") if one.kind is Kind.CUT else None
    if not told:
        return None
    return Marking(one.id, one.route, one.model, tuple(Mark(mark["place"], mark["ttl"]) for mark in told))


@dataclass(slots=True)
class _Advisor:
    """What is said of one study; `days`: how long the period was."""

    study: Study
    days: Fraction

    def all(self) -> Iterator[Recommendation]:
        """Everything that there is to say."""
        best = self.study.best()
        yield self._marks(best)
        yield from self._breaks()
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
        least = self._cost(best)
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
        marks = self._marks_of(best)
        tally = self.study.tallies[best, Refresh.MARKED]
        saving, under = self._saved(best)
        read = Fraction(tally.read, max(tally.tokens, 1))
        automatic = [mark.place for mark in marks] == [TAIL]
        stands = f", instead of the marks that stand ({self._standing()})" if survey.marks else ""
        text = (
            f"Mark {words.marks_text(marks)}{stands}{': automatic caching does' if automatic else ''}. Of "
            f"{self._prompts()}, {words.percent(read)} would be read from the cache; now "
            f"{words.percent(survey.share_read)} is. {self._worth(saving)} {self._otherwise(under)}"
        )
        return self._made(
            Kind.CUT,
            text,
            saving=saving,
            under=under,
            evidence=self._evidence(Why.CUT, best),
            snippet=marked_call(self.study.group.model, marks),
            assumes=(words.RENEWED, words.ALONE),
        )

    def _removed(self) -> Recommendation:
        saving, under = self._saved(None)
        text = (
            f"Take the cache marks away ({self._standing()}): of {self._prompts()}, "
            f"{words.percent(self.study.survey.share_read)} is read from the cache, and writing it costs more than "
            f"that brings. {self._worth(saving)}"
        )
        return self._made(
            Kind.CUT,
            text,
            saving=saving,
            under=under,
            evidence=self._evidence(Why.REMOVE, None),
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
        return self._made(kind, text, evidence=self._evidence(why, best), advised=False)

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
        share = Fraction(loss.calls, survey.calls)
        tokens = loss.tokens // (_MILLE * loss.calls) if loss.calls else 0
        saving = per_day(loss.cost, self.days, unit=UNIT)
        text = (
            f"{what[0].upper()}{what[1:]} in {broken.place} keeps what is behind it from being read from the cache: "
            f"in {loss.calls:,} calls ({words.percent(share)}), about {tokens:,} tokens each. {remedy} "
            f"{self._worth(saving)}"
        )
        evidence = {
            **self._evidence(None, None),
            "cause": broken.cause.value,
            "block": broken.place,
            "breaks": loss.calls,
            "share_of_calls": round(float(share), 4),
            "tokens_lost_per_break": tokens,
            "cache_miss_reasons": dict(survey.misses),
        }
        return self._made(
            Kind.BREAK,
            text,
            place=f"{broken.cause} {broken.place}",
            saving=saving,
            evidence=evidence,
            assumes=(words.APART,),
        )

    def _move(self, layout: Layout, best: Way | None) -> Recommendation | None:
        way = self.study.best(layout)
        if way is None or not any(self.study.places(layout)[place] == NEW for place, _ in way.policy.marks):
            return None
        base = min(self.study.present[Refresh.MARKED].total, self._cost(best))
        if base - self._cost(way) < WORTH_IT * base:
            return None
        saving, under = self._saved(way, beyond=best)
        tally = self.study.tallies[way, Refresh.MARKED]
        read = words.percent(Fraction(tally.read, max(tally.tokens, 1)))
        evidence = {**self._evidence(None, way), "change": layout.change.value}
        if layout.change is Change.CUT:
            block = "messages[0]" if layout.section == "messages" else f"system[{layout.place}]"
            text = (
                f"Texts in {block} begin alike up to about byte {layout.cut:,}: send that as a block of its own with a "
                f"mark on it, and the rest as a second one. {read} of the prompts would be read from the cache. "
                f"{self._worth(saving)} {self._otherwise(under)}"
            )
            snippet = split_call(layout.section, "SYSTEM" if layout.section == "system" else "TEXT")
            evidence = {**evidence, "block": block, "cut_bytes": layout.cut}
        else:
            text = (
                f"Blocks of the system prompt that stay the same stand behind others that change: put the "
                f"{len(layout.steady)} that stay the same first, with a mark on the last of them. {read} of the "
                f"prompts would be read from the cache. {self._worth(saving)} {self._otherwise(under)}"
            )
            snippet = 'system=[\n    *STEADY,  # with "cache_control" on the last of them\n    *changing,\n],'
        return self._made(
            Kind.MOVE,
            text,
            place=str(layout.change),
            saving=saving,
            under=under,
            evidence=evidence,
            snippet=snippet,
            assumes=(words.RENEWED, words.APART),
        )

    def _kept(self, gaps: Gaps, best: Way) -> Iterator[Recommendation]:
        found = gaps.keep_alive()
        if found is None or found.saving < KEEPING_WORTH_IT * self._cost(best):
            return
        mid = round(Fraction(found.saving, UNIT) / self.days)
        saving = Saving(0, mid, 2 * mid)
        place = self.study.names[gaps.place]
        text = (
            f"Keep {place} alive with a mark of {found.ttl}: after its last call read it again every "
            f"{words.span(PING_NS[found.ttl])} for {words.span(found.until_ns)}, by the same prompt with max_tokens=0. "
            f"Worth {words.signed(mid)} USD a day as observed, {self._a_day(found.pings)} such reads paid."
        )
        evidence = {
            **self._evidence(None, best),
            "ttl": found.ttl,
            "every_seconds": PING_NS[found.ttl] // 10**9,
            "for_seconds": found.until_ns // 10**9,
            "reads_per_day": self._a_day(found.pings),
        }
        yield self._made(Kind.KEEP_ALIVE, text, place=place, saving=saving, evidence=evidence, assumes=(words.APART,))

    def _warmed(self, gaps: Gaps, best: Way) -> Iterator[Recommendation]:
        if gaps.parallel.total() < WORTH_IT * self._cost(best):
            return
        saving = per_day(gaps.parallel, self.days, unit=UNIT)
        place = self.study.names[gaps.place]
        text = (
            f"Let one call go first: {self._a_day(gaps.parallel_calls)} calls a day start while another is still "
            f"writing {place}, and each pays for writing it too. Wait for the first one's first token, or write it "
            f"beforehand by the same prompt with max_tokens=0. {self._worth(saving)}"
        )
        evidence = {**self._evidence(None, best), "parallel_calls_per_day": self._a_day(gaps.parallel_calls)}
        yield self._made(Kind.PREWARM, text, place=place, saving=saving, evidence=evidence, assumes=(words.APART,))

    def _made(self, kind: Kind, text: str, *, assumes: tuple[str, ...] = (), **more: Any) -> Recommendation:
        survey, saving = self.study.survey, more.get("saving")
        conditions = (
            (words.FEW_DAYS, saving is not None and self.days < LEAST_DAYS),
            (words.SAMPLED, saving is not None and survey.sampled > 0),
            (words.MINIMUM, not self.study.minimum_known),
        )
        said = (*assumes, *(told for told, holds in conditions if holds))
        return Recommendation(kind, self.study.group.route, self.study.group.model, text.strip(), assumes=said, **more)

    def _evidence(self, why: Why | None, way: Way | None) -> dict[str, Any]:
        survey = self.study.survey
        replayed = self.study.present[Refresh.MARKED].total
        found: dict[str, Any] = {
            "calls": survey.calls,
            "calls_per_day": self._a_day(survey.weight),
            "prompt_tokens_per_day": self._a_day(survey.tokens),
            "days": round(float(self.days), 2),
            "min_cacheable_tokens": survey.minimum,
            "share_read": round(float(survey.share_read), 4),
            "present_marks": [
                {"marks": [{"place": place, "ttl": ttl} for place, ttl in marks], "calls": calls}
                for marks, calls in survey.marks.most_common(3)
            ],
            "billed_nano_usd_per_day": self._nano_a_day(survey.billed.total()),
            "replayed_nano_usd_per_day": self._nano_a_day(replayed),
        }
        if why is not None:
            found = {"reason": why.value, **found}
        if why is Why.REMOVE or way is not None:
            marks = () if way is None else self._marks_of(way)
            found["marks"] = [{"place": mark.place, "ttl": mark.ttl} for mark in marks]
            found["predicted_nano_usd_per_day"] = self._nano_a_day(self._cost(way))
            found["predicted_share_saved"] = round(1 - self._cost(way) / max(self.study.plain.total, 1), 4)
        return found

    def _saved(self, way: Way | None, beyond: Way | None = None) -> tuple[Saving, dict[str, Saving]]:
        """Against the present marks, or the better of them and another way; under either reading of the rule."""
        under: dict[str, Saving] = {}
        for refresh in Refresh:
            base = self.study.present[refresh]
            if beyond is not None and self.study.tallies[beyond, refresh].total < base.total:
                base = self.study.tallies[beyond, refresh]
            by_day = Counter(base.cost)
            by_day.subtract((self.study.plain if way is None else self.study.tallies[way, refresh]).cost)
            under[refresh.value] = per_day(by_day, self.days, unit=UNIT)
        return under[Refresh.MARKED.value], under

    def _cost(self, way: Way | None) -> int:
        return self.study.plain.total if way is None else self.study.tallies[way, Refresh.MARKED].total

    def _marks_of(self, way: Way) -> tuple[Mark, ...]:
        names = self.study.places(way.layout)
        found = [Mark(self._place_name(names[place], way.layout), ttl) for place, ttl in way.policy.marks]
        return (*found, Mark(TAIL, way.policy.tail)) if way.policy.tail else tuple(found)

    def _place_name(self, name: str, layout: Layout) -> str:
        """A place of a layout as the changed call has it."""
        if name != NEW:
            return name
        if layout.change is Change.ORDER:
            return f"system[{len(layout.steady) - 1}]"
        return (
            f"messages[0].content[{layout.part}]"
            if layout.section == "messages"
            else f"{layout.section}[{layout.place}]"
        )

    def _standing(self) -> str:
        marks = self.study.survey.marks.most_common(1)[0][0]
        return ", ".join(f"{place} {ttl}" for place, ttl in marks)

    def _prompts(self) -> str:
        survey = self.study.survey
        return f"{survey.calls:,} prompts of about {survey.typical:,} tokens"

    def _worth(self, saving: Saving) -> str:
        return words.worth(saving, self.days)

    def _otherwise(self, under: dict[str, Saving]) -> str:
        mid = under[Refresh.HIGHEST.value].mid or 0
        return f"Were only the longest hit renewed: {words.signed(mid)}."

    def _a_day(self, thousandths: int) -> float:
        return round(float(Fraction(thousandths, _MILLE) / self.days), 1)

    def _nano_a_day(self, money: int) -> int:
        return round(Fraction(money, UNIT) / self.days)
