"""What do all recommendations on the caching of one route and model have in common?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bursar.agent.advice.caching import cachewords as words
from bursar.agent.advice.caching.cachewords import Why
from bursar.agent.advice.caching.layout import NEW, Change, Layout
from bursar.agent.advice.caching.promptcache import Refresh
from bursar.agent.advice.caching.replay import UNIT, Tally
from bursar.agent.advice.caching.study import Study, Way
from bursar.agent.advice.interval import LEAST_DAYS, per_day
from bursar.agent.advice.recommendation import Kind, Recommendation, Saving
from bursar.policies.cachemarks import TAIL, Mark

_MILLE = 1_000
_OFF_PERCENT = 5


@dataclass(slots=True)
class Case:
    """A study, and how long the period was in days."""

    study: Study
    days: Fraction

    def made(self, kind: Kind, text: str, *, assumes: tuple[str, ...] = (), **more: Any) -> Recommendation:
        """A recommendation on this route and model; what its figures rest on is added."""
        survey, saving = self.study.survey, more.get("saving")
        conditions = (
            (words.FEW_DAYS, saving is not None and self.days < LEAST_DAYS),
            (words.SAMPLED, saving is not None and survey.sampled > 0),
            (words.MINIMUM, not self.study.minimum_known),
            (words.OFF, self._off()),
        )
        said = (*assumes, *(told for told, holds in conditions if holds))
        return Recommendation(kind, self.study.group.route, self.study.group.model, text.strip(), assumes=said, **more)

    def _off(self) -> bool:
        """Whether the model comes to another sum than the bill for the marks that stand."""
        billed, replayed = self.study.survey.billed.total(), self.study.present[Refresh.MARKED].total
        return bool(self.study.survey.marks) and 100 * abs(replayed - billed) > _OFF_PERCENT * billed

    def evidence(self, why: Why | None, way: Way | None) -> dict[str, Any]:
        """What is told of every recommendation; of one with marks, these and what they would cost."""
        survey = self.study.survey
        replayed = self.study.present[Refresh.MARKED].total
        found: dict[str, Any] = {
            "calls": survey.calls,
            "calls_per_day": self.a_day(survey.weight),
            "prompt_tokens_per_day": self.a_day(survey.tokens),
            "days": round(float(self.days), 2),
            "min_cacheable_tokens": survey.minimum,
            "share_read": round(float(survey.share_read), 4),
            "present_marks": [
                {"marks": [{"place": place, "ttl": ttl} for place, ttl in marks], "calls": calls}
                for marks, calls in survey.marks.most_common(3)
            ],
            "billed_nano_usd_per_day": self.nano_a_day(survey.billed.total()),
            "replayed_nano_usd_per_day": self.nano_a_day(replayed),
        }
        if why is not None:
            found = {"reason": why.value, **found}
        if why is Why.REMOVE or way is not None:
            marks = () if way is None else self.marks_of(way)
            found["marks"] = [{"place": mark.place, "ttl": mark.ttl} for mark in marks]
            found["predicted_nano_usd_per_day"] = self.nano_a_day(self.cost(way))
            found["predicted_share_saved"] = round(1 - self.cost(way) / max(self.study.plain.total, 1), 4)
        return found

    def saved(self, way: Way | None) -> tuple[Saving, dict[str, Saving]]:
        """Against the marks that stand; under either reading of the rule."""
        return self._less(way, self.study.present)

    def saved_beyond(self, way: Way, best: Way | None) -> tuple[Saving, dict[str, Saving]]:
        """Against the best that marks alone can do (None: no mark), or those that stand where they are better."""
        marks = {refresh: self._tally(best, refresh) for refresh in Refresh}
        return self._less(way, {one: min(marks[one], self.study.present[one], key=_total) for one in Refresh})

    def _less(self, way: Way | None, bases: Mapping[Refresh, Tally]) -> tuple[Saving, dict[str, Saving]]:
        under: dict[str, Saving] = {}
        for refresh, base in bases.items():
            by_day = Counter(base.cost)
            by_day.subtract(self._tally(way, refresh).cost)
            under[refresh.value] = per_day(by_day, self.days, unit=UNIT)
        return under[Refresh.MARKED.value], under

    def _tally(self, way: Way | None, refresh: Refresh) -> Tally:
        return self.study.plain if way is None else self.study.tallies[way, refresh]

    def cost(self, way: Way | None) -> int:
        """Of the period with these marks, or with none."""
        return self._tally(way, Refresh.MARKED).total

    def marks_of(self, way: Way) -> tuple[Mark, ...]:
        """Its marks, in the order of the cache."""
        names = self.study.places(way.layout)
        found = [Mark(self.place_name(names[place], way.layout), ttl) for place, ttl in way.policy.marks]
        return (*found, Mark(TAIL, way.policy.tail)) if way.policy.tail else tuple(found)

    def place_name(self, name: str, layout: Layout) -> str:
        """A place of a layout as the changed call has it."""
        if name != NEW:
            return layout.shifted(name)
        if layout.change is Change.ORDER:
            return f"system[{len(layout.steady) - 1}]"
        return f"messages[0].content[{layout.part}]" if layout.section == "messages" else f"system[{layout.place}]"

    def standing(self) -> str:
        """The marks that most of the marked calls had, in words."""
        marks = self.study.survey.marks.most_common(1)[0][0]
        return ", ".join(f"{place} {ttl}" for place, ttl in marks)

    def prompts(self) -> str:
        """How many prompts of which length there were."""
        survey = self.study.survey
        return f"{survey.calls:,} prompts of about {survey.typical:,} tokens"

    def worth(self, saving: Saving) -> str:
        """What a saving is worth, in words."""
        return words.worth(saving, self.days)

    def otherwise(self, under: dict[str, Saving]) -> str:
        """What it would be under the other reading of the rule that nobody documents."""
        mid = under[Refresh.HIGHEST.value].mid or 0
        return f"Were only the longest hit renewed: {words.signed(mid)}."

    def a_day(self, thousandths: int) -> float:
        """Something counted in thousandths, a day."""
        return round(float(Fraction(thousandths, _MILLE) / self.days), 1)

    def nano_a_day(self, money: int) -> int:
        """Thousandths of pico-dollars of the period, as nano-dollars a day."""
        return round(Fraction(money, UNIT) / self.days)


def _total(tally: Tally) -> int:
    return tally.total
