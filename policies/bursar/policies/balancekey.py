"""What names a balance, and in what does it count?"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from bursar.policies.amounts import Unit


class Kind(IntEnum):
    """What a balance lends: the place of its figure in `Amounts`."""

    USD = 0
    """Nano-dollars, by the worst case of a call."""
    TOKENS = 1
    CALLS = 2
    EXPECTED = 3
    """Nano-dollars, by what a call is expected to cost: the second currency of a budget that may be overdrawn."""


class Amounts(NamedTuple):
    """What one attempt holds or costs, in each kind."""

    usd: int = 0
    """Nano-dollars."""
    tokens: int = 0
    calls: int = 1
    expected: int = 0
    """Nano-dollars."""

    def charged(self, cost: int | None, tokens: int | None) -> Amounts:
        """
        What leases that held this are charged for an attempt of so many nano-dollars and tokens.

        What is not known is charged as it was held. Both sides count by this, or their counters would part.
        """
        return Amounts(
            usd=self.usd if cost is None else cost,
            tokens=self.tokens if tokens is None else tokens,
            expected=self.expected if cost is None else cost,
        )


_ENCODED = str.maketrans({"%": "%25", ",": "%2C", "|": "%7C"})


def encoded(text: str) -> str:
    """A value in a key: what has a meaning there is percent-encoded, so that no two values share a balance."""
    return text.translate(_ENCODED)


class BalanceKey(NamedTuple):
    """One budget, one window, one scope value; and what it counts."""

    budget: str
    window_id: str
    scope: str
    kind: Kind = Kind.USD

    def __str__(self) -> str:
        """The balance's name everywhere: `budget|window|scope`, and the kind behind a bar where it is not USD."""
        kind = _SUFFIXES[self.kind]
        return f"{self.budget}|{self.window_id}|{self.scope}{kind}"

    @property
    def unit(self) -> Unit:
        """The unit of its amounts."""
        return _UNITS[self.kind]


_SUFFIXES = {Kind.USD: "", Kind.TOKENS: "|tokens", Kind.CALLS: "|calls", Kind.EXPECTED: "|expected"}
_KINDS = {suffix[1:]: kind for kind, suffix in _SUFFIXES.items() if suffix}
_UNITS: dict[Kind, Unit] = {Kind.USD: "usd", Kind.TOKENS: "tokens", Kind.CALLS: "calls", Kind.EXPECTED: "usd"}
KIND_OF_UNIT: dict[Unit, Kind] = {"usd": Kind.USD, "tokens": Kind.TOKENS, "calls": Kind.CALLS}


@lru_cache(maxsize=4096)
def parse_balance_key(key: str) -> BalanceKey:
    """What `str` of a `BalanceKey` put together; raises ValueError for any other text."""
    parts = key.removesuffix(_RESERVE).split("|", 3)
    kind = _KINDS.get(parts[3]) if len(parts) == 4 else Kind.USD
    if len(parts) < 3 or kind is None:
        raise ValueError(f"{key!r} is no balance key: expected BUDGET|WINDOW|SCOPE")
    return BalanceKey(parts[0], parts[1], parts[2], kind)


@lru_cache(maxsize=4096)
def kind_of(key: str) -> Kind:
    """What a balance counts; nano-dollars where the key is none of ours."""
    parts = key.removesuffix(_RESERVE).split("|")
    return _KINDS.get(parts[3], Kind.USD) if len(parts) == 4 else Kind.USD


def expectation_of(key: str) -> str:
    """The second currency beside a balance in USD: what it lends by expectations."""
    return key + _SUFFIXES[Kind.EXPECTED]


@lru_cache(maxsize=4096)
def told_of(key: str) -> str:
    """The balance that people are told of: the one itself, or the one that it is the second currency or reserve of."""
    base = key.removesuffix(_RESERVE)
    return base.removesuffix(_SUFFIXES[Kind.EXPECTED]) if kind_of(base) is Kind.EXPECTED else base


_RESERVE = "|reserve"
"""Never the end of any other key: a scope has an equals sign in it."""


def reserve_of(key: str) -> str:
    """What is set aside of a balance for the time when the agent is away: lent apart from all else."""
    return key + _RESERVE


def is_reserve(key: str) -> bool:
    """Whether a key is that of a reserve."""
    return key.endswith(_RESERVE)
