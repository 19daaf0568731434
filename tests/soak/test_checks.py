"""When is a refusal right?"""

from __future__ import annotations

import pytest
from tests.soak.accounts import Accounts
from tests.soak.checks import BrokenRule, Checks
from tests.soak.premises import HOST, Clock, ignore, instant, read_policy
from tests.soak.provider import Provider

from bursar.policies import protocol
from bursar.policies.protocol import Answer, Holder, Need, SyncRequest, SyncResponse, Verdict

POLICY = """
version = 1
mode = "enforce"
[[budget]]
name = "all"
limit = "0.02 USD"
overdraft = "0.01 USD"
every = "day"
[budget.at]
"100%" = "block"
"""
KEY = "all|2026-11-21T00:00:00Z|"


@pytest.mark.parametrize(
    ("least", "expected", "right"),
    [
        (30_000_000, 20_000_000, False),
        (30_000_001, 20_000_000, True),  # the worst case is above limit and overdraft
        (30_000_000, 20_000_001, True),  # what is expected is above the limit
        (15_000_000, 25_000_000, False),  # what a call costs that was fitted is not expected to be above its bound
    ],
)
def test_a_refusal_is_right_where_worst_case_or_expectation_do_not_fit(least: int, expected: int, right: bool) -> None:
    """The check says so of a refusal, and the ledger refuses these alone."""
    checks = Checks(Provider(), [], {})
    checks.accounts = Accounts(read_policy(POLICY), Clock(start_ns=instant("2026-11-21T12:00:00+00:00")), ignore)
    need = Need("a-1", (KEY, f"{KEY}|expected"), least, least, expected=expected)
    request = SyncRequest(Holder("a", 1, HOST, 1, ""), 1, needs=(need,))
    refused = Answer("a-1", Verdict.REFUSED, reason="spent", balance=KEY)
    answered = protocol.response_from_json(checks.accounts.receive(protocol.to_body(request)))
    assert [answer.verdict is Verdict.REFUSED for answer in answered.answers] == [right]
    if right:
        checks.told(request, SyncResponse(answers=(refused,)))
    else:
        with pytest.raises(BrokenRule, match="are unspent"):
            checks.told(request, SyncResponse(answers=(refused,)))
    checks.accounts.close()
