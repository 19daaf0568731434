"""Money that lies idle with a process is there for the next that asks, also where nobody may wait."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.whole.scene import House, house, program, until
from tests.whole.test_outages import crew, spent_and_lent

POLICY = """
version = 1
mode = "enforce"
on_unreachable = "closed"

[[budget]]
name = "day"
limit = "0.03 USD"
every = "month"
patience = "0s"
fit = "asked"
[budget.at]
"100%" = "block"
"""
LARGE = """
import json
import anthropic
from bursar.instrumentation import BudgetExceeded, flush, instrument
instrument()
while not flush(5):
    pass
def call():
    try:
        anthropic.Anthropic().messages.create(
            model="claude-haiku-5-5", max_tokens=57700, messages=[{"role": "user", "content": "Go on."}], timeout=60
        )
    except BudgetExceeded as refusal:
        return refusal.reason.value
    return "answered"
while (told := call()) == "unreachable":
    pass
print(json.dumps(told))
"""
KEPT = 300_000


def large(home: House, folder: Path) -> Any:
    """What became of a call that may cost nearly all that is left of 0.03 USD."""
    return json.loads(home.run(program(folder, LARGE)))


def test_a_call_that_may_not_wait_gets_what_lies_idle_elsewhere(tmp_path: Path) -> None:
    """
    A process keeps money for its next calls; another needs nearly all there is, and no patience is allowed.

    The holder is told at once, and gives it back. One that is stopped does not: then the reason is `lent`.
    """
    policy = tmp_path / "bursar.toml"
    policy.write_text(POLICY)
    with house(tmp_path) as home:
        home.arguments = ("--policy", str(policy))
        with home.agent(), crew(home, 1, before=20) as holders:
            idle = spent_and_lent(home) - home.bill["nano_usd"]
            assert idle >= KEPT
            holders.signal(signal.SIGSTOP)
            assert large(home, tmp_path) == "lent"
            assert spent_and_lent(home) - home.bill["nano_usd"] == idle
            holders.signal(signal.SIGCONT)
            assert large(home, tmp_path) == "answered"
            until(lambda: spent_and_lent(home) == home.bill["nano_usd"], "all that is free to be back")
