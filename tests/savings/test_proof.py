"""Claims about the proof: a prediction that is right holds, one that is off does not."""

from __future__ import annotations

import pytest
from tests.savings.generated import SONNET, asked, said
from tests.savings.proof import Advice, prove
from tests.savings.workload import Ask, Workload

from bursar.agent.sandbox import Refresh
from bursar.policies.cachemarks import Mark

BODY = asked(SONNET, [said("user", {"type": "text", "text": "x" * 24})], system=[{"type": "text", "text": "x" * 4_000}])
DAY = Workload("two questions", (Ask(0, BODY), Ask(60, BODY)))
SAVED = 2 * 1_000 * 2_000 - 1_000 * 2_500 - 1_000 * 100
"""Nano-dollars: 1,000 tokens of system prompt that are sent twice, written once and read once."""


@pytest.mark.parametrize(
    ("said", "holds"), [(SAVED, True), (SAVED * 102 // 100, True), (SAVED * 97 // 100, False), (0, False)]
)
def test_the_prediction_is_held_against_the_bill(said: int, holds: bool) -> None:
    proof = prove(DAY, Refresh.ALL, lambda _db, _day, _rule: {SONNET: Advice((Mark("system"),), said)})
    assert (proof.realised, proof.holds, proof.calls) == (SAVED, holds, 2)


def test_no_advice_saves_nothing() -> None:
    proof = prove(DAY, Refresh.ALL, lambda _db, _day, _rule: {})
    assert (proof.predicted, proof.realised, proof.error, proof.holds) == (0, 0, 0.0, True)


def test_advice_that_is_refused_does_not_hold() -> None:
    """The API takes no hour's mark behind one of five minutes."""
    marks = (Mark("system"), Mark("tail", "1h"))
    proof = prove(
        DAY, Refresh.ALL, lambda _db, _day, _rule: {SONNET: Advice(marks, 2 * (1_010 * 2_000 + 100 * 10_000))}
    )
    assert (len(proof.broken), proof.holds) == (2, False)
