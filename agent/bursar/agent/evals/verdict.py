"""What does a run say of its candidate: how far it agrees, how sure that is, and whether it passes?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bursar.agent.evals.run import Known, Pair, Ran
from bursar.agent.evals.scoring import Score, UnscorableError
from bursar.agent.evals.sending import Answer, Fate
from bursar.agent.evals.wilson import interval
from bursar.policies.answertext import answer_text, whole
from bursar.policies.usage import Usage, read_report

BAR = 0.95
"""The rule of the article: a candidate that agrees to within 5% will do. Asked of the interval's lower end."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One sample's two answers, and how far they agree."""

    attempt_id: str
    score: float
    reference: str
    candidate: str
    why: str = ""
    """Why there is no answer to compare, where that is the candidate's fault."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the scores come to; without a score there is no agreement."""

    scores: tuple[Scored, ...]
    unscored: Mapping[str, int]
    """By reason, the samples that say nothing of the candidate."""
    bar: float
    agreement: float = 0.0
    low: float = 0.0
    high: float = 1.0
    faults: Mapping[str, int] = field(default_factory=dict[str, int])
    """By reason, calls that the candidate did not answer in full: they count as disagreement."""

    @property
    def passed(self) -> bool:
        """
        Whether the candidate agrees often enough, and that is no luck.

        The lower end of the interval is what is held against the bar: a licence acts on every call of a route, and the
        share that was seen is as likely too high as too low.
        """
        return bool(self.scores) and self.low >= self.bar

    def worst(self, count: int) -> list[Scored]:
        """Those that agree least."""
        return sorted(self.scores, key=lambda scored: scored.score)[:count]


def measurable(samples: Iterable[Known], score: Score) -> tuple[list[Known], Counter[str]]:
    """Samples whose recorded answers can be a measure, held against themselves; and of the others, why not."""
    found: list[Known] = []
    unscored: Counter[str] = Counter()
    for sample in samples:
        try:
            score(sample.answer, sample.answer)
        except UnscorableError as error:
            unscored[str(error)] += 1
        else:
            found.append(sample)
    return found, unscored


def judged(ran: Ran, score: Score, bar: float, before: Mapping[str, int]) -> Verdict:
    """Score every pair that was run; `before`: the samples that were no measure, and not run at all."""
    scores: list[Scored] = []
    unscored: Counter[str] = Counter(before)
    for pair in ran.answered:
        try:
            scores.append(_scored(pair, score))
        except UnscorableError as error:
            unscored[str(error)] += 1
    faults = Counter(one.why for one in scores if one.why)
    if not scores:
        return Verdict((), unscored, bar)
    total = sum(one.score for one in scores)
    low, high = interval(total, len(scores))
    return Verdict(tuple(scores), unscored, bar, total / len(scores), low, high, faults)


def usages(ran: Ran, recorded: Mapping[str, Usage]) -> Iterator[tuple[Pair, Usage, Usage]]:
    """Of each pair whose two answers were whole: what the reference used, and the candidate."""
    for pair in ran.answered:
        mine, other = _used(pair.answer("candidate")), _used(pair.answer("reference"))
        reference = recorded.get(pair.sample.attempt_id) if pair.reference is None else other
        if mine is not None and reference is not None:
            yield pair, reference, mine


def _scored(pair: Pair, score: Score) -> Scored:
    reference = _reference(pair)
    answer = pair.answer("candidate")
    if answer is None or answer.fate in (Fate.FAILED, Fate.UNKNOWN):
        raise UnscorableError("the candidate was not reached")
    if answer.fate is Fate.REFUSED or answer.message is None:
        return Scored(pair.sample.attempt_id, 0.0, reference, "", f"refused: {answer.why}"[:80])
    text = answer_text(answer.message)
    if not whole(answer.message):
        return Scored(pair.sample.attempt_id, 0.0, reference, text, f"stopped: {answer.message.get('stop_reason')}")
    return Scored(pair.sample.attempt_id, score(reference, text), reference, text)


def _reference(pair: Pair) -> str:
    if pair.reference is None:
        return pair.sample.answer
    answer = pair.answer("reference")
    if answer is None or answer.message is None or not whole(answer.message):
        raise UnscorableError("the reference gave no whole answer")
    return answer_text(answer.message)


def _used(answer: Answer | None) -> Usage | None:
    if answer is None or answer.message is None or not whole(answer.message):
        return None
    said: Any = answer.message.get("usage")
    return read_report(said, stop_reason=None, has_content=True).usage if isinstance(said, Mapping) else None
