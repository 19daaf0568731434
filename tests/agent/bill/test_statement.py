"""Claims about reading the reports: cents are exact, null is the Default workspace, and nothing is guessed."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.bill.adminserver import cost_item, usage_item

from bursar.agent.bill.access import BillError
from bursar.agent.bill.comparison import Tolerance, compare
from bursar.agent.bill.statement import Billed, Used, billed, used

DAY = date(2026, 11, 21)
NAMES = (
    *("amount", "model", "cost_type", "currency", "workspace_id", "service_tier", "uncached_input_tokens"),
    *("output_tokens", "cache_creation", "server_tool_use", "ephemeral_5m_input_tokens"),
)


def bucket(*items: dict[str, Any]) -> dict[str, Any]:
    return {"starting_at": "2026-11-21T00:00:00Z", "ending_at": "2026-11-22T00:00:00Z", "results": list(items)}


def test_usage() -> None:
    """Every class under the name that a charge's line has; what was not used is left out."""
    item = usage_item(
        "claude-opus-5-5",
        uncached=1,
        output=5,
        cache_read_input_tokens=2,
        cache_creation={"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        server_tool_use={"web_search_requests": 6},
        workspace_id="wrkspc_1",
    )
    classes = {"input": 1, "cache_read": 2, "cache_write_5m": 3, "cache_write_1h": 4, "output": 5, "web_search": 6}
    priority = usage_item("m", output=1, service_tier="priority_on_demand")
    assert list(used([bucket(item, priority)])) == [
        Used(DAY, "claude-opus-5-5", "wrkspc_1", priority=False, quantities=classes),
        Used(DAY, "m", "default", priority=True, quantities={"output": 1}),
    ]


@pytest.mark.parametrize(
    ("amount", "nano"),
    [
        ("123.45", Fraction(1_234_500_000)),  # the API's own example: 1.2345 dollars
        ("0.00001", Fraction(100)),
        ("0.000000015", Fraction(3, 20)),  # less than a nano-dollar stays as it is
        ("0", Fraction(0)),
    ],
)
def test_cents(amount: str, nano: Fraction) -> None:
    """A decimal string of cents, whatever its length."""
    (item,) = billed([bucket(cost_item(amount, "m"))])
    assert item == Billed(DAY, "tokens", "m", "default", nano)


def test_what_is_no_model_s() -> None:
    """A container's time has a kind and no model."""
    (item,) = billed([bucket(cost_item("5", None, cost_type="code_execution"))])
    assert (item.kind, item.model) == ("code_execution", "")


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"amount": "a lot"}, "an item of the cost report is not as documented"),
        ({}, "an item of the cost report is not as documented (KeyError: 'amount')"),
        (cost_item("1", "m", currency="EUR"), "the bill is in EUR, and the ledger in USD"),
    ],
)
def test_what_cannot_be_read(item: dict[str, Any], said: str) -> None:
    """An item of another form is no zero."""
    with pytest.raises(BillError) as caught:
        list(billed([bucket(item)]))
    assert said in str(caught.value)


def test_a_usage_item_without_its_tokens() -> None:
    """The same of the usage report, and of a bucket without its day."""
    with pytest.raises(BillError, match="usage report is not as documented"):
        list(used([bucket({"model": "m"})]))
    with pytest.raises(BillError, match="report is not as documented"):
        list(used([{"results": []}]))


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("1.5"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_whatever_is_answered(items: Any) -> None:
    """It is read, or refused with a sentence; nothing else is raised, and what is read can be compared."""
    answer = {"starting_at": "2026-11-21T00:00:00Z", "results": items}
    for read in (used, billed):
        try:
            found = list(read([answer]))
        except BillError:
            continue
        uses = [item for item in found if isinstance(item, Used)]
        bills = [item for item in found if isinstance(item, Billed)]
        compare([], uses, bills, tolerance=Tolerance())
