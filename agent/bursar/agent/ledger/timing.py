"""Whose word on how long an attempt took stands: the journal's where it measured; a span's fills the gaps."""

from __future__ import annotations

from dataclasses import replace

from bursar.policies.charge import Charge


def timed(charge: Charge, other: Charge, *, first: bool) -> Charge:
    """A charge, and another of the same attempt whose times fill its gaps, or go `first` of all."""
    mine, more = (other, charge) if first else (charge, other)
    duration_ns = more.duration_ns if mine.duration_ns is None else mine.duration_ns
    first_token_ns = more.first_token_ns if mine.first_token_ns is None else mine.first_token_ns
    if (duration_ns, first_token_ns) == (charge.duration_ns, charge.first_token_ns):
        return charge
    return replace(charge, duration_ns=duration_ns, first_token_ns=first_token_ns)
