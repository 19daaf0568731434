"""Can the figures of a record be true?"""

from __future__ import annotations

from bursar.agent.ledger import attempts
from bursar.policies.charge import Charge
from bursar.policies.records import Decided, Record, RecordError, Released, Sent, Settled

_MOST = 2**63 - 1
"""What the ledger's columns hold."""
_OF_SENT = ("at_ns", "bound_nano", "expected_nano", "bound_tokens", "expected_tokens")


def check(record: Record) -> None:
    """Raise `RecordError` for amounts and times that are no whole numbers from zero to what the ledger holds."""
    for name, value in _figures(record).items():
        if value is not None and (not isinstance(value, int) or not 0 <= value <= _MOST):
            raise RecordError(f"`{name}` must be a whole number from 0 to {_MOST}, got {value!r}")


def is_sound(charge: Charge) -> bool:
    """Whether `check` has nothing against a final charge."""
    try:
        check(Settled(charge))
    except RecordError:
        return False
    return True


def _figures(record: Record) -> dict[str, object]:
    match record:
        case Sent():
            return {name: getattr(record, name) for name in _OF_SENT}
        case Settled(charge=charge):
            amounts = {"cost_nano_usd": charge.cost_nano_usd, "told_nano_usd": charge.told_nano_usd}
            return {"at_ns": charge.at_ns, **amounts, **attempts.counts(charge.usage)}
        case Decided():
            return {"at_ns": record.at_ns}
        case Released():
            return {}
