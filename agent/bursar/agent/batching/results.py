"""What does a batch's result say, and what follows from it for its call?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sqlite_utils import Database

from bursar.agent.batching.api import kind_of, said
from bursar.agent.batching.charging import charge_of, unknown
from bursar.agent.batching.outcomes import Answer
from bursar.agent.batching.vault import Vault
from bursar.agent.ledger import attempts, batchbook, deferralbook, deferring
from bursar.agent.ledger.deferralbook import Deferral
from bursar.agent.ledger.deferring import Lent, Step, Terms
from bursar.policies.apierrors import status_of
from bursar.policies.book import PriceBook
from bursar.policies.deferral import State

MOST_FAILURES = 2
"""So often a call is sent again after an error or after it expired."""
AGAIN_SECONDS = 5.0
"""So long a call that is sent again waits for company."""
_SECOND = 10**9

_PASSING = ("rate_limit_error", "api_error", "timeout_error", "overloaded_error")

Kind = Literal["succeeded", "errored", "expired", "cancelled", "unknown"]
_KINDS: dict[str, Kind] = {
    "succeeded": "succeeded",
    "errored": "errored",
    "expired": "expired",
    "canceled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one attempt in a batch."""

    attempt_id: str
    kind: Kind
    message: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @property
    def passing(self) -> bool:
        """Whether the same again may succeed."""
        return self.kind == "expired" or (self.kind == "errored" and kind_of(self.error or {}) in _PASSING)


@dataclass(frozen=True, slots=True)
class Clerk:
    """Books results: by these prices, its answers kept in this vault."""

    book: PriceBook
    vault: Vault

    def result(self, db: Database, result: Result, terms: Terms) -> Step:
        """Book what became of an attempt; once, however often it is told."""
        deferral = deferralbook.with_attempt(db, result.attempt_id)
        if deferral is None:
            return Step()  # another batch's, or so old that it is forgotten
        if result.kind == "succeeded" and result.message is not None:
            return self.answered(db, deferral, result.attempt_id, result.message, terms, batch=True)
        if result.kind == "unknown":
            return self.unknown(db, deferral, result.attempt_id, "its batch's results are gone", terms)
        return self._not_answered(db, deferral, result, terms)

    def answered(
        self,
        db: Database,
        deferral: Deferral,
        attempt_id: str,
        message: Mapping[str, Any],
        terms: Terms,
        *,
        batch: bool,
        request_id: str | None = None,
    ) -> Step:
        """Charge an answer to its attempt; it is the call's where that has none yet."""
        attempt = attempts.load(db, attempt_id)
        if attempt is None:
            return Step()
        charge = charge_of(attempt, message, batch=batch, book=self.book, request_id=request_id)
        step = Step(deferring.settle(db, charge, "succeeded", "", terms))
        if deferral.over:
            return step
        if deferral.fallback is not None and deferral.fallback != attempt_id and not deferral.fallback_sent:
            step += Step(deferring.release(db, deferral.fallback, "withdrawn", "the batch answered after all", terms))
        answer = Answer(attempt_id, json.dumps(message, separators=(",", ":"), ensure_ascii=False), request_id)
        return step + self._end(db, deferral, State.SUCCEEDED, answer, terms)

    def unknown(self, db: Database, deferral: Deferral, attempt_id: str, why: str, terms: Terms) -> Step:
        """Nobody will ever know whether an attempt was answered: it keeps its bound, and the call fails."""
        attempt = attempts.load(db, attempt_id)
        step = Step()
        if attempt is not None and attempt.open:
            step += Step(deferring.settle(db, unknown(attempt, why), "unknown", why, terms))
        if attempt_id not in (deferral.attempt_id, deferral.fallback) or deferral.over:
            return step
        if deferral.state is State.FALLEN_BACK and attempt_id != deferral.fallback:
            return step
        return step + self._end(db, deferral, State.ERRORED, Answer(attempt_id), terms, why=why)

    def refused(self, db: Database, deferral: Deferral, lent: Lent, needed: int, terms: Terms) -> Step:
        """A further attempt got no money: the call ends as one that a budget refuses."""
        refusal = {"balance": lent.answer.balance, "reason": lent.answer.reason, "needed": needed}
        why = f"the budget of {lent.answer.balance} has no money for another attempt ({lent.answer.reason})"
        return self._end(db, deferral, State.ERRORED, Answer(refusal=refusal), terms, why=why) + Step(lent.balances)

    def failed(
        self, db: Database, deferral: Deferral, attempt_id: str, error: Mapping[str, Any], status: int, terms: Terms
    ) -> Step:
        """An error that is the call's answer."""
        why = f"{kind_of(error)}: {said(error)}"
        return self._end(db, deferral, State.ERRORED, Answer(attempt_id, error=error), terms, status=status, why=why)

    def _not_answered(self, db: Database, deferral: Deferral, result: Result, terms: Terms) -> Step:
        if not batchbook.end_try(db, result.attempt_id, result.kind, detail=_detail(result), now_ns=terms.now_ns):
            return Step()
        step = Step(deferring.release(db, result.attempt_id, result.kind, _detail(result), terms))
        awaited = deferral.state in deferralbook.WAITING and deferral.attempt_id == result.attempt_id
        if not awaited:
            return step
        if result.passing and deferral.failures < MOST_FAILURES:
            return step + self._again(db, deferral, step, terms)
        if result.kind == "errored":
            status = status_of(kind_of(result.error or {}))
            return step + self.failed(db, deferral, result.attempt_id, result.error or {}, status, terms)
        state, why = (
            (State.EXPIRED, f"its batch expired {deferral.failures + 1} times")
            if result.kind == "expired"
            else (State.CANCELLED, "its batch was cancelled")
        )
        return step + self._end(db, deferral, state, Answer(), terms, why=why)

    def _again(self, db: Database, deferral: Deferral, freed: Step, terms: Terms) -> Step:
        deferring.free(db, freed.balances)
        flush_ns = terms.now_ns + int(AGAIN_SECONDS * _SECOND)
        lent = deferring.again(db, deferral, terms, failed=True, flush_ns=flush_ns)
        return Step(lent.balances) if lent.granted else self.refused(db, deferral, lent, deferral.most, terms)

    def _end(
        self,
        db: Database,
        deferral: Deferral,
        state: State,
        answer: Answer,
        terms: Terms,
        *,
        status: int = 0,
        why: str = "",
    ) -> Step:
        kept = self.vault.seal(answer.text())
        return deferring.end(db, deferral, state, terms, answer=kept, status=status, why=why)


def parse_result(line: bytes) -> Result | None:
    """A line of results; None for what is none."""
    try:
        value = json.loads(line)
        told, attempt_id = value["result"], value["custom_id"]
        kind = _KINDS.get(told["type"])
    except (ValueError, TypeError, KeyError):
        return None
    if kind is None or not isinstance(attempt_id, str):
        return None
    return Result(attempt_id, kind, _mapping(told.get("message")), _mapping(told.get("error")))


def _mapping(value: object) -> Mapping[str, Any] | None:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else None


def _detail(result: Result) -> str:
    return kind_of(result.error) if result.error is not None else ""
