"""Whose word on what a charge says besides its money stands: the journal's; a span's fills the gaps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bursar.policies.charge import Charge

_BESIDES = ("duration_ns", "first_token_ns", "stop_reason")


def completed(charge: Charge, other: Charge, *, first: bool) -> Charge:
    """A charge, and another of the same attempt whose words on these fill its gaps, or go `first` of all."""
    changes: dict[str, Any] = {}
    for name in _BESIDES:
        mine, more = getattr(charge, name), getattr(other, name)
        if more is not None and more != mine and (first or mine is None):
            changes[name] = more
    return replace(charge, **changes) if changes else charge
