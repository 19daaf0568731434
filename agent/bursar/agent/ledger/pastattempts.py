"""What does the ledger know of each attempt that may have cost something, beyond what it used?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlite_utils import Database

from bursar.agent.ledger.pastcalls import modifiers_of
from bursar.policies.usage import Usage


class PastAttempt(NamedTuple):
    """One attempt that counts, in the words of the ledger. Instants in nanoseconds since the epoch."""

    at_ns: int
    answered_ns: int | None
    """When the agent heard what it used: up to about a second after the answer, or long after an outage."""
    holder: str
    """The process that sent it; empty where only somebody's span tells of it."""
    route: str
    model: str
    labels: str
    """JSON, the same text for the same labels."""
    basis: str
    cost_nano: int | None
    bound_nano: int | None
    """The most that it could cost, as it was sent; None where nothing bounds it, or nobody said."""
    bound_tokens: int | None
    streamed: bool
    staged: bool
    """Whether it is part of a cascade, whose next stage waits for it."""
    action: str
    fitted: bool
    """Whether the guard lowered its `max_tokens`."""
    modifiers: tuple[str, ...]
    conversation: str
    """Hash of what its conversation begins with; empty where no fingerprint tells."""
    effort: str
    """The level that it was sent with; empty where it had none, or nobody said."""
    usage: Usage

    @property
    def counted(self) -> bool:
        """Whether somebody saw what it used, rather than a bound being taken for it."""
        return self.basis in ("usage", "span")


_USAGE = tuple(Usage.__dataclass_fields__)
_ATTEMPTS = f"""
    SELECT a.at_ns, a.settled_ns, coalesce(a.holder, ''), a.route, a.model, a.labels, coalesce(a.basis, 'unknown'),
        a.cost_nano, a.bound_nano, a.bound_tokens, a.floor_nano > 0, a.cascade IS NOT NULL, a.action,
        a.decision LIKE '%"max_tokens"%', coalesce(a.modifiers, '[]'), coalesce(f.conversation, ''),
        coalesce(a.effort, ''), {", ".join(f"coalesce(a.{name}, 0)" for name in _USAGE)}
    FROM attempts AS a LEFT JOIN fingerprints AS f ON f.attempt_id = a.attempt_id
    WHERE a.state IN ('settled', 'orphaned') AND a.duplicate_of IS NULL AND a.at_ns >= ? AND a.at_ns < ?
    ORDER BY a.at_ns, a.attempt_id
"""


def past_attempts(db: Database, since_ns: int, until_ns: int) -> Iterator[PastAttempt]:
    """Each of them in order of time, up to and without `until_ns`: never all in memory. Count them by `pastcalls`."""
    for row in db.conn.execute(_ATTEMPTS, [since_ns, until_ns]):
        *plain, streamed, staged, action, fitted, modifiers, conversation, effort = row[:17]
        flags = bool(streamed), bool(staged), action, bool(fitted)
        yield PastAttempt._make((*plain, *flags, modifiers_of(modifiers), conversation, effort, Usage(*row[17:])))
