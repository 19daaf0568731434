"""What does a policy do, in plain sentences?"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from bursar.policies.amounts import usd
from bursar.policies.policy import (
    Budget,
    Channel,
    Digest,
    Mode,
    Policy,
    Route,
    Step,
    StepAction,
    Unbounded,
    Unreachable,
    Watched,
)


def describe(policy: Policy) -> list[str]:
    """Sentences for `bursar check`; those that begin with two spaces belong to the one before them."""
    return [
        *_whole(policy),
        *(line for budget in policy.budgets for line in _budget(budget)),
        *(_route(route) for route in policy.routes),
        *(_channel(channel) for channel in policy.channels),
        *([_digest(policy.digest)] if policy.digest is not None else []),
    ]


def _whole(policy: Policy) -> Iterator[str]:
    yield _mode(policy.mode)
    yield f"Windows turn by the clock of {policy.timezone}."
    yield f"While the agent is away, {_unreachable(policy.on_unreachable)}."
    if policy.unknown_price == "refuse":
        yield "A call whose price is unknown is refused by the budgets it meets."
    else:
        yield "A call whose price is unknown is held at the dearest price of the ladder."
    if policy.ladder:
        yield f"The ladder, from strong to cheap: {', '.join(policy.ladder)}."
    if not policy.budgets:
        yield "There is no budget: calls are counted, and none is refused."


def _mode(mode: Mode) -> str:
    if mode is Mode.ENFORCE:
        return "The policy is enforced: steps are taken and calls may be refused."
    return "The policy observes: it records what it would do, and changes nothing."


def _unreachable(rule: Unreachable) -> str:
    match rule.kind:
        case "open":
            return "calls go on and budgets do not hold"
        case "closed":
            return "calls that a budget covers are refused"
        case "limited":
            return f"calls go on for up to {usd(rule.amount_nano or 0)} USD per balance and outage"


def _budget(budget: Budget) -> Iterator[str]:
    each = f" for each {' and '.join(budget.per)}" if budget.per else ""
    yield f'Budget "{budget.name}": {_limit(budget)} {_every(budget.every)}{each}, {_calls(budget)}.'
    if budget.mode is not None:
        yield f"  {_mode(budget.mode).replace('The policy', 'This budget')}"
    for step in budget.steps:
        yield f"  {_step(budget, step)}"
    if budget.watch:
        yield f"  {_watch(budget)}"
    if not budget.kept:
        yield "  This release keeps no balance for it: it counts nothing, and takes none of its steps."
    elif not budget.hard:
        yield "  It has no block step, so it refuses no call."
    else:
        yield from (f"  {line}" for line in _hard(budget))
    if budget.on_unreachable is not None:
        yield f"  While the agent is away, {_unreachable(budget.on_unreachable)}."


_WATCHED: dict[Watched, str] = {
    "burn": "when money burns too fast",
    "forecast": "when the window is going to end above the limit",
    "creep": "when days become dearer one after the other",
}


def _watch(budget: Budget) -> str:
    when = [_WATCHED[name] for name in budget.watch]
    listed = when[0] if len(when) == 1 else f"{', '.join(when[:-1])} and {when[-1]}"
    return f"It tells {' and '.join(budget.channels)} {listed}."


def _hard(budget: Budget) -> Iterator[str]:
    if budget.overdraft_nano:
        yield f"It may be overdrawn by {usd(budget.overdraft_nano)} USD."
    if budget.fit == "trim":
        yield "A large max_tokens is fitted to the money that is left."
    else:
        yield "max_tokens stays as asked, so a large one may be refused while money is left."
    yield f"A call waits up to {budget.patience_seconds:g} s for money held by others."
    yield f"A call that its request does not bound {_unbounded(budget.unbounded)}."


def _unbounded(rule: Unbounded) -> str:
    match rule.kind:
        case "reserve":
            return f"is admitted with {usd(rule.amount_nano or 0)} USD set aside"
        case "refuse":
            return "is refused"
        case "overdraft":
            return "is admitted at its estimate, and may overdraw"


def _limit(budget: Budget) -> str:
    if budget.limit.unit == "usd":
        return f"{usd(budget.limit.amount)} USD"
    return f"{budget.limit.amount} {budget.limit.unit}"


def _every(every: str) -> str:
    return f"over {every.removeprefix('rolling ')}, rolling" if every.startswith("rolling ") else f"every {every}"


def _calls(budget: Budget) -> str:
    if not budget.match:
        return "for all calls"
    return "for calls with " + " and ".join(f"{name} {glob}" for name, glob in budget.match.items())


def _step(budget: Budget, step: Step) -> str:
    does = ", ".join(_action(action) for action in step.actions)
    if step.velocity is not None:
        return f"At {step.label}: {does} (not watched in this release)."
    if step.share is None or budget.limit.unit != "usd":
        return f"At {step.label}: {does}."
    return f"At {step.label} ({usd(_at(step.share, budget.limit.amount))} USD): {does}."


def _at(share: Fraction, nano: int) -> int:
    return int(share * nano)


def _action(action: StepAction) -> str:
    match action.kind:
        case "alert":
            return f"alert {action.channel}"
        case "downgrade":
            rungs = (
                "the cheapest model of the ladder" if action.target == "cheapest" else "the next model of the ladder"
            )
            return f"downgrade to {rungs}"
        case "block":
            return "refuse the call with BudgetExceeded"
        case _:
            return f"{action.kind} (not acted on in this release)"


def _route(route: Route) -> str:
    found = "named by the application"
    if route.find is not None:
        names = ("code", "http_route", "span", "baggage", "service")
        globs = [f"{name} {glob}" for name in names if (glob := getattr(route.find, name)) is not None]
        found = f"found by {' and '.join(globs)}"
    ladder = f", with the ladder {', '.join(route.ladder)}" if route.ladder else ""
    return f'Route "{route.name}" is {found}{ladder}.'


def _channel(channel: Channel) -> str:
    if channel.kind == "log":
        return f'Channel "{channel.name}" writes to the agent\'s log.'
    kind = "Slack" if channel.kind == "slack" else "a webhook"
    return f'Channel "{channel.name}" posts to {kind}, at the URL in the environment variable {channel.url_env}.'


def _digest(digest: Digest) -> str:
    return f"Every {digest.day.capitalize()} at {digest.hour}:00 the week's spending is told to {digest.channel}."
