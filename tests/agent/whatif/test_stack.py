"""The savings stack, in sums that can be done by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from datetime import date
from typing import Any

import pytest
from tests.agent.advice.past import DAY, NOON, SECOND, past

from bursar.agent.ledger.pastattempts import PastAttempt
from bursar.agent.whatif.rungs import below
from bursar.agent.whatif.stack import Lever, Line, Stack, names, stack, stacked, to_json
from bursar.policies.prices import price, shipped_book
from bursar.policies.usage import Part, Usage, UsageReport

OPUS, SONNET, HAIKU, OLD = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-4-6"
LADDER = (OPUS, SONNET, HAIKU)
END = (NOON + 2 * DAY) * SECOND
BOOK = shipped_book()


def call(at: float, usage: Usage, *, model: str = OPUS, **changes: Any) -> PastAttempt:
    """At the shipped price."""
    quote = price(UsageReport(usage, (Part(usage),)), model=model, at=date(2026, 11, 22), book=BOOK)
    return past(at, model=model, usage=usage, cost_nano=quote.cost_nano_usd, **changes)


def job(usage: Usage, *, model: str = OPUS, calls: int = 50, **changes: Any) -> list[PastAttempt]:
    """At noon on two days, a call after the other, half a second behind the answer: nobody waits for it."""
    return [
        call(NOON + day * DAY + 1.5 * place, usage, model=model, **changes) for day in (0, 1) for place in range(calls)
    ]


def pulled(calls: Iterable[PastAttempt], *levers: Lever, to: str | None = None) -> Stack:
    def rung(_route: str, model: str) -> str | None:
        return to or next(iter(below(model, LADDER, BOOK)), None)

    return stack(calls, BOOK, levers or tuple(Lever), rung, END)


def line(found: Stack) -> Line:
    (only,) = found.lines
    return only


def test_one_rung_down_costs_what_that_model_charges() -> None:
    """1,000 in and 100 out: 0.006 USD on Opus 5.5 (4 and 20), 0.003 on Sonnet 5.5 (2 and 10); a hundred times."""
    found = pulled(job(Usage(input=1_000, output=100)), Lever.TIER)
    assert found.totals() == [600_000_000, 300_000_000]
    assert (line(found).to, line(found).calls, float(found.days)) == (SONNET, 100, 2)


def test_tokens_are_scaled_between_tokenizers() -> None:
    """Opus 4.6 (5 and 25) to Haiku 5.5 (0.10 and 0.50), which counts 1,300 for 1,000: 0.0075 to 0.000195 USD."""
    found = pulled(job(Usage(input=1_000, output=100), model=OLD), Lever.TIER, to=HAIKU)
    assert found.totals() == [750_000_000, 19_500_000]


def test_what_calls_share_is_read_from_the_cache() -> None:
    """
    Prompts of 10,000 tokens on Sonnet 5.5, of which 5,000 are taken to be shared: of a hundred calls two write them
    (two days) and 98 read: 5,000 x (100 x 2 - 2 x 2.5 - 98 x 0.1) millionths of a dollar.
    """
    found = pulled(job(Usage(input=10_000, output=1), model=SONNET), Lever.CACHE)
    assert line(found).saved == (926_000_000,)
    assert line(found).cache_at_most == 2 * 926_000_000


def test_a_batch_halves_what_is_left() -> None:
    """0.30 USD after the tier; the prompts are too long apart in nothing, and too short for a cache: half of it."""
    found = pulled(job(Usage(input=300, output=270)))
    # Opus: 300 x 4 + 270 x 20 = 6,600 millionths; Sonnet half; a batch half of that.
    assert found.totals() == [660_000_000, 330_000_000, 330_000_000, 165_000_000]
    assert line(found).why == {Lever.CACHE: "prompts are shorter than what the model caches"}


def test_a_batch_is_net_of_the_hits_that_are_lost() -> None:
    """
    After the cache lever on Sonnet: a prefix of 5,000 that 98 of 100 read, 5,000 fresh, 200 put out. In a batch 30% is
    read, the rest written: (5,000 x (0.3 x 0.05 + 0.7 x 1.25) + 6,000) / 2 = 5,225 input tokens' worth, against
    5,000 x (0.98 x 0.05 + 0.02 x 1.25) + 6,000 = 6,370. A hundred calls in two days are 0.1736 in an entry's life: each
    that is taken away brings the others 0.1736 e^-0.1736 writes more, of 5,000 x 1.2.
    """
    alone = pulled(job(Usage(input=10_000, output=200), model=SONNET), Lever.BATCH)
    both = pulled(job(Usage(input=10_000, output=200), model=SONNET), Lever.CACHE, Lever.BATCH)
    assert line(alone).saved == (100 * 11_000 * 2_000 // 2,)
    cached, batched = line(both).saved
    assert cached == 926_000_000
    life = 100 * 300 / 172_800
    assert batched == pytest.approx(100 * 2_000 * (6_370 - 5_225 - life * math.exp(-life) * 6_000), abs=1)
    assert 0 < batched < line(alone).saved[0]


def test_who_waits_is_not_put_off() -> None:
    """And the reason is said."""
    found = pulled(job(Usage(input=1_000, output=100), streamed=True), Lever.BATCH)
    assert line(found).saved == (0,)
    assert "somebody reads along" in line(found).why[Lever.BATCH]


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        (job(Usage(input=1_000), model=HAIKU), "no rung below it"),
        (job(Usage(input=1_000), model="nobody-knows", calls=1), ""),
    ],
    ids=["the last rung", "no cost"],
)
def test_a_lever_without_data_saves_nothing(calls: list[PastAttempt], why: str) -> None:
    """Calls without a cost are counted beside the sums."""
    found = pulled(calls, Lever.TIER)
    assert found.totals()[0] == found.totals()[1]
    assert (found.unknown, [one.why for one in found.lines]) == ((0, [{Lever.TIER: why}]) if why else (2, []))


def test_a_candidate_that_is_dearer_or_unpriced_is_not_moved_to() -> None:
    """Opus for Sonnet's work, and a model without a price."""
    for to, why in ((OPUS, "would not cost less"), ("nobody-knows", "no price")):
        found = line(pulled(job(Usage(input=1_000), model=SONNET), Lever.TIER, to=to))
        assert (found.saved, found.to) == ((0,), None)
        assert why in found.why[Lever.TIER]


def test_a_bound_stays_what_it_is() -> None:
    """Nobody saw what it used: no model makes that cheaper."""
    found = pulled([past(model=OPUS, basis="estimate", usage=Usage(), cost_nano=7)])
    assert found.totals() == [7, 7, 7, 7]
    assert found.bounds == 1


def test_calls_in_batches_move_to_a_cheaper_model_at_half_of_its_price() -> None:
    """0.003 to 0.0015 USD; they are not put off once more."""
    calls = [one._replace(modifiers=("batch",), cost_nano=3_000_000) for one in job(Usage(input=1_000, output=100))]
    found = pulled(calls, Lever.TIER, Lever.BATCH)
    assert found.totals() == [300_000_000, 150_000_000, 150_000_000]


def test_prompts_of_all_lengths_save_nothing_for_certain() -> None:
    """What they share nobody knows: only the upper end is told, and in no stack."""
    calls = [one._replace(usage=Usage(input=5_000 + 100 * place)) for place, one in enumerate(job(Usage(input=5_000)))]
    found = line(pulled(calls, Lever.CACHE))
    assert found.saved == (0,)
    assert found.cache_at_most > 0
    assert "differ in length" in found.why[Lever.CACHE]


def test_levers_are_pulled_in_their_own_order() -> None:
    """However they were asked for."""
    assert pulled(job(Usage(input=1)), Lever.BATCH, Lever.TIER).levers == (Lever.TIER, Lever.BATCH)
    assert names((Lever.TIER, Lever.CACHE, Lever.BATCH)) == ["baseline", "tier", "tier+cache", "tier+cache+batch"]


@pytest.mark.parametrize("seed", range(20))
def test_the_stack_is_additive_and_never_rises(seed: int) -> None:
    """The baseline less all that is saved is the last row, of each line and of all; more levers never save less."""
    dice = random.Random(seed)
    calls = sorted(
        call(
            NOON + dice.random() * 2 * DAY,
            Usage(
                dice.randrange(20_000),
                dice.randrange(5_000),
                dice.randrange(900),
                dice.randrange(9),
                dice.randrange(900),
            ),
            model=dice.choice((OPUS, SONNET, HAIKU, OLD)),
            route=dice.choice("ab"),
            streamed=dice.random() < 0.01,
            modifiers=dice.choice(((), (), ("batch",))),
        )
        for _ in range(200)
    )
    found = pulled(calls)
    left = found.totals()
    assert left[0] == sum(one.cost_nano or 0 for one in calls)
    assert left == sorted(left, reverse=True)
    assert left[-1] >= 0
    assert left[-1] == left[0] - sum(sum(one.saved) for one in found.lines)
    assert left[:2] == pulled(calls, Lever.TIER).totals()


def test_the_document_says_the_same() -> None:
    """Amounts whole in nano-dollars, dollars a day for reading."""
    found = pulled(job(Usage(input=1_000, output=100)), Lever.TIER)
    document = dict(to_json(found))
    assert document["levers"] == ["tier"]
    assert document["stack"] == [
        {
            "levers": "baseline",
            "nano_usd": 600_000_000,
            "nano_usd_per_day": 300_000_000,
            "usd_per_day": 0.3,
            "saved_nano_usd": 0,
            "saved_share": 0.0,
        },
        {
            "levers": "tier",
            "nano_usd": 300_000_000,
            "nano_usd_per_day": 150_000_000,
            "usd_per_day": 0.15,
            "saved_nano_usd": 300_000_000,
            "saved_share": 0.5,
        },
    ]
    assert stacked(10, [3, 2]) == [10, 7, 5]


def test_progress_ends_with_all() -> None:
    """A hundred calls."""
    told: list[int] = []
    stack(job(Usage(input=1)), BOOK, [Lever.TIER], lambda _route, _model: None, END, progress=told.append)
    assert told == [100]
