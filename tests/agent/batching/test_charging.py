"""Claims about the agent's own charges: half price in a batch, the full one at once, never nothing where unknown."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.agent.batching.charging import charge_of, unknown
from bursar.agent.ledger.life import Attempt
from bursar.policies.charge import Basis
from bursar.policies.pricefile import shipped_book

NOON = 1_795_262_400 * 10**9
ATTEMPT = Attempt(
    "t", call_id="c", at_ns=NOON, route="digest", model="claude-haiku-4-5", requested_model="claude-opus-5-5",
    labels={"tenant": "acme"}, action="batch", reason="step",
)  # fmt: skip
MESSAGE: dict[str, Any] = {
    "id": "msg_1", "model": "claude-haiku-4-5-20251001", "stop_reason": "end_turn", "content": [{"type": "text"}],
    "usage": {"input_tokens": 1_000, "output_tokens": 100},
}  # fmt: skip


@pytest.mark.parametrize(("batch", "nano", "modifiers"), [(True, 750_000, ("batch",)), (False, 1_500_000, ())])
def test_price(batch: bool, nano: int, modifiers: tuple[str, ...]) -> None:
    """1,000 tokens at 1 USD and 100 at 5 USD a million are 1,500,000 nano-dollars, and half of that in a batch."""
    charge = charge_of(ATTEMPT, MESSAGE, batch=batch, book=shipped_book(), request_id="req_1")
    assert (charge.cost_nano_usd, charge.modifiers, charge.basis) == (nano, modifiers, Basis.USAGE)
    assert (charge.model, charge.requested_model) == ("claude-haiku-4-5-20251001", "claude-opus-5-5")
    assert (charge.response_id, charge.request_id, charge.at_ns) == ("msg_1", "req_1", NOON)
    assert (charge.labels, charge.action, charge.reason, charge.call_id) == ({"tenant": "acme"}, "batch", "step", "c")
    assert (charge.stop_reason, charge.duration_ns) == ("end_turn", None)


@pytest.mark.parametrize(
    "message", [{**MESSAGE, "usage": None}, {"id": "msg_1"}, {**MESSAGE, "model": "claude-of-another-house"}]
)
def test_unknown_is_not_nothing(message: dict[str, Any]) -> None:
    """Without usage or without a price the cost is unknown, and says why."""
    charge = charge_of(ATTEMPT, message, batch=True, book=shipped_book(), request_id=None)
    assert (charge.cost_nano_usd, charge.basis) == (None, Basis.UNKNOWN)
    assert charge.missing
    assert charge.response_id == "msg_1"


def test_nobody_will_know() -> None:
    """The attempt's own names, and the reason."""
    charge = unknown(ATTEMPT, "gone")
    assert (charge.cost_nano_usd, charge.basis, charge.missing) == (None, Basis.UNKNOWN, ("gone",))
    assert charge.model == "claude-haiku-4-5"
