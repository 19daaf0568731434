"""Claims about the usage book: charges of one price are one group, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, SECOND, SONNET, put, unexplained, used

from bursar.agent.ledger.usagebook import Group, downgraded_of, groups_of
from bursar.policies.policyfile import parse_policy
from bursar.policies.usage import Usage

NOON = 1_795_262_400
DAY = NOON // 86_400
POLICY = parse_policy(
    'version = 1\nmode = "enforce"\n[[budget]]\nname = "day"\nlimit = "9 USD"\nevery = "day"\n', file="bursar.toml"
)


@pytest.fixture
def db() -> Iterator[Database]:
    with fresh.ledger() as memory:
        yield memory


def test_groups(db: Database) -> None:
    """By model, the model asked for, action, day, price row and modifiers; the unknown is left out."""
    put(
        db,
        used("a", Usage(input=1000, output=10), at=NOON),
        used("b", Usage(input=3000, output=30), at=NOON + 60),
        used("c", Usage(input=1000), at=NOON, batch=True),
        used("d", Usage(input=900), at=NOON, model=SONNET, requested=OPUS, action="downgrade"),
        used("e", Usage(input=1000), at=NOON - 86_400),
        unexplained("f", None, at=NOON),
    )
    found = sorted(groups_of(db, NOON * SECOND, (NOON + 3600) * SECOND), key=lambda group: -group.cost)
    assert [(g.model, g.requested_model, g.action, g.modifiers, g.charges, g.usage.input) for g in found] == [
        (OPUS, OPUS, "go", (), 2, 4000),
        (OPUS, OPUS, "go", ("batch",), 1, 1000),
        (SONNET, OPUS, "downgrade", (), 1, 900),
    ]
    # Opus 5.5 costs 4 and 20 USD per million tokens: 4,000 in and 40 out are 0.016 and 0.0008 USD.
    assert found[0] == Group(OPUS, OPUS, "go", DAY, found[0].price_id, (), 2, 16_800_000, Usage(input=4000, output=40))
    assert found[0].prompt == 2000


def test_downgraded_calls_of_a_balance(db: Database) -> None:
    """Those of this window alone, and none that was served as asked."""
    put(
        db,
        used("a", Usage(input=1000), at=NOON),
        used("b", Usage(input=2000), at=NOON, model=SONNET, requested=OPUS, action="downgrade"),
        used("c", Usage(input=4000), at=NOON - 86_400, model=SONNET, requested=OPUS, action="downgrade"),
        policy=POLICY,
    )
    found = downgraded_of(db, "day|2026-11-21T00:00:00Z|")
    assert [(group.charges, group.usage.input) for group in found] == [(1, 2000)]
