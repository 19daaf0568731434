"""
What becomes of an attempt, record by record, in whatever order they arrive?

Each record is a word about one attempt, and the weightiest word stands. From the weightiest to the lightest:

| word                        | state       | counts in balances as            | who says it                       |
|-----------------------------|-------------|----------------------------------|-----------------------------------|
| settled, basis `usage`      | settled     | its cost                         | the process; a batch's result     |
| settled, basis `span`       | settled     | its cost                         | somebody's span                   |
| released                    | released    | nothing                          | the process                       |
| settled, basis `estimate`   | settled     | its cost                         | the process, after an abort       |
| settled, basis `unknown`    | settled     | its bound                        | the process                       |
| orphaned                    | orphaned    | its bound                        | the agent, once the owner is dead |
| settled, but not final      | provisional | nothing yet: its hold stands     | a stream's first event            |
| sent                        | sent        | nothing yet: its hold stands     | the process, before the request   |
| granted                     | held        | nothing yet: its hold stands     | the agent, when it lent           |

Of two words of one weight the journal's stands above a span's; of two from one source the first stays. What a crash
leaves is `held` (released: it never left), `sent` or `provisional` (orphaned: it may have cost its bound).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from bursar.agent.ledger.besides import completed
from bursar.policies.balancekey import Amounts
from bursar.policies.cascade import Stage
from bursar.policies.charge import Basis, Charge
from bursar.policies.records import Sent
from bursar.policies.usage import Usage

Source = Literal["journal", "span"]


class State(StrEnum):
    """Where an attempt stands."""

    HELD = "held"
    SENT = "sent"
    PROVISIONAL = "provisional"
    SETTLED = "settled"
    RELEASED = "released"
    ORPHANED = "orphaned"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as the records so far tell it. Amounts in nano-dollars, instants in nanoseconds since the epoch."""

    attempt_id: str
    holder: str | None = None
    """The process incarnation that sent it; None when only spans of others know it."""
    state: State = State.HELD
    call_id: str = ""
    at_ns: int = 0
    route: str = ""
    model: str = ""
    requested_model: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    sent: bool = False
    bound_nano: int | None = None
    expected_nano: int = 0
    bound_tokens: int | None = None
    expected_tokens: int = 0
    balances: tuple[str, ...] | None = None
    """None until they are known: named by the process, or matched with the policy."""
    leased: tuple[str, ...] = ()
    action: str = "go"
    reason: str = ""
    decision: Mapping[str, Any] = field(default_factory=dict[str, Any])
    charge: Charge | None = None
    floor_nano: int = 0
    """What a stream's first event showed already: a lower bound."""
    request_id: str | None = None
    response_id: str | None = None
    source: Source | None = None
    settled_ns: int | None = None
    own_final: bool = False
    """Whether the process that sent it has said its last word; its leases follow this word, whatever a span says."""
    own_cost_nano: int | None = None
    own_tokens: int | None = None
    """The tokens of that word; None where it saw no usage."""
    lease_charged_nano: int | None = None
    """What its leases were charged; None until they were."""
    duplicate_of: str | None = None
    """The attempt under which the same response counts."""
    stage: Stage | None = None
    """Its place in a cascade."""
    told_nano: int | None = None
    """What a sender of telemetry itself holds that it cost: shown, and counted nowhere."""
    marking: str | None = None
    """As `Sent.marking`; None for what has none."""
    effort: str | None = None
    """As `Sent.effort`, likewise."""
    failure: str | None = None
    """Why it was released, such as `http 429`; None for what was not."""

    @property
    def duration_ns(self) -> int | None:
        """As of its charge."""
        return None if self.charge is None else self.charge.duration_ns

    @property
    def first_token_ns(self) -> int | None:
        """As of its charge."""
        return None if self.charge is None else self.charge.first_token_ns

    @property
    def stop_reason(self) -> str | None:
        """As of its charge."""
        return None if self.charge is None else self.charge.stop_reason

    @property
    def open(self) -> bool:
        """Whether it may still cost something that nobody has counted."""
        return self.state in _OPEN and self.duplicate_of is None

    @property
    def posted_nano(self) -> int | None:
        """What it counts as in each of its balances; None when it counts as nothing."""
        if self.duplicate_of is not None or self.state not in (State.SETTLED, State.ORPHANED):
            return None
        cost = self.charge.cost_nano_usd if self.charge is not None else None
        return cost if cost is not None else max(self.bound_nano or 0, self.floor_nano)

    @property
    def posted(self) -> Amounts | None:
        """The same in every kind."""
        nano = self.posted_nano
        return None if nano is None else Amounts(usd=nano, tokens=self._tokens)

    @property
    def _tokens(self) -> int:
        used = None if self.charge is None else self.charge.tokens
        if self.state is State.ORPHANED or used is None:
            return max(self.bound_tokens or 0, used or 0)
        return used

    @property
    def held(self) -> Amounts:
        """What it may cost at most, and is expected to: what it holds in each kind while it is open."""
        return Amounts(self.bound_nano or 0, self.bound_tokens or 0, 1, self.expected_nano)

    @property
    def unknown_nano(self) -> int:
        """The part of `posted_nano` that is a bound and no figure of the API's."""
        exact = self.charge is not None and self.charge.basis in (Basis.USAGE, Basis.SPAN)
        return 0 if exact else self.posted_nano or 0

    @property
    def weight(self) -> int:
        """How weighty the word is that stands; smaller is weightier."""
        return _weight(self.state, self.charge)

    @property
    def lease_charge(self) -> Amounts:
        """What the process takes off its leases for it: what it reported, or what was held where it knew nothing."""
        return self.held.charged(self.own_cost_nano, self.own_tokens)


_OPEN = (State.HELD, State.SENT, State.PROVISIONAL)
_WEIGHT = {
    State.RELEASED: 2,
    State.ORPHANED: 5,
    State.PROVISIONAL: 6,
    State.SENT: 7,
    State.HELD: 8,
}
_SETTLED_WEIGHT = {Basis.USAGE: 0, Basis.SPAN: 1, Basis.ESTIMATE: 3, Basis.UNKNOWN: 4}


def _weight(state: State, charge: Charge | None) -> int:
    if state is State.SETTLED and charge is not None:
        return _SETTLED_WEIGHT[charge.basis]
    return _WEIGHT[state]


def _outweighs(attempt: Attempt, state: State, charge: Charge, source: Source) -> bool:
    """Whether a charge, told by `source`, takes the place of the word that stands."""
    weight = _weight(state, charge)
    if weight == attempt.weight:
        return (source, attempt.source) == ("journal", "span")
    return weight < attempt.weight


def with_sent(attempt: Attempt, sent: Sent, holder: str | None) -> Attempt:
    """The attempt once its `sent` record is known: its names, balances and bound are the process's own."""
    if attempt.sent:
        return attempt
    return replace(
        attempt,
        sent=True,
        # Whoever read its result may have told of it first: its leases are those of the process that sent it.
        holder=holder or attempt.holder,
        state=State.SENT if attempt.state is State.HELD else attempt.state,
        call_id=sent.call_id,
        at_ns=sent.at_ns,
        route=sent.route,
        model=attempt.charge.model if attempt.charge is not None else sent.model,
        requested_model=sent.requested_model,
        labels=_texts(sent.labels),
        bound_nano=sent.bound_nano if sent.bound_nano is not None else attempt.bound_nano,
        expected_nano=sent.expected_nano,
        bound_tokens=sent.bound_tokens if sent.bound_tokens is not None else attempt.bound_tokens,
        expected_tokens=sent.expected_tokens,
        balances=sent.balances if sent.balances is not None else attempt.balances,
        leased=tuple(dict.fromkeys(sent.leased)) or attempt.leased,
        action=sent.action,
        reason=sent.reason,
        decision=sent.decision,
        stage=sent.stage,
        marking=sent.marking or None,
        effort=sent.effort or None,
    )


def with_charge(attempt: Attempt, charge: Charge, *, final: bool, source: Source, now_ns: int) -> Attempt:
    """
    The attempt once somebody has told its charge, whoever it was; the weightier charge stands.

    What it says besides, such as how long it took, is the journal's wherever that knew: a span's fills the gaps.
    """
    known = _named(attempt, charge)
    if not final:
        known = replace(known, floor_nano=max(known.floor_nano, charge.cost_nano_usd or 0))
    state = State.SETTLED if final else State.PROVISIONAL
    if not _outweighs(attempt, state, charge, source):
        if known.charge is None:
            return known
        first = (source, attempt.source) == ("journal", "span")
        return replace(known, charge=completed(known.charge, charge, first=first))
    return replace(
        known,
        state=state,
        charge=charge if attempt.charge is None else completed(charge, attempt.charge, first=source == "span"),
        failure=None,
        model=charge.model,
        request_id=charge.request_id or known.request_id,
        response_id=charge.response_id or known.response_id,
        source=source,
        settled_ns=now_ns if final else None,
    )


def of_charge(charge: Charge, *, balances: tuple[str, ...], source: Source, now_ns: int) -> Attempt:
    """What `with_charge` makes of an attempt that nobody has told of and a final charge, made at once: that is fast."""
    return Attempt(
        charge.attempt_id,
        state=State.SETTLED,
        call_id=charge.call_id,
        at_ns=charge.at_ns,
        route=charge.route,
        model=charge.model,
        requested_model=charge.requested_model,
        labels=_texts(charge.labels),
        balances=balances,
        action=charge.action,
        reason=charge.reason,
        charge=charge,
        request_id=charge.request_id,
        response_id=charge.response_id,
        source=source,
        settled_ns=now_ns,
        stage=charge.stage,
        told_nano=charge.told_nano_usd,
    )


def with_own_word(attempt: Attempt, charge: Charge, holder: str) -> Attempt:
    """The attempt once the process that sent it has told its final charge: from the first such word its leases pay."""
    if attempt.own_final:
        return attempt
    return replace(
        attempt,
        holder=attempt.holder or holder,
        own_final=True,
        own_cost_nano=charge.cost_nano_usd,
        own_tokens=charge.tokens,
    )


def with_release(attempt: Attempt, holder: str | None, why: str = "") -> Attempt:
    """The attempt once it is known to have cost nothing; figures of the API or of a span weigh more."""
    if attempt.weight <= _WEIGHT[State.RELEASED]:
        return attempt
    return replace(
        attempt,
        holder=attempt.holder or holder,
        state=State.RELEASED,
        charge=None,
        source=None,
        failure=why or None,
    )


def as_orphan(attempt: Attempt, now_ns: int) -> Attempt:
    """
    An open attempt whose process is dead: it never left, or is taken to have cost its bound.

    Without a bound its cost is unknown. The usage of a stream's first event is kept.
    """
    if attempt.state is State.HELD:
        return replace(attempt, state=State.RELEASED)
    bound = attempt.bound_nano
    cost = None if bound is None else max(bound, attempt.floor_nano)
    charge = replace(
        attempt.charge or _blank(attempt),
        cost_nano_usd=cost,
        basis=Basis.UNKNOWN if cost is None else Basis.ESTIMATE,
        lines=(),
        missing=("the process ended before it could tell",),
    )
    return replace(
        attempt,
        state=State.ORPHANED,
        charge=charge,
        source="journal",
        settled_ns=now_ns,
        own_final=True,
        own_cost_nano=cost,
    )


def as_duplicate(attempt: Attempt, of: str) -> Attempt:
    """An attempt whose response counts under another one."""
    return replace(attempt, duplicate_of=of, response_id=None)


def _named(attempt: Attempt, charge: Charge) -> Attempt:
    """The attempt with the names a charge brings, where no better ones are known yet."""
    ids = replace(
        attempt,
        request_id=attempt.request_id or charge.request_id,
        response_id=attempt.response_id or charge.response_id,
        told_nano=charge.told_nano_usd if attempt.told_nano is None else attempt.told_nano,
    )
    if attempt.sent or attempt.charge is not None:
        return ids
    return replace(
        ids,
        call_id=charge.call_id,
        at_ns=charge.at_ns,
        route=charge.route,
        model=charge.model,
        requested_model=charge.requested_model,
        labels=_texts(charge.labels),
        action=charge.action,
        reason=charge.reason,
        stage=charge.stage,
    )


def _blank(attempt: Attempt) -> Charge:
    """A charge that knows nothing but what was sent."""
    return Charge(
        attempt_id=attempt.attempt_id,
        cost_nano_usd=None,
        usage=Usage(),
        basis=Basis.UNKNOWN,
        model=attempt.model,
        requested_model=attempt.requested_model,
        route=attempt.route,
        stage=attempt.stage,
    )


def _texts(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as texts: a foreign journal may hold numbers, and money is not lost over that."""
    return {str(name): str(value) for name, value in labels.items()}
