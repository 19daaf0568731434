"""What does a decision come to, in one plain sentence?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bursar.policies.amounts import Unit, written
from bursar.policies.balancekey import parse_balance_key

Figures = Mapping[str, Any]
_UNITS: Mapping[object, Unit] = {"usd": "usd", "tokens": "tokens", "calls": "calls"}


def sentence(action: str, reason: str, figures: Figures, *, asked: str, planned: str) -> str:
    """
    What was done with a call and why, for people; `figures` are those of the decision, as the ledger keeps them.

    `asked` is the model asked for, `planned` the one that it was to leave for. Of an action or a reason that this
    version does not know the words stand as they are.
    """
    match action:
        case "block":
            return f"Refused{_by(figures)}: {_refusal(reason, figures, asked)}."
        case "downgrade":
            return f"Moved from {asked} to {planned}{_by(figures)}: {_step(reason, figures)}."
        case "effort":
            return f"Sent with less effort{_by(figures)}: {_step(reason, figures)}."
        case "batch":
            return f"Put off to a Message Batch{_by(figures)}: {_step(reason, figures)}."
        case "go":
            return f"Sent as asked: {_went(reason, figures)}."
        case _:
            return f"{action}{_by(figures)}: {reason or 'no reason was kept'}."


def _by(figures: Figures) -> str:
    budget = str(figures.get("budget") or "")
    if not budget:
        return ""
    scope = _scope(str(figures.get("balance") or ""))
    return f' by budget "{budget}"{f" ({scope})" if scope else ""}'


def _scope(balance: str) -> str:
    try:
        return parse_balance_key(balance).scope
    except ValueError:
        return ""


def _refusal(reason: str, figures: Figures, asked: str) -> str:
    money = _money(figures)
    match reason:
        case "spent":
            return f"{money}more than is left"
        case "held":
            return f"{money}and calls in flight hold what is left"
        case "lent":
            return f"{money}and what is left is lent to a process that did not give it back"
        case "unreachable":
            return "the agent could not be reached, and without it the budget lets no more through"
        case "unbounded":
            return "the request does not bound what the call may cost, and the budget refuses such calls"
        case "unknown_price":
            return f"no price is known for {figures.get('model') or asked}, and the rules refuse such calls"
        case _:
            return _step(reason, figures)


def _money(figures: Figures) -> str:
    """What the balance stood at, and what the call may need of it; empty where that was not kept."""
    unit = _UNITS.get(figures.get("unit", "usd"), "usd")
    limit, spent, held, needed = (figures.get(name) for name in ("limit", "spent", "held", "needed"))
    if not isinstance(limit, int) or not isinstance(spent, int):
        return ""
    flight = f" and {written(held, unit)} held for calls in flight" if isinstance(held, int) and held else ""
    may = (
        f"this call may need {written(needed, unit)}"
        if isinstance(needed, int)
        else "this call may need an unknown amount"
    )
    return f"{written(spent, unit)} of {written(limit, unit)} were spent{flight}; {may}, "


def _step(reason: str, figures: Figures) -> str:
    step = str(figures.get("step") or "")
    named = f' its step at "{step}"' if step else " a step"
    match reason:
        case "step":
            share = _share(figures)
            return f"{f'it stood at {share}, at or past' if share else 'it had passed'}{named}"
        case "conversation":
            return "its conversation had been moved there before"
        case "asked":
            return "the application asked for it"
        case "velocity":
            return f"money was being spent faster than{named} allows"
        case "loop":
            return f"the very same request came again and again, more often than{named} allows"
        case "unusual":
            return "its last hour cost far more than is usual at this time"
        case "late":
            return "it had been put off, and no answer came in time"
        case _:
            return reason or "no reason was kept"


def _share(figures: Figures) -> str:
    """How full the balance was that the verdict names: spent and expected, of its limit."""
    for entry in figures.get("balances") or ():
        if isinstance(entry, Mapping) and entry.get("balance") == figures.get("balance"):  # pyright: ignore
            return str(entry.get("share") or "")  # pyright: ignore
    return ""


def _went(reason: str, figures: Figures) -> str:
    observed = figures.get("observed")
    if isinstance(observed, Mapping) and observed:
        would: Figures = observed  # pyright: ignore
        return f'budget "{would.get("budget")}" only observes; it would have come to {would.get("action")}'
    match reason:
        case "within":
            return "no step of its budgets was due"
        case "no_budget" | "":
            return "no budget covers it"
        case "throttle":
            waited = figures.get("waited")
            return f"it waited {waited:g} s for its turn" if isinstance(waited, int | float) else "it waited its turn"
        case "unreachable":
            return "the agent could not be reached, and the budgets let it through all the same"
        case _:
            return _step(reason, figures)
