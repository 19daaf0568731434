"""Claims about the steps from one version's tables to the next."""

from __future__ import annotations

import re

from sqlite_utils import Database

from bursar.agent.ledger.migrations import MIGRATIONS


def test_every_step_has_a_number_of_its_own_and_says_what_it_is() -> None:
    """Files remember which steps they have seen by name, so that no two may share one."""
    with Database(memory=True) as db:
        steps = list(MIGRATIONS.pending(db))
    numbers = [int(found[1]) for step in steps if (found := re.fullmatch(r"m(\d{3})_\w+", step.name))]
    assert len(set(numbers)) == len(steps)
    assert all((step.fn.__doc__ or "").strip() for step in steps)
