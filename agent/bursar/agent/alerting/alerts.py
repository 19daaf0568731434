"""Which steps of which balances are reached, and whom do they alert?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from bursar.policies.amounts import Unit
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.policy import Budget, Mode, Policy, Step, StepAction
from bursar.policies.protocol import BalanceView


@dataclass(frozen=True, slots=True)
class Reached:
    """A step that one balance has come to, for one channel. Amounts in its unit; plain data, kept as JSON."""

    balance: str
    budget: str
    scope: str
    window_start: str
    window_end: str | None
    step: str
    """As the policy writes it, such as `80%`."""
    channel: str
    spent: int
    expected: int
    """What the attempts in flight are expected to cost."""
    limit: int
    does: tuple[str, ...] = ()
    """The other actions of the step, such as `downgrade to cheapest` or `block`."""
    acts: bool = True
    """False under a policy that only observes."""
    refused: bool = False
    """Whether a call was refused by this step: the money left was less than the call might need."""
    unit: Unit = "usd"
    """Of the amounts: nano-dollars for `usd`, else whole tokens or calls."""

    @property
    def permille(self) -> int | None:
        """Tenths of a percent of the limit that are spent or expected, rounded down; None for a limit of nothing."""
        return (self.spent + self.expected) * 1000 // self.limit if self.limit else None


class Looping(NamedTuple):
    """A balance that meets the very same call again and again, and the step that says so; empty: that which blocks."""

    balance: str
    step: str


def reached(
    policy: Policy, views: Iterable[BalanceView], refusing: Collection[str] = (), looping: Collection[Looping] = ()
) -> list[Reached]:
    """
    Every step with an `alert` whose share of the limit is spent or expected, once for each channel it names.

    In balances that are `refusing` calls the step that blocks is reached too, whatever is left of the limit, and in
    those that are `looping` the step at the loop. Whether a step was told before is not asked here. Balances of budgets
    that the policy does not have reach nothing.
    """
    budgets = {budget.name: budget for budget in policy.budgets}
    return [
        found
        for view in views
        for found in _of_view(view, budgets, policy.mode, refusing=view.key in refusing, looping=looping)
    ]


def to_payload(step: Reached) -> dict[str, Any]:
    """As the ledger keeps it."""
    return asdict(step)


def from_payload(payload: Mapping[str, Any]) -> Reached:
    """What `to_payload` made; fields of a later version are passed over."""
    known: dict[str, Any] = {field.name: payload[field.name] for field in fields(Reached) if field.name in payload}
    known["does"] = tuple(known.get("does", ()))
    return Reached(**known)


def does(step: Step) -> tuple[str, ...]:
    """What a step does beside telling somebody, as the policy writes it."""
    return tuple(_written(action) for action in step.actions if action.kind != "alert")


def _of_view(
    view: BalanceView,
    budgets: Mapping[str, Budget],
    mode: Mode,
    *,
    refusing: bool,
    looping: Collection[Looping],
) -> Iterator[Reached]:
    key = parse_balance_key(view.key)
    budget = budgets.get(key.budget)
    if budget is None:
        return
    for step in dict.fromkeys((*budget.steps, *budget.loops)):
        refused = refusing and step.share is not None and step.does("block")
        if not refused and not _stands_at(step, view) and not _is_looping(step, view.key, looping):
            continue
        for channel in _channels(step):
            yield Reached(
                balance=view.key,
                budget=budget.name,
                scope=key.scope,
                window_start=key.window_id,
                window_end=view.window_end,
                step=step.label,
                channel=channel,
                spent=view.spent,
                expected=view.expected,
                limit=view.limit,
                does=does(step),
                acts=(budget.mode or mode) is Mode.ENFORCE,
                refused=refused,
                unit=budget.limit.unit,
            )


def _is_looping(step: Step, balance: str, looping: Collection[Looping]) -> bool:
    if step.loop is None:
        return False
    return Looping(balance, step.label) in looping or (step.does("block") and Looping(balance, "") in looping)


def _stands_at(step: Step, view: BalanceView) -> bool:
    if step.velocity is not None:
        return view.recent.get(step.velocity.span, 0) >= step.velocity.amount_nano
    return step.share is not None and view.spent + view.expected >= step.share * view.limit


def _channels(step: Step) -> Iterator[str]:
    return (action.channel for action in step.actions if action.kind == "alert" and action.channel is not None)


def _written(action: StepAction) -> str:
    return "downgrade to cheapest" if action.target == "cheapest" else action.kind
