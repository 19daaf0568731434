"""Would a decision be made again, from nothing but what the ledger keeps of it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bursar.policies.amounts import usd, written
from bursar.policies.balancekey import parse_balance_key
from bursar.policies.decision import Action, Candidate, Decision, Facts, Reason, Skipped
from bursar.policies.engine import decide
from bursar.policies.outlook.usual import HOUR
from bursar.policies.plan import Misfit
from bursar.policies.policy import Mode, Policy
from bursar.policies.protocol import BalanceView
from bursar.policies.standing import Standing, Survey
from bursar.policies.windows import Window

LENDING = (Reason.SPENT, Reason.HELD, Reason.LENT)
"""Refusals by who lends, after the engine let the call ask."""


@dataclass(frozen=True, slots=True)
class Hindsight:
    """What the same rules make of the same figures."""

    agrees: bool
    reasoning: tuple[str, ...]
    """The arithmetic in words, a sentence each."""


def reproduce(figures: Mapping[str, Any], policy: Policy, *, action: str, reason: str, model: str) -> Hindsight:
    """
    Decide once more, by the policy of then and the figures of then.

    A refusal for want of money is who lends saying no: of it the sum is done again. Raises KeyError, TypeError or
    ValueError for figures that an earlier version kept, which do not hold enough.
    """
    survey = Survey(_standings(figures, policy), policy.id)
    milder, batched = figures.get("milder"), figures.get("batched")
    facts = Facts(
        "",
        tuple(_candidate(value) for value in figures["candidates"]),
        tuple(figures["unbounded"]),
        milder=None if milder is None else _candidate(milder),
        batched=None if batched is None else _candidate(batched),
        unbatched=figures.get("unbatched", ""),
        to_be_batched=figures.get("to_be_batched", False),
    )
    if action == Action.BLOCK.value and reason in LENDING:
        return _lent(figures, survey)
    again = decide(facts, survey, refuse_unknown_price=policy.unknown_price == "refuse")
    if action == Action.BLOCK.value and reason == Reason.UNREACHABLE.value:
        return _away(again, survey, figures, policy)
    agrees = again.verdict.action.value == action and (action == Action.BLOCK.value or again.verdict.model == model)
    return Hindsight(agrees, tuple(_words(again, survey)))


def _standings(figures: Mapping[str, Any], policy: Policy) -> Iterator[Standing]:
    budgets = {budget.name: budget for budget in policy.budgets}
    for entry in figures["balances"]:
        key = entry["balance"]
        parsed = parse_balance_key(key)
        budget = budgets.get(parsed.budget)
        if budget is None:
            raise ValueError(f'the rules of then have no budget "{parsed.budget}"')
        view = None if entry["spent"] is None else _view(entry)
        window, looping = Window(budget.every, None, None, parsed.window_id), tuple(entry.get("looping", ()))
        yield Standing(budget, key, window, Mode(entry["mode"]), view, looping)


def _view(entry: Mapping[str, Any]) -> BalanceView:
    names = ("limit", "ceiling", "spent", "expected", "lent", "recent")
    known: dict[str, Any] = {name: entry[name] for name in names}
    known.update((name, entry.get(name)) for name in ("usual", "unusual"))
    return BalanceView(key=entry["balance"], in_force=tuple(entry.get("in_force", ())), **known)


def _candidate(value: Mapping[str, Any]) -> Candidate:
    known: dict[str, Any] = {name: value[name] for name in Candidate.__dataclass_fields__ if name in value}
    known["misfit"] = Misfit(known["misfit"]) if known.get("misfit") else None
    known["unlicensed"] = Skipped(known["unlicensed"]) if known.get("unlicensed") else None
    return Candidate(**known)


def _lent(figures: Mapping[str, Any], survey: Survey) -> Hindsight:
    standing = next(s for s in survey.standings if s.key == figures["balance"])
    view = standing.view
    if view is None:
        raise ValueError("the balance was not known then")
    unit = standing.budget.limit.unit
    planned = next(value for value in figures["candidates"] if value["model"] == figures["model"])
    needed = {"usd": figures["least"], "tokens": planned["least_tokens"], "calls": 1}[unit]
    unspent, pool = view.ceiling - view.spent, view.ceiling - view.spent - view.lent
    sentences = (
        f"{standing.budget.name}: of {written(view.ceiling, unit)} that may be spent in all, "
        f"{written(view.spent, unit)} are spent and {written(view.lent, unit)} lent to calls in flight or processes; "
        f"{written(max(pool, 0), unit)} are left.",
        f"The call may need {written(needed, unit)} at least.",
    )
    return Hindsight(min(unspent, pool) < needed, sentences)


def _away(again: Decision, survey: Survey, figures: Mapping[str, Any], policy: Policy) -> Hindsight:
    """What was let ask, and could not: then the rule for the time without the agent decides."""
    budget = next((s.budget for s in survey.standings if s.key == figures.get("balance")), None)
    rule = policy.on_unreachable if budget is None or budget.on_unreachable is None else budget.on_unreachable
    told = {
        "open": "The rules let every call through while the agent is away.",
        "closed": "The rules let no call through while the agent is away.",
        "limited": f"The rules let {usd(rule.amount_nano or 0)} USD through per balance while the agent is away.",
    }
    agrees = rule.kind != "open" and again.verdict.action is not Action.BLOCK
    return Hindsight(agrees, (*_words(again, survey), f"The agent could not be asked. {told[rule.kind]}"))


def _words(again: Decision, survey: Survey) -> Iterator[str]:
    for standing in survey.standings:
        view, unit = standing.view, standing.budget.limit.unit
        if view is None:
            yield f"{standing.budget.name}: nothing was known of its balance, so none of its steps was due."
            continue
        due = [step.label for step in standing.due()]
        yield (
            f"{standing.budget.name} ({standing.mode.value}): {written(view.spent, unit)} spent and "
            f"{written(view.expected, unit)} expected of {written(view.limit, unit)}, "
            f"{float(standing.share * 100):.2f}%: {'at ' + ', '.join(due) if due else 'below every step'}."
        )
        yield from _of_loops(standing)
    for step, why in again.skipped:
        yield f"Skipped: {step}, because of {why}."
    yield f"So: {again.verdict.action.value} ({again.verdict.reason.value}) on {again.verdict.model}."


def _of_loops(standing: Standing) -> Iterator[str]:
    """What the steps at a loop stood on, where one was in force."""
    name, view = standing.budget.name, standing.view
    if standing.looping:
        yield f"{name}: the very same request was made again and again, more often than {', '.join(standing.looping)}."
    in_force = [step.label for step in standing.budget.loops if view is not None and step.label in view.in_force]
    if in_force and view is not None and view.usual is not None and view.unusual is not None:
        yield (
            f"{name}: {usd(view.recent.get(str(HOUR), 0))} USD in the last hour, where {usd(view.usual)} USD are "
            f"usual: {', '.join(in_force)} comes into force at {usd(view.unusual)} USD, and is left ten points below."
        )
