"""What is whoever asks told of a call that was put off?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlite_utils import Database

from bursar.agent.batching.vault import Vault
from bursar.agent.ledger import batchbook, deferralbook, deferring
from bursar.agent.ledger.deferralbook import Deferral
from bursar.policies.batchflush import Times
from bursar.policies.deferral import Outcome, State

_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of an answer until it is fetched."""

    attempt_id: str = ""
    """The attempt that was answered."""
    message: str | None = None
    request_id: str | None = None
    error: Mapping[str, Any] | None = None
    refusal: Mapping[str, Any] | None = None

    def text(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_outcomes(db: Database, ids: Sequence[str], vault: Vault, times: Times) -> list[Outcome]:
    """How those of these ids that are known here stand, each with its answer where that is still kept."""
    found = {one.id: one for one in deferralbook.find_all(db, ids)}
    return [_outcome(db, found[one], vault, times) for one in dict.fromkeys(ids) if one in found]


def _outcome(db: Database, deferral: Deferral, vault: Vault, times: Times) -> Outcome:
    batch = None if deferral.batch is None else batchbook.find(db, deferral.batch)
    batch_id = "" if batch is None else batch.api_id or ""
    if not deferral.over:
        sent_ns = deferral.flush_ns if batch is None else batch.submitted_ns or batch.made_ns
        expected_ns = min(sent_ns + int(times.usual * _SECOND), deferral.due_ns)
        return Outcome(deferral.id, deferral.state, deferral.why, batch_id=batch_id, expected_ns=expected_ns)
    kept = deferralbook.text_of(db, deferral.id, "answer")
    answer = Answer() if kept is None else Answer(**json.loads(vault.open(kept)))
    purged = kept is None and deferral.state is State.SUCCEEDED
    return Outcome(
        id=deferral.id,
        state=State.DELIVERED if purged else deferral.state,
        reason=deferral.why,
        message=answer.message,
        request_id=answer.request_id,
        status=deferral.status,
        error=answer.error,
        refusal=answer.refusal,
        charges=tuple(asdict(charge) for charge in _charges(db, deferral, answer.attempt_id)),
        batch_id=batch_id,
    )


def _charges(db: Database, deferral: Deferral, answered: str) -> list[Any]:
    ids = [row["attempt_id"] for row in batchbook.tries_of(db, deferral.id)]
    return deferring.charges(db, [one for one in ids if one != answered] + [answered] * (answered in ids))
