"""Which steps of which balances are reached, and whom do they alert?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, NamedTuple

from bursar.policies.amounts import Unit
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.outlook.usual import HOUR
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
    loop: LoopKind | None = None
    """Which kind of loop it stands at; None for any other step."""
    hour: int = 0
    """Of an unusual hour: what the last one cost, in nano-dollars, as the two below."""
    usual: int = 0
    unusual: int = 0

    @property
    def permille(self) -> int | None:
        """Tenths of a percent of the limit that are spent or expected, rounded down; None for a limit of nothing."""
        return (self.spent + self.expected) * 1000 // self.limit if self.limit else None


LoopKind = Literal["repeated", "unusual"]
"""The very same request again and again, or far more in an hour than is usual at this time."""


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
    those that are `looping` the step at the loop, which an hour far above the usual reaches as well where the view has
    it in force. Whether a step was told before is not asked here. Balances of budgets that the policy does not have
    reach nothing.
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
        if step.loop is not None:
            kinds = _kinds(step, view, looping)
            yield from (found for kind in kinds for found in _each(step, view, budget, mode, loop=kind))
            continue
        refused = refusing and step.share is not None and step.does("block")
        if refused or _stands_at(step, view):
            yield from _each(step, view, budget, mode, refused=refused)


def _each(
    step: Step,
    view: BalanceView,
    budget: Budget,
    mode: Mode,
    *,
    refused: bool = False,
    loop: LoopKind | None = None,
) -> Iterator[Reached]:
    """A step that is reached, for each channel that it alerts."""
    key = parse_balance_key(view.key)
    figures = {"hour": view.recent.get(str(HOUR), 0), "usual": view.usual or 0, "unusual": view.unusual or 0}
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
            loop=loop,
            **(figures if loop == "unusual" else {}),
        )


def _kinds(step: Step, view: BalanceView, looping: Collection[Looping]) -> Iterator[LoopKind]:
    """The kinds of loop that a balance is in."""
    if Looping(view.key, step.label) in looping or (step.does("block") and Looping(view.key, "") in looping):
        yield "repeated"
    if step.label in view.in_force:
        yield "unusual"


def _stands_at(step: Step, view: BalanceView) -> bool:
    if step.velocity is not None:
        return view.recent.get(step.velocity.span, 0) >= step.velocity.amount_nano
    return step.share is not None and view.spent + view.expected >= step.share * view.limit


def _channels(step: Step) -> Iterator[str]:
    return (action.channel for action in step.actions if action.kind == "alert" and action.channel is not None)


def _written(action: StepAction) -> str:
    return "downgrade to cheapest" if action.target == "cheapest" else action.kind
