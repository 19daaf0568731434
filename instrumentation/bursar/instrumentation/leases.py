"""What this process may still spend: its slices of balances, and the holds drawn on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from bursar.policies.balancekey import Amounts, Kind, is_reserve, kind_of, told_of
from bursar.policies.values import value

IDLE_SECONDS = 10.0
"""Money that no call has needed for this long goes back."""
KEPT = 1_000
"""Balances remembered although no money is here: beyond that, those that are over are forgotten."""
REST_SECONDS = 60.0
"""How long after the last that was heard of it a balance is taken to be over."""


@value
class Hold:
    """What is set aside in every one of these balances for one attempt in flight, of each what it counts in."""

    balances: tuple[str, ...]
    amounts: Amounts


class _Slice:
    """What this process has of one balance, in its unit; the first three only grow."""

    __slots__ = (
        *("agreed", "agreed_at", "charged", "free", "granted", "held"),
        *("idle", "keep", "kind", "reserve", "returned", "since"),
    )

    def __init__(self, kind: Kind, now: float, *, reserve: bool) -> None:
        self.kind = kind
        self.reserve = 0 if reserve else None
        """Of what is set aside for outages, the most that may stay; None for what calls draw on while all is well."""
        self.granted = self.returned = self.charged = self.held = 0
        self.free = 0
        """What of `granted` is in none of the other three: kept beside them, since every call asks."""
        self.keep = False
        """Whether what is free may stay here for the next calls."""
        self.idle = 0
        """The least that was free since `since`."""
        self.since = now
        self.agreed, self.agreed_at = -1, now
        """At how much granted, and when, the agent said the same as this process: nothing is out."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is here."""
        return not self.held and not self.free

    @property
    def is_agreed(self) -> bool:
        """Whether nothing of it is here, and the agent says so too, or never lent anything."""
        return self.is_over and self.granted == max(self.agreed, 0)

    def grant(self, granted: int) -> None:
        if granted > self.granted:
            self.free += granted - self.granted
            self.granted = granted

    def charge(self, amount: int) -> None:
        self.charged += amount
        self.free -= amount

    def give_back(self, amount: int) -> None:
        self.returned += amount
        self.free -= amount

    def resume(self, settled: tuple[int, int] | None) -> bool:
        """Go on where a balance that was forgotten had come to; false where nobody says where that was."""
        if settled is None:
            return False
        returned, charged = settled
        self.give_back(max(returned - self.returned, 0))
        self.charge(max(charged - self.charged, 0))
        return True


class Leases:
    """
    The process's side of the lease protocol (DESIGN's algorithms, section 1.1), in the unit of each balance.

    Per balance three counters that only grow: granted (the agent's word, merged by maximum), returned and charged.
    `free = granted - returned - charged - holds`. Every step moves money between them under one lock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.RLock()
        self._clock = clock
        self._slices: dict[str, _Slice] = {}
        self._holds: dict[str, Hold] = {}
        self._forgets = self._forgot = False

    def free(self, balance: str) -> int:
        """What may still be held; negative while a charge has overrun its hold and the agent does not know yet."""
        with self._lock:
            found = self._slices.get(balance)
            return 0 if found is None else found.free

    def hold(self, attempt_id: str, balances: tuple[str, ...], amounts: Amounts) -> bool:
        """Set money aside in all of the balances, or in none."""
        with self._lock:
            if attempt_id in self._holds:
                self._drop(attempt_id)
            known = self._slices
            for balance in balances:
                found = known.get(balance)
                if found is None:
                    found = self._slice(balance)
                if found.free < amounts[found.kind]:
                    return False
            self._holds[attempt_id] = Hold(balances, amounts)
            for balance in balances:  # in place: a call of a method for each would take as long as all the rest
                found = known[balance]
                amount = amounts[found.kind]
                found.held += amount
                found.free = free = found.free - amount
                if free < found.idle:
                    found.idle = free
            return True

    def settle(self, attempt_id: str, cost: int | None, tokens: int | None = None) -> None:
        """
        The hold becomes a charge of so many nano-dollars and tokens, once per attempt.

        What is not known is charged as it was held: the bound, and by expectation the expectation.
        """
        with self._lock:
            hold = self._drop(attempt_id)
            if hold is None:
                return
            charge = hold.amounts.charged(cost, tokens)
            for balance in hold.balances:
                found = self._slices[balance]
                found.charge(charge[found.kind])

    def release(self, attempt_id: str) -> None:
        """The attempt cost nothing: what it held is free again."""
        with self._lock:
            self._drop(attempt_id)

    def merge(
        self,
        granted: Mapping[str, int],
        holds: Mapping[str, Hold] | None = None,
        settled: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """
        Take over what the agent says it granted in all; older words change nothing.

        `holds`, by attempt id, are made in the same step: between a grant and its hold nobody may give the money back.
        `settled` is what was returned and charged of each before: where a balance was forgotten it goes on from there,
        and where nobody says so, as an agent of an earlier version, it may lend nothing here.
        """
        with self._lock:
            for balance, amount in granted.items():
                found = self._slice(balance)
                if not found.granted and self._forgot and not found.resume((settled or {}).get(balance)):
                    continue
                found.grant(amount)
            for attempt_id, hold in (holds or {}).items():
                self.hold(attempt_id, hold.balances, hold.amounts)

    def held(self, attempt_id: str) -> bool:
        """Whether money is set aside for an attempt."""
        with self._lock:
            return attempt_id in self._holds

    @property
    def holding(self) -> bool:
        """Whether any attempt has money set aside: one that is about to leave, or is in flight."""
        with self._lock:
            return bool(self._holds)

    def let_keep(self, told: Iterable[str], kept: Iterable[str]) -> bool:
        """
        Of the balances just `told` of, what is free of the `kept` ones may stay, and of no other.

        Whether one is recalled: kept until now and no more, with money in it that somebody else may be waiting for.
        """
        recalled = False
        with self._lock:
            for balance in told:
                found = self._slice(balance)
                if found.reserve is not None:
                    continue
                if balance in kept:
                    if not found.keep:
                        found.keep, found.since, found.idle = True, self._clock(), max(found.free, 0)
                elif found.keep:
                    found.keep = False
                    recalled = recalled or found.free > 0
        return recalled

    def set_aside(self, most: Mapping[str, int]) -> None:
        """Of what is set aside for outages so much may stay, by reserve: the rest goes back with the next message."""
        with self._lock:
            for reserve, amount in most.items():
                self._slice(reserve).reserve = amount

    def overfull(self, reserves: Iterable[str]) -> bool:
        """Whether one of these reserves has more than may stay."""
        with self._lock:
            slices = (self._slices.get(reserve) for reserve in reserves)
            return any(found is not None and found.free > (found.reserve or 0) for found in slices)

    def recall(self, balances: Iterable[str]) -> bool:
        """Somebody waits for the money of these balances: nothing of it may stay. Whether any of it is free."""
        wanted, free = frozenset(balances), False
        with self._lock:
            for key, found in self._slices.items():
                if told_of(key) in wanted:
                    found.keep = False
                    found.reserve = None if found.reserve is None else 0
                    free = free or found.free > 0
        return free

    def in_flight(self, balances: Iterable[str]) -> bool:
        """Whether anything is held of these balances for attempts in flight."""
        with self._lock:
            return any(found.held > 0 for balance in balances if (found := self._slices.get(balance)) is not None)

    @property
    def idles(self) -> bool:
        """Whether there is money here that may stay although no call holds it."""
        with self._lock:
            return any(found.free > 0 and (found.keep or found.reserve) for found in self._slices.values())

    def give_back(self, *, everything: bool = False) -> dict[str, int]:
        """
        Return what is free, and say what was ever returned. Lost messages repeat it.

        Of balances that may be kept only what nobody needed for a while; `everything` at the end of the process.
        """
        with self._lock:
            now = self._clock()
            for found in self._slices.values():
                free = found.free
                if free > 0:
                    found.give_back(free if everything else self._unkept(found, free, now))
            return {balance: found.returned for balance, found in self._slices.items() if found.returned}

    def busy(self) -> set[str]:
        """The balances that money of is here: held, or kept for the next call."""
        with self._lock:
            return {balance for balance, found in self._slices.items() if found.held or found.free > 0}

    @property
    def short(self) -> bool:
        """Whether a balance that money is out of may not be kept: others may be waiting for what comes back."""
        with self._lock:
            slices = self._slices.values()
            return any(s.free + s.held > 0 and not s.keep for s in slices if s.reserve is None or s.held > 0)

    def granted(self) -> dict[str, int]:
        """The most ever granted, as far as this process knows."""
        with self._lock:
            return {balance: found.granted for balance, found in self._slices.items() if found.granted}

    @property
    def forgets(self) -> bool:
        """Whether there are, or were, so many balances that those which are over are forgotten."""
        with self._lock:
            self._forgets = self._forgets or len(self._slices) > KEPT
            return self._forgets

    def unagreed(self, most: int) -> dict[str, int]:
        """Some balances that are over, and of which the agent has not said so: what was returned of each."""
        with self._lock:
            over = ((key, s) for key, s in self._slices.items() if s.is_over and not s.is_agreed)
            return {key: found.returned for key, found in islice(over, most)}

    def agree(self, granted: Mapping[str, int], settled: Mapping[str, tuple[int, int]]) -> None:
        """Note which balances are over by the agent's word and by what is known here."""
        with self._lock:
            for key, (returned, charged) in settled.items():
                found = self._slices.get(key)
                if found is None or not found.is_over or found.is_agreed:
                    continue
                if granted.get(key) == found.granted == returned + charged:
                    found.agreed, found.agreed_at = found.granted, self._clock()

    def forget(self) -> list[str]:
        """
        Forget balances that are over and that both sides have agreed on for a while; which these are.

        Only while no answer of the agent is on its way: one that is older than this would be taken for new money.
        """
        with self._lock:
            if len(self._slices) <= KEPT:
                return []
            before = self._clock() - REST_SECONDS
            # A hold of nothing leaves no trace in its slices, and will look for them.
            held = {balance for hold in self._holds.values() for balance in hold.balances}
            gone = [
                key
                for key, found in self._slices.items()
                if found.is_agreed and found.agreed_at <= before and key not in held
            ]
            for key in gone:
                del self._slices[key]
            self._forgot = self._forgot or bool(gone)
            return gone

    def _slice(self, balance: str) -> _Slice:
        found = self._slices.get(balance)
        if found is None:
            found = self._slices[balance] = _Slice(kind_of(balance), self._clock(), reserve=is_reserve(balance))
        return found

    def _unkept(self, found: _Slice, free: int, now: float) -> int:
        """The part of what is free that goes back."""
        if found.reserve is not None:
            return max(free - found.reserve, 0)
        return self._unneeded(found, now) if found.keep else free

    @staticmethod
    def _unneeded(found: _Slice, now: float) -> int:
        if now - found.since < IDLE_SECONDS:
            return 0
        unneeded = max(min(found.idle, found.free), 0)
        found.since, found.idle = now, found.free - unneeded
        return unneeded

    def _drop(self, attempt_id: str) -> Hold | None:
        hold = self._holds.pop(attempt_id, None)
        if hold is not None:
            for balance in hold.balances:
                found = self._slices[balance]
                amount = hold.amounts[found.kind]
                found.held -= amount
                found.free += amount
        return hold
