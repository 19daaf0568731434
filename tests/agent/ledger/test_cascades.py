"""Claims about cascades in the ledger: each whole, with all its parts, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlite_utils import Database
from tests.agent.cascading import (
    CHEAP_NANO,
    HAIKU,
    NOON,
    OPUS,
    ROUTE,
    SECOND,
    STRONG_NANO,
    USAGE,
    accepted,
    escalated,
    failed_over,
    refused,
    sent,
    settled,
    stage,
    under_way,
)
from tests.agent.ledger import fresh

from bursar.agent.ledger.booking import book
from bursar.agent.ledger.cascades import Played, cascades
from bursar.agent.ledger.life import State
from bursar.policies.cascade import StageName
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Record, Settled
from bursar.policies.usage import Usage

EVER = (0, 2**62)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def keep(db: Database, *records: Record, holder: str | None = "h1") -> None:
    book(db, records, holder=holder, policy=None, now_ns=NOON)


def test_a_cascade_has_its_parts_in_order(db: Database) -> None:
    """The cheap one first, with what each used and cost, and why the strong one was asked."""
    keep(db, *escalated("k1"))
    (found,) = cascades(db, *EVER)
    assert (found.id, found.strong_model, found.escalation, found.refused) == ("k1", OPUS, "not_accepted", False)
    cheap = Played("cheap", State.SETTLED, ROUTE, HAIKU, HAIKU, NOON, CHEAP_NANO, Basis.USAGE, USAGE, ())
    strong = replace(
        cheap, stage="strong", requested_model=OPUS, model=OPUS, at_ns=NOON + SECOND, cost_nano=STRONG_NANO
    )
    assert found.parts == (cheap, strong)
    assert found.of(StageName.STRONG) == [strong]


def test_what_cost_nothing_is_a_part_as_well(db: Database) -> None:
    """A cheap call that failed, and a strong one in flight."""
    keep(db, *failed_over("k1"), *under_way("k2"))
    first, second = cascades(db, *EVER)
    assert [(part.stage, part.state, part.charged) for part in first.parts] == [
        ("cheap", State.RELEASED, False),
        ("strong", State.SETTLED, True),
    ]
    assert [(part.stage, part.state, part.charged) for part in second.parts] == [
        ("cheap", State.SETTLED, True),
        ("strong", State.SENT, False),
    ]
    assert (first.escalation, second.escalation) == ("failed", "refusal")


def test_a_refusal_is_told_of_the_cascade_it_was_in(db: Database) -> None:
    """It has no attempt, only a decision."""
    keep(db, *refused("k1"), *accepted("k2"))
    assert [(found.id, found.refused, found.escalation, len(found.parts)) for found in cascades(db, *EVER)] == [
        ("k1", True, "max_tokens", 1),
        ("k2", False, "", 1),
    ]


def test_a_stretch_of_time_takes_cascades_whole(db: Database) -> None:
    """By when they began, though their second call was sent after its end."""
    keep(db, *escalated("k1"), *accepted("k2", at_ns=NOON + SECOND))
    assert [(found.id, len(found.parts)) for found in cascades(db, NOON, NOON + SECOND)] == [("k1", 2)]
    assert [found.id for found in cascades(db, NOON + 1, NOON + 2 * SECOND)] == ["k2"]
    assert list(cascades(db, NOON + 2 * SECOND, 2**62)) == []


def test_calls_of_no_cascade_are_not_in_any(db: Database) -> None:
    """Nor spans of others."""
    plain = Charge("a1", 5, Usage(input=1), Basis.USAGE, HAIKU, HAIKU, ROUTE, at_ns=NOON)
    keep(db, Settled(plain))
    keep(db, Settled(replace(plain, attempt_id="s1")), holder=None)
    assert list(cascades(db, *EVER)) == []


def test_a_call_that_came_by_a_span_as_well_is_one_part(db: Database) -> None:
    """Whichever came first, the process's own record has the place."""
    first = sent(stage("k1", StageName.CHEAP))
    told = settled(first, CHEAP_NANO, response_id="msg_1")
    span = Settled(replace(told.charge, attempt_id="span-1", stage=None, basis=Basis.SPAN))
    for early, late in (((span,), (first, told)), ((first, told), (span,))):
        with fresh.ledger() as other:
            for records in (early, late):
                keep(other, *records, holder=None if records == (span,) else "h1")
            (found,) = cascades(other, *EVER)
            assert [(part.stage, part.cost_nano) for part in found.parts] == [("cheap", CHEAP_NANO)]


def test_a_charge_whose_sent_record_was_lost_knows_its_place(db: Database) -> None:
    """It stands in both."""
    _, told = accepted("k1")
    keep(db, told)
    assert [found.id for found in cascades(db, *EVER)] == ["k1"]


def test_modifiers_are_kept(db: Database) -> None:
    """What the estimate of the other model depends on."""
    first = sent(stage("k1", StageName.CHEAP))
    keep(db, first, settled(first, CHEAP_NANO, modifiers=("geo:us",)))
    (found,) = cascades(db, *EVER)
    assert found.parts[0].modifiers == ("geo:us",)
