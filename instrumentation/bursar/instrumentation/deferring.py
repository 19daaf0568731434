"""May this call be put off, what is offered to the agent then, and under which name is it found again?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anthropic._request import APIRequest

from bursar.instrumentation.asking import Deferred
from bursar.instrumentation.requestbody import BETA_HEADER, text_of, with_changes
from bursar.instrumentation.rules import Rules
from bursar.policies.changes import without_betas
from bursar.policies.credential import credential_id
from bursar.policies.deferral import MOST_BODY_BYTES, Offer, Outcome
from bursar.policies.unbatched import Unbatched, unbatchable

if TYPE_CHECKING:
    from bursar.instrumentation.call import Call
    from bursar.instrumentation.candidates import Candidates
    from bursar.instrumentation.errand import Errand
    from bursar.policies.decision import Decision

USUAL_SECONDS = 86_400.0
"""How long an answer may take that the application asked for, where its route does not say."""
GENERATIONS = 5
"""How often a piece of work is begun anew under the same key, after it has failed."""
_OURS = ("x-stainless-", "traceparent", "tracestate", "baggage")
_HARMLESS = frozenset({"user-agent", "accept", "content-type", "idempotency-key", BETA_HEADER})
_VERSION = ("anthropic-version", "2023-06-01")
_AUTH = frozenset({"authorization", "x-api-key"})


class Deferring:
    """One call, asked whether it may wait. Made only where it may come to that, and looked at on the long way alone."""

    def __init__(self, call: Call, request: APIRequest, betas: str | None) -> None:
        work = call.work
        self.asked = work.asking is not None and work.asking.tries
        self.key = work.key
        self.why = ""
        """Why it cannot be put off, once somebody has looked."""
        self.known: Mapping[str, Outcome] = {}
        """What the agent has under its `names`."""
        self._call = call
        self._request = request
        self._betas = betas or ""
        self._text: str | None = None
        self._looked_at: Rules | None = None
        self._closed = False

    @property
    def wanted(self) -> bool:
        """Whether it is looked at on any day: the application asks, or it may have been put off before."""
        return self.asked or bool(self.key)

    def obstacle(self, errand: Errand, rules: Rules) -> str:
        """Why it cannot be put off, in the words of `Unbatched`; empty where nothing is in the way."""
        if not self._closed and self._looked_at is not rules:
            self._looked_at = rules
            self.why = str(self._obstacle(errand, rules) or "")
        return self.why

    def close(self, why: str) -> None:
        """It was tried, and came to nothing: from here on it cannot be put off."""
        self.why, self._closed = why, True

    def due_ns(self, errand: Errand, rules: Rules) -> int:
        """When its answer must be there."""
        return errand.at_ns + int((_may_wait(errand.route, rules) or USUAL_SECONDS) * 1e9)

    def names(self, errand: Errand) -> tuple[str, ...]:
        """
        The ids that this very request may have under its key, the oldest first.

        Another request under the same key, or the same one for another customer or model, has other ids.
        """
        digest = self._digest(errand)
        return (f"k-{digest}", *(f"k-{digest}-{number}" for number in range(2, GENERATIONS + 1)))

    def _digest(self, errand: Errand) -> str:
        told = (self.key, errand.route, self._betas, self._credential(self._salt), self._request_text())
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def rejoined(self, errand: Errand, rules: Rules) -> Deferred | None:
        """The deferral to wait for, if this work was put off before, has not failed, and its answer is still kept."""
        for name in reversed(self.names(errand)):
            outcome = self.known.get(name)
            if outcome is not None:
                if outcome.state.over and outcome.message is None:
                    return None
                return Deferred(name, errand.at_ns, self.due_ns(errand, rules), lasting=True)
        return None

    def name(self, errand: Errand) -> str:
        """The id to offer it under: with a key the first that was not used yet."""
        if not self.key:
            return f"d-{errand.attempt_id}"
        names = self.names(errand)
        return next((name for name in names if name not in self.known), f"{names[0]}-{errand.attempt_id}")

    def offer(self, errand: Errand, rules: Rules, decision: Decision, weighed: Candidates) -> Offer | None:
        """What is offered to the agent; None where no batch takes it: `why` says which reason."""
        candidate = decision.candidate
        planned = candidate.plan
        text = self._planned_text(errand, decision)
        if text is None:
            return None
        at_once = next((c for c in weighed.facts.candidates if c.model == candidate.model), weighed.facts.asked)
        return Offer(
            id=self.name(errand),
            call_id=self._call.id,
            attempt_id=errand.attempt_id,
            at_ns=errand.at_ns,
            due_ns=self.due_ns(errand, rules),
            route=errand.route,
            model=candidate.model,
            requested_model=self._call.requested_model,
            body=text,
            credential=self._credential(rules.salt),
            labels=dict(errand.labels),
            # With what tells requests apart: under the same key another request is another piece of work.
            key=f"{self.key}#{self._digest(errand)[:8]}" if self.key else "",
            betas=without_betas(self._betas, planned.dropped_betas if planned is not None else ()),
            balances=decision.balances if rules.policy is not None else None,
            hard=decision.hard,
            most=decision.most,
            expected=candidate.expected,
            most_tokens=candidate.worst_tokens,
            expected_tokens=candidate.expected_tokens,
            sync_most=(at_once.worst or 0) + decision.reserve,
            sync_expected=at_once.expected,
            bounded=not weighed.facts.unbounded and candidate.worst is not None,
            reason=str(decision.verdict.reason),
            decision=json.loads(decision.figures().text),
        )

    def _planned_text(self, errand: Errand, decision: Decision) -> str | None:
        """The body as it is planned; None where it cannot be written, which the SDK would say too, or is too large."""
        candidate = decision.candidate
        changes: dict[str, Any] = dict(candidate.plan.changes) if candidate.plan is not None else {}
        if candidate.model != errand.asked:
            changes["model"] = candidate.model
        try:
            text = text_of(with_changes(self._request, changes)) if changes else self._request_text()
            size = len(text.encode())
        except (TypeError, ValueError):
            self.close(Unbatched.PARAMETER)
            return None
        if size > MOST_BODY_BYTES:
            self.close(Unbatched.LARGE)
            return None
        return text

    def _obstacle(self, errand: Errand, rules: Rules) -> Unbatched | None:
        request, call = self._request, self._call
        if call.provider != "anthropic":
            return Unbatched.CLOUD
        if request.retries_taken or call.attempts:
            return Unbatched.RETRY
        if not self.asked and _may_wait(errand.route, rules) is None:
            return Unbatched.NO_WAIT
        if request.stream and not self.asked and not _streams_wait(errand.route, rules):
            return Unbatched.STREAM
        if errand.linked:
            return Unbatched.LINKED
        found = unbatchable(errand.body, self._betas)
        if found is not None:
            return found[0]
        if not self._carries_all(errand.body):
            return Unbatched.PARAMETER
        if self._credential(rules.salt) not in rules.credentials:
            return Unbatched.CREDENTIAL
        return None

    def _carries_all(self, body: Mapping[str, Any]) -> bool:
        """Whether the body says it all: no batch has the application's headers for one request, or its query."""
        client, request = self._call.client, self._request
        told = [*request.headers.items(), *dict(getattr(client, "_custom_headers", None) or {}).items()]
        for name, value in told:
            if isinstance(value, str) and not _is_harmless(name.lower(), value):
                return False
        query = {**dict(getattr(client, "_custom_query", None) or {}), **dict(request.query_params or {})}
        unsaid = body.get("stream") and not request.stream
        return not unsaid and all(name == "beta" for name in query)

    def _credential(self, salt: str) -> str:
        """The name of what the client asks the API as; empty where that is nothing the agent can have."""
        client = self._call.client
        custom: Any = getattr(client, "_custom_headers", None) or {}
        names = {name.lower() for headers in (custom, self._request.headers) for name in headers}
        if names & _AUTH or getattr(client, "custom_auth", None) is not None:
            return ""
        key, token = getattr(client, "api_key", None), getattr(client, "auth_token", None)
        return credential_id(
            salt,
            base_url=str(getattr(client, "base_url", "")),
            api_key=key if isinstance(key, str) else None,
            auth_token=token if isinstance(token, str) else None,
        )

    @property
    def _salt(self) -> str:
        return self._looked_at.salt if self._looked_at is not None else ""

    def _request_text(self) -> str:
        if self._text is None:
            self._text = text_of(self._request)
        return self._text


def _is_harmless(header: str, value: str) -> bool:
    """Whether a header says nothing that a batch would have to carry; those of a credential are looked at apart."""
    return header in _HARMLESS or header in _AUTH or header.startswith(_OURS) or (header, value) == _VERSION


def _may_wait(route: str, rules: Rules) -> float | None:
    found = rules.policy.named(route) if rules.policy is not None else None
    return found.may_wait_seconds if found is not None else None


def _streams_wait(route: str, rules: Rules) -> bool:
    found = rules.policy.named(route) if rules.policy is not None else None
    return found is not None and found.streams_wait
