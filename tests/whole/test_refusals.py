"""Every reason for a refusal, as an application gets it: from the SDK's own method, over a real agent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.whole.scene import house, program

from bursar.policies.errors import RefusalReason

pytestmark = pytest.mark.timeout(240)

BUDGET = """
[[budget]]
name = "{name}"
match = {{ route = "{name}" }}
limit = "{limit}"
every = "month"
patience = "0s"
unbounded = "refuse"
[budget.at]
{at}
"""
BUDGETS = {
    "spent": ("0 USD", '"100%" = "block"'),
    "held": ("0.0001 USD", '"100%" = "block"'),
    "unbounded": ("1 USD", '"100%" = "block"'),
    "unknown_price": ("1 USD", '"100%" = "block"'),
    "velocity": ("1 USD", '"0.00001 USD in 10m" = "block"\n"100%" = "block"'),
    "loop": ("1 USD", '"loop 2 in 10m" = "block"\n"100%" = "block"'),
}
POLICY = 'version = 1\nmode = "enforce"\nunknown_price = "refuse"\n' + "".join(
    BUDGET.format(name=name, limit=limit, at=at) for name, (limit, at) in BUDGETS.items()
)
CALLS = """
import json, threading, time
import anthropic
from bursar.instrumentation import BudgetExceeded, flush, instrument, route
instrument()
while not flush(5):
    pass
client = anthropic.Anthropic(max_retries=3)
told = {}

def call(name, model="claude-haiku-5-5", text="Go on.", latency=0, **more):
    with route(name):
        try:
            client.messages.create(
                model=model, max_tokens=100, messages=[{"role": "user", "content": text}],
                extra_headers={"x-sandbox-latency-ms": str(latency)}, **more
            )
        except BudgetExceeded as no:
            told[name] = {
                "reason": no.reason, "budget": no.budget, "spent": no.spent, "held": no.held, "limit": no.limit,
                "window": no.window_end is not None, "retry_after": no.retry_after, "remedy": no.remedy,
            }

def again_and_again(name, each):
    for number in range(100):
        each(number)
        if name in told:
            break
        time.sleep(0.05)

call("spent")
slow = threading.Thread(target=call, args=("held",), kwargs={"latency": 8000})
slow.start()
time.sleep(1)
again_and_again("held", lambda number: call("held"))
call("unbounded", tools=[{"type": "web_search_20250305", "name": "web_search"}])
call("unknown_price", model="claude-nobody-1")
again_and_again("velocity", lambda number: call("velocity", text=f"Go on: {number}."))
again_and_again("loop", lambda number: call("loop"))
print(json.dumps(told))
slow.join()
"""


def test_each_reason_reaches_the_application(tmp_path: Path) -> None:
    """With the budget, its figures, when its window turns, and what to do; four reasons have claims of their own."""
    policy = tmp_path / "bursar.toml"
    policy.write_text(POLICY)
    with house(tmp_path) as home:
        home.arguments = ("--policy", str(policy))
        with home.agent():
            told: dict[str, Any] = json.loads(home.run(program(tmp_path, CALLS)))
    assert {name: refusal["reason"] for name, refusal in told.items()} == {name: name for name in BUDGETS}
    assert {refusal["budget"] for refusal in told.values()} == set(BUDGETS)
    assert all(refusal["window"] and refusal["remedy"] for refusal in told.values())
    assert {name for name, refusal in told.items() if refusal["retry_after"] is not None} == {"held"}
    assert told["held"]["held"] > 0
    assert (told["spent"]["limit"], told["velocity"]["limit"]) == (0, 1_000_000_000)
    assert set(BUDGETS) == {reason.value for reason in RefusalReason} - {"lent", "unreachable", "late", "unusual"}
