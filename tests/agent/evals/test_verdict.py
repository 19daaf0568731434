"""Verdicts: the interval's lower end is held against the bar, and nothing is counted that says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from tests.agent.evals.stage import HAIKU, SONNET, sample

from bursar.agent.evals.asks import Ask
from bursar.agent.evals.purse import Purse
from bursar.agent.evals.run import Pair, Ran
from bursar.agent.evals.scoring import UnscorableError, exact, scorer
from bursar.agent.evals.sending import Answer, Fate
from bursar.agent.evals.verdict import BAR, judged, measurable, usages
from bursar.policies.usage import Usage


def message(text: str, **changes: Any) -> dict[str, Any]:
    usage = {"input_tokens": 10, "output_tokens": 5}
    return {"stop_reason": "end_turn", "content": [{"type": "text", "text": text}], "usage": usage, **changes}


def pair(
    number: int,
    candidate: dict[str, Any] | Fate | None,
    reference: dict[str, Any] | Fate | None = None,
    *,
    recorded: str = "Yes",
) -> Pair:
    """A pair with these answers; `reference`: it was run anew."""
    asks = [Ask(f"{arm}-{number}", arm, b"", "", False, 1, 1, caches=False) for arm in (HAIKU, SONNET)]
    made = Pair(sample(number, recorded), asks[0], None if reference is None else asks[1])
    for asked, answer in zip(asks, (candidate, reference), strict=True):
        if answer is not None:
            told = Answer(asked, answer, why="x") if isinstance(answer, Fate) else Answer(asked, Fate.ANSWERED, answer)
            made.answers[asked.attempt_id] = told
    return made


def ran(pairs: Iterable[Pair]) -> Ran:
    return Ran(list(pairs), Counter(), Purse(10))


def agreeing(count: int, of: int) -> Ran:
    return ran(pair(number, message("Yes" if number < count else "No")) for number in range(of))


@pytest.mark.parametrize(
    ("count", "of", "bar", "passed"),
    [
        # All of 73 is the least that reaches 0.95; see `test_wilson`.
        (73, 73, BAR, True),
        (72, 72, BAR, False),
        # 97.5% of 200 is above the bar, and its interval begins at 94.3%.
        (195, 200, BAR, False),
        (198, 200, BAR, True),
        (0, 200, BAR, False),
        (0, 200, 0.0, True),
        (150, 200, 0.68, True),
        (150, 200, 0.70, False),
    ],
)
def test_the_lower_end_of_the_interval_is_held_against_the_bar(count: int, of: int, bar: float, passed: bool) -> None:
    """The share that was seen may be above it, and nothing be proven."""
    found = judged(agreeing(count, of), exact, bar, {})
    assert found.passed is passed
    assert found.agreement == count / of
    assert found.low <= found.agreement <= found.high


def test_without_a_score_nothing_passes() -> None:
    """Not even a bar of nothing."""
    found = judged(ran([pair(1, Fate.UNKNOWN)]), exact, 0.0, {})
    assert (found.passed, found.scores, found.unscored) == (False, (), {"the candidate was not reached": 1})


@pytest.mark.parametrize(
    ("candidate", "reference", "score", "fault"),
    [
        (message("Yes"), None, 1.0, ""),
        (message("No"), None, 0.0, ""),
        (message("Yes", stop_reason="max_tokens"), None, 0.0, "stopped: max_tokens"),
        (message("", stop_reason="refusal"), None, 0.0, "stopped: refusal"),
        (Fate.REFUSED, None, 0.0, "refused: x"),
        (message("No"), message("No"), 1.0, ""),
        (message("Yes"), message("No"), 0.0, ""),
    ],
)
def test_what_an_application_would_get_is_what_is_scored(
    candidate: Any, reference: Any, score: float, fault: str
) -> None:
    """Half an answer, a refusal or an error of the candidate's counts against it, however well it begins."""
    found = judged(ran([pair(1, candidate, reference)]), exact, BAR, {})
    assert [(one.score, one.why) for one in found.scores] == [(score, fault)]
    assert found.faults == ({fault: 1} if fault else {})


@pytest.mark.parametrize(
    ("candidate", "reference"),
    [
        (Fate.FAILED, None),
        (Fate.UNKNOWN, None),
        (message("Yes"), Fate.FAILED),
        (message("Yes"), Fate.REFUSED),
        (message("Yes"), message("Yes", stop_reason="max_tokens")),
        (Fate.FAILED, message("Yes")),
    ],
)
def test_what_says_nothing_of_the_candidate_is_left_out(candidate: Any, reference: Any) -> None:
    """Neither for it nor against it, and counted apart."""
    found = judged(ran([pair(1, candidate, reference), pair(2, message("Yes"))]), exact, BAR, {"no JSON": 3})
    assert [one.attempt_id for one in found.scores] == ["a-2"]
    assert sum(found.unscored.values()) == 4


def test_a_score_between_counts_as_it_is() -> None:
    """A mean of 0.75 of four."""

    def score(reference: str, candidate: str) -> float:
        return float(candidate)

    found = judged(ran(pair(n, message(text)) for n, text in enumerate(["1", "1", "0.5", "0.5"])), score, BAR, {})
    assert found.agreement == 0.75
    assert [one.score for one in found.worst(3)] == [0.5, 0.5, 1.0]


def test_samples_are_measured_against_themselves_before_anything_is_spent() -> None:
    """Those that are no measure are left out, by reason; the others stay in their order."""
    samples = [sample(1, '{"a": 1}'), sample(2, "I cannot"), sample(3, '{"a": 2}'), sample(4, "[")]
    found, unscored = measurable(samples, scorer("json"))
    assert [one.attempt_id for one in found] == ["a-1", "a-3"]
    assert unscored == {"the reference's answer is no JSON": 2}

    def broken(reference: str, candidate: str) -> float:
        raise UnscorableError("f raised KeyError")

    assert measurable(samples, broken) == ([], {"f raised KeyError": 4})


def test_costs_are_compared_where_both_are_known() -> None:
    """The reference's from the ledger, or from its own answer where it was run anew."""
    recorded = {"a-1": Usage(input=7, output=3), "a-3": Usage(input=1, output=1)}
    cut = message("Yes", stop_reason="max_tokens")
    told = usages(ran([pair(1, message("Yes")), pair(2, message("Yes")), pair(3, cut)]), recorded)
    assert [(one.sample.attempt_id, here, there) for one, here, there in told] == [
        ("a-1", recorded["a-1"], Usage(input=10, output=5))
    ]
    (anew,) = usages(ran([pair(1, message("Yes"), message("No"))]), recorded)
    assert anew[1:] == (Usage(input=10, output=5), Usage(input=10, output=5))
