"""The adviser hands over only marks that are advised for exactly this route, out of advice that is not old."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.agent.ledger import fresh

from bursar.agent.advice.caching.adviser import STALE_NS, KeptAdviser, advised
from bursar.agent.ledger import Ledger, advicebook
from bursar.agent.ledger.advicebook import Kept
from bursar.policies.cachemarks import Mark

ONE: dict[str, Any] = {
    "id": "r1",
    "kind": "cut",
    "route": "chat",
    "model": "claude-opus-5-5",
    "advised": True,
    "dismissed": None,
    "saving_nano_usd_per_day": {"from": 0, "expected": 5, "to": 10},
    "evidence": {"marks": [{"place": "system", "ttl": "1h"}], "predicted_share_saved": 0.9},
}


def test_what_saves_something_is_handed_over() -> None:
    (found,) = advised([ONE], "chat", 7)
    assert (found.marking.id, found.marking.marks, found.predicted) == ("r1", (Mark("system", "1h"),), 0.9)
    assert (found.marking.route, found.marking.model, found.at_ns) == ("chat", "claude-opus-5-5", 7)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "move"},
        {"route": "chat.deep"},
        {"advised": False},
        {"dismissed": {"reason": "no"}},
        {"saving_nano_usd_per_day": None},
        {"saving_nano_usd_per_day": {"from": -1, "expected": 5, "to": 10}},
        {"saving_nano_usd_per_day": {"from": 0, "expected": 0, "to": 0}},
        {"evidence": {"marks": [], "predicted_share_saved": 0.0}},
    ],
)
def test_what_does_not_or_is_for_something_else_is_not(changes: dict[str, Any]) -> None:
    assert list(advised([{**ONE, **changes}], "chat", 7)) == []


def test_what_was_kept_is_handed_over_while_it_is_new(tmp_path: Path) -> None:
    """Before anything was kept, and of calls a day ago and more, nothing is."""
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: 1)
    adviser = KeptAdviser(ledger)
    assert adviser("chat", 7) == []
    ledger.submit(lambda db: advicebook.keep(db, Kept(5, 0, 3, [ONE]))).result()
    (found,) = adviser("chat", 7)
    assert (found.marking.id, found.at_ns) == ("r1", 7)
    assert (len(adviser("chat", 3 + STALE_NS)), adviser("chat", 4 + STALE_NS), adviser("mail", 7)) == (1, [], [])
    ledger.close()
