"""Runs: what they cost is what is billed, never above their budget, and told to the ledger before and after."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import httpx
import pytest
from tests.agent.batching.house import NOON, staged
from tests.agent.evals.stage import HAIKU, OPUS, SONNET, TERMS, Stage, sample

from bursar.agent.evals.asks import Ask, Left
from bursar.agent.evals.purse import Purse
from bursar.agent.evals.run import MOST_PAIRS, ROUTE, Order, Ran, Run
from bursar.agent.evals.sending import Answer, Fate
from bursar.policies.charge import Basis
from bursar.policies.plan import Misfit
from bursar.policies.records import Released, Sent, Settled


def charges(stage: Stage) -> int:
    """What the ledger would sum up."""
    settled = [record.charge for record in stage.notes.records if isinstance(record, Settled)]
    return sum(charge.cost_nano_usd or 0 for charge in settled)


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("reference", [None, SONNET])
def test_the_ledger_is_told_what_the_api_bills(batch: bool, reference: str | None) -> None:
    """To the nano-dollar; each attempt once before it leaves, and once after."""
    stage = Stage()
    ran = stage.ran((sample(number) for number in range(20)), batch=batch, reference=reference)
    arms = 1 if reference is None else 2
    assert stage.bill == charges(stage) == ran.purse.spent > 0
    assert stage.notes.kinds == {"Sent": 20 * arms, "Settled": 20 * arms}
    assert len(ran.answered) == 20
    assert (ran.stopped, ran.broken) == ("", False)


def test_it_is_booked_as_calls_of_a_route_of_its_own() -> None:
    """With what it may cost, and for what: so it is seen in every report, and nothing of it among the route's own."""
    stage = Stage()
    stage.ran([sample(1)], reference=SONNET)
    sent = [record for record in stage.notes.records if isinstance(record, Sent)]
    assert [(one.route, one.model, one.at_ns) for one in sent] == [(ROUTE, HAIKU, NOON), (ROUTE, SONNET, NOON)]
    assert [dict(one.labels) for one in sent] == [
        {"eval": "triage", "arm": "candidate"},
        {"eval": "triage", "arm": "reference"},
    ]
    for one in sent:
        assert one.bound_nano is not None
        assert 0 < one.expected_nano <= one.bound_nano
        assert one.balances is None


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("pairs", [0, 1, 7])
def test_the_budget_is_never_passed_in_the_worst_case(batch: bool, pairs: int) -> None:
    """A budget of so many bounds, less a nano-dollar, pays for one less at first; what these leave pays for more."""
    samples = [sample(number) for number in range(30)]
    (one,) = Stage().ran(samples[:1], batch=batch).pairs
    budget = pairs * one.worst_nano - 1 if pairs else 0
    stage = Stage()
    ran = stage.ran(samples, budget=budget, batch=batch)
    assert stage.bill == ran.purse.spent <= max(budget, 0)
    assert len(ran.answered) >= max(pairs - 1, 0)
    if len(ran.answered) < 30:
        assert ran.stopped == "budget"
        left = budget - ran.purse.spent
        assert left < one.worst_nano + 2_000, "it stopped while another would have fit"


def test_a_sample_is_never_paid_for_on_one_side_alone() -> None:
    """Candidate and reference are held for together."""
    samples = [sample(number) for number in range(5)]
    (one,) = Stage().ran(samples[:1], reference=OPUS).pairs
    assert one.reference is not None
    stage = Stage()
    ran = stage.ran(samples, reference=OPUS, budget=one.worst_nano - 1)
    assert (ran.answered, stage.bill, ran.stopped) == ([], 0, "budget")
    assert one.candidate.worst_nano < one.worst_nano


def test_what_goes_at_once_goes_in_waves() -> None:
    """So that a run that is killed has set little aside; a batch is one."""
    samples = [sample(number) for number in range(MOST_PAIRS + 1)]
    for batch, waves in ((False, [MOST_PAIRS, 1]), (True, [MOST_PAIRS + 1])):
        stage = Stage()
        stage.ran(samples, batch=batch)
        found: list[int] = []
        for before, record in zip([None, *stage.notes.records], stage.notes.records, strict=False):
            if isinstance(record, Sent):
                if not isinstance(before, Sent):
                    found.append(0)
                found[-1] += 1
        assert found == waves


def test_samples_that_do_not_fit_are_counted_by_reason() -> None:
    """Nothing is spent on them."""
    stage = Stage()
    odd = [sample(1, surprise=1), sample(2, surprise=1), replace(sample(3), request="{")]
    ran = stage.ran([*odd, sample(4)])
    assert ran.unasked == {Misfit.PARAMETER: 2, Left.UNREADABLE: 1}
    assert len(ran.pairs) == 1


def test_an_error_costs_nothing_and_is_released() -> None:
    """One of a batch that failed, beside one that was answered."""
    stage = Stage()
    stage.wire.headers = staged(lambda name: "errored" if name == "eval-1" else "succeeded")
    ran = stage.ran([sample(1), sample(2)])
    assert stage.notes.kinds == {"Sent": 2, "Settled": 1, "Released": 1}
    assert stage.bill == ran.purse.spent == charges(stage)


def test_an_answer_that_was_lost_counts_as_its_bound() -> None:
    """It may have been billed: the run's budget is gone by it, and the ledger keeps it as unknown."""
    stage = Stage()

    def lost(request: httpx.Request) -> None:
        raise httpx.ReadTimeout("lost", request=request)

    stage.wire.after = lost
    ran = stage.ran([sample(1)], batch=False)
    (charge,) = [record.charge for record in stage.notes.records if isinstance(record, Settled)]
    assert (charge.basis, charge.cost_nano_usd) == (Basis.UNKNOWN, None)
    assert ran.purse.spent == ran.pairs[0].worst_nano >= stage.bill > 0


def test_an_api_that_answers_nothing_ends_the_run() -> None:
    """Of a hundred samples one wave is tried, and the reason told."""
    stage = Stage()
    stage.wire.before = lambda _: httpx.Response(401, json={"error": {"type": "authentication_error", "message": "no"}})
    ran = stage.ran([sample(number) for number in range(100)], batch=False)
    assert "authentication_error" in ran.stopped
    assert len(ran.answered) == MOST_PAIRS
    assert (ran.purse.spent, ran.purse.left) == (0, ran.purse.limit)
    assert stage.notes.kinds == {"Sent": MOST_PAIRS, "Released": MOST_PAIRS}


class Broken:
    """A sender that is broken off after the first of its asks was answered."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def send(self, asks: Sequence[Ask]) -> None:
        self._run.told(Answer(asks[0], Fate.FAILED, why="expired"))
        raise asyncio.CancelledError


def test_a_run_that_is_broken_off_says_what_it_may_have_spent() -> None:
    """What was told counts as told; of the rest nobody knows, so that its bounds are gone."""
    stage = Stage()
    whole = stage.ran([sample(number) for number in range(3)])
    stage.notes.records.clear()
    for pair in whole.pairs:
        pair.answers.clear()
    ran = Ran(whole.pairs, whole.unasked, Purse(10**9))
    run = Run(Order("triage", HAIKU, None, 10**9), ran, TERMS, stage.notes, stage.clock.ns)
    asyncio.run(run.carry_out(Broken(run)))
    assert (ran.broken, ran.stopped) == (True, "broken off")
    assert ran.purse.spent == sum(pair.worst_nano for pair in ran.pairs[1:])
    kinds = [type(record) for record in stage.notes.records]
    assert kinds == [Sent] * 3 + [Released, Settled, Settled]
