"""What does a plan ask of the agent, and what may it use of what was lent?"""

from __future__ import annotations

from bursar.instrumentation.candidates import Candidates
from bursar.instrumentation.errand import Admission
from bursar.policies.balancekey import Amounts
from bursar.policies.decision import Decision
from bursar.policies.estimate import fitted_tokens
from bursar.policies.protocol import Need


def need_of(attempt_id: str, decision: Decision) -> Need:
    """What the attempt wants of every balance that must lend for it."""
    candidate = decision.candidate
    return Need(
        attempt_id,
        decision.hard,
        decision.most,
        decision.least,
        expected=candidate.expected,
        most_tokens=candidate.worst_tokens,
        least_tokens=candidate.worst_tokens if decision.survey.as_asked else candidate.least_tokens,
        expected_tokens=candidate.expected_tokens,
    )


def fitted(decision: Decision, weighed: Candidates, lent: Amounts) -> int:
    """The largest `max_tokens` that what was lent bounds, in money and in tokens."""
    candidate, size = decision.candidate, weighed.size
    most = size.max_tokens
    if lent.tokens < candidate.worst_tokens:
        most = lent.tokens - size.input_bound
    if lent.usd < decision.most:
        most = min(most, fitted_tokens(size, weighed.rates[candidate.model], lent.usd - decision.reserve))
    return most


def unjudged(weighed: Candidates, context_tokens: int | None = 0) -> Admission:
    """Without a policy nothing is judged; the bound is journalled all the same, for what a crash may leave."""
    asked = weighed.facts.asked
    bounded = not weighed.facts.unbounded
    return Admission(
        bound_nano=asked.worst if bounded else None,
        expected_nano=asked.expected,
        bound_tokens=asked.worst_tokens if bounded else None,
        expected_tokens=asked.expected_tokens,
        text_bytes=learnable(weighed, context_tokens),
    )


def learnable(weighed: Candidates, context_tokens: int | None) -> int:
    """The bytes that the prompt's tokens can be told by: none where they were counted, or the API holds some of it."""
    return 0 if weighed.size.exact or context_tokens != 0 else weighed.size.text_bytes
