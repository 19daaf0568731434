"""Evals are kept as they were told, and the newest of each pair is its licence."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlite_utils import Database
from tests.agent.ledger import fresh

from bursar.agent.ledger import evalbook
from bursar.agent.ledger.evalbook import Evaluation, from_json
from bursar.policies.licence import Licence

MADE = Evaluation("triage", "haiku", "opus", 7, 200, 190, 0.98, 0.96, 0.99, 0.95, True, "exact", 5, {"unfit": 10})


@pytest.fixture
def db() -> Database:
    return fresh.ledger()


def test_an_eval_is_kept_as_it_is(db: Database) -> None:
    """The newest first; each is a licence, or its end."""
    failed = replace(MADE, at_ns=9, passed=False, low=0.9)
    for made in (MADE, failed):
        evalbook.keep(db, made)
    assert evalbook.history(db) == [failed, MADE]
    assert evalbook.licences(db) == [
        Licence("triage", "haiku", 7, passed=True),
        Licence("triage", "haiku", 9, passed=False),
    ]


def test_an_eval_crosses_the_wall() -> None:
    """And comes out the same."""
    assert from_json(asdict(MADE)) == MADE


def test_nobody_passes_by_saying_so() -> None:
    """Below the bar it has not passed, whatever the message says: it is the interval's lower end that counts."""
    assert not from_json({**asdict(MADE), "low": 0.949}).passed
    assert from_json({**asdict(MADE), "low": 0.95}).passed
    assert not from_json({**asdict(MADE), "passed": "true"}).passed


@pytest.mark.parametrize("changes", [{"route": ""}, {"candidate": None}, {"at_ns": "soon"}, {"low": None}])
def test_what_is_no_eval_is_refused(changes: dict[str, Any]) -> None:
    """With an error of the kind that its reader knows."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_json({**asdict(MADE), **changes})


@pytest.mark.parametrize(
    "change",
    [
        {"at_ns": 2**63},
        {"samples": -1},
        {"scored": "7"},
        {"cost_nano": 0.5},
        {"low": float("nan")},
        {"high": 10**400},
        {"bar": 1.5},
        {"agreement": None},
    ],
)
def test_figures_that_the_ledger_cannot_hold(change: dict[str, Any]) -> None:
    """They are refused before anything is kept."""
    with pytest.raises(TypeError, match="is expected, not"):
        from_json({**asdict(MADE), **change})
