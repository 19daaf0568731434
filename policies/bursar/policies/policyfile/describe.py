"""What does a policy do, in plain sentences?"""

from __future__ import annotations

from collections.abc import Iterator

from bursar.policies.amounts import Unit, usd, written, written_duration
from bursar.policies.forward import Forward
from bursar.policies.licence import DAYS
from bursar.policies.outlook.usual import MULTIPLE
from bursar.policies.policy import (
    Budget,
    Channel,
    Digest,
    Mode,
    Policy,
    Step,
    StepAction,
    Unbounded,
    Unreachable,
    Watched,
)
from bursar.policies.policyfile.turns import WEEKDAYS
from bursar.policies.route import Route
from bursar.policies.windows import ROLLING


def describe(policy: Policy) -> list[str]:
    """Sentences for `bursar check`; those that begin with two spaces belong to the one before them."""
    return [
        *of_whole(policy),
        *(line for budget in policy.budgets for line in of_budget(budget)),
        *(of_route(route) for route in policy.routes),
        *(of_channel(channel) for channel in policy.channels),
        *(of_forward(forward) for forward in policy.forwards),
        *([of_digest(policy.digest)] if policy.digest is not None else []),
    ]


def of_whole(policy: Policy) -> Iterator[str]:
    """What holds for all of it."""
    yield _mode(policy.mode)
    yield f"Windows turn by the clock of {policy.timezone}."
    yield f"While the agent is away, {_unreachable(policy.on_unreachable)}."
    if policy.unknown_price == "refuse":
        yield "A call whose price is unknown is refused by the budgets it meets."
    else:
        yield "A call whose price is unknown is held at the dearest price of the ladder."
    if policy.ladder:
        yield f"The ladder, from strong to cheap: {', '.join(policy.ladder)}."
    if policy.requires_eval:
        yield f"A call goes to a weaker model only where {_EVAL}, unless its route says otherwise."
    if not policy.budgets:
        yield "There is no budget: calls are counted, and none is refused."


_EVAL = f"`bursar eval` of that model on its route passed in the last {DAYS} days"


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


def of_budget(budget: Budget) -> Iterator[str]:
    """One budget: its own sentence, and those below it."""
    each = f" for each {' and '.join(budget.per)}" if budget.per else ""
    yield f'Budget "{budget.name}": {_limit(budget)} {_every(budget)}{each}, {_calls(budget)}.'
    if budget.mode is not None:
        yield f"  {_mode(budget.mode).replace('The policy', 'This budget')}"
    for step in budget.steps:
        yield f"  {_step(budget, step)}"
    for step in budget.loops:
        if step not in budget.steps:
            yield f"  {_step(budget, step)}"
    if budget.watch:
        yield f"  {_watch(budget)}"
    if budget.hard:
        yield from (f"  {line}" for line in _hard(budget))
    elif any(step.does("block") for step in budget.steps):
        yield "  It refuses calls for how fast money is spent, and never for how much."
    else:
        yield "  It has no block step, so it refuses no call."
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
        yield f"It may be overdrawn by {usd(budget.overdraft_nano)} USD, by calls that cost more than was expected."
    unit = budget.limit.unit
    what = "money" if unit == "usd" else unit
    if unit == "calls":
        yield "What is counted are calls that were answered; whatever they cost, each is one."
    elif budget.fit == "trim":
        yield f"A large max_tokens is fitted to the {what} left."
    else:
        yield f"max_tokens stays as asked, so a large one may be refused while {what} {_is(unit)} left."
    yield f"A call waits up to {budget.patience_seconds:g} s for {what} held by others."
    if unit != "calls" or budget.unbounded.kind == "refuse":
        yield f"A call that its request does not bound {_unbounded(budget.unbounded, unit)}."


def _is(unit: Unit) -> str:
    return "is" if unit == "usd" else "are"


def _unbounded(rule: Unbounded, unit: Unit) -> str:
    if rule.kind == "refuse":
        return "is refused"
    if unit != "usd":
        return "is admitted at what it is known to use, and may overdraw"
    if rule.kind == "reserve":
        return f"is admitted with {usd(rule.amount_nano or 0)} USD set aside"
    return "is admitted at its estimate, and may overdraw"


def _limit(budget: Budget) -> str:
    return written(budget.limit.amount, budget.limit.unit)


def _every(budget: Budget) -> str:
    if budget.every.startswith(ROLLING):
        return f"over {budget.every.removeprefix(ROLLING)}, rolling"
    return f"every {budget.every}{_begins(budget)}"


def _begins(budget: Budget) -> str:
    """What is unusual about where its windows begin."""
    anchor = budget.begins
    first = f" from {WEEKDAYS[anchor.weekday].capitalize()}" if anchor.weekday else ""
    first = f" from the {anchor.day}." if anchor.day != 1 else first
    clock = f" at {anchor.minute // 60:02d}:{anchor.minute % 60:02d}" if anchor.minute else ""
    zone = f" in {budget.timezone}" if budget.timezone is not None else ""
    return f"{first}{clock}{zone}"


def _calls(budget: Budget) -> str:
    if not budget.match:
        return "for all calls"
    return "for calls with " + " and ".join(f"{name} {glob}" for name, glob in budget.match.items())


def _step(budget: Budget, step: Step) -> str:
    does = ", ".join(_action(action) for action in step.actions)
    if step.loop is not None:
        times, minutes = step.loop.times, step.loop.seconds / 60
        often = f"the same request comes more than {times} times in {minutes:g} minutes"
        return f"When {often}, or an hour costs more than {MULTIPLE} times the usual: {does}."
    if step.share is None:
        return f"At {step.label}: {does}."
    return f"At {step.label} ({written(int(step.share * budget.limit.amount), budget.limit.unit)}): {does}."


def _action(action: StepAction) -> str:
    match action.kind:
        case "alert":
            return f"alert {action.channel}"
        case "downgrade":
            rungs = (
                "the cheapest model of the ladder" if action.target == "cheapest" else "the next model of the ladder"
            )
            return f"downgrade to {rungs}"
        case "effort":
            return "lower effort or thinking by one level, on routes with lossy = true"
        case "block":
            return "refuse the call with BudgetExceeded"
        case "throttle":
            return "spread calls over the time that is left, with up to 10 s of waiting for each"
        case "batch":
            return "put the call off to a Message Batch, at half the price, on routes with may_wait"
        case _:
            return f"{action.kind} (not acted on in this release)"


def of_route(route: Route) -> str:
    """One route."""
    found = "named by the application"
    if route.find is not None:
        names = ("code", "http_route", "span", "baggage", "service")
        globs = [f"{name} {glob}" for name in names if (glob := getattr(route.find, name)) is not None]
        found = f"found by {' and '.join(globs)}"
    ladder = f", with the ladder {', '.join(route.ladder)}" if route.ladder else ""
    loses = ". Its requests may lose thinking, effort or a beta to fit another model or a step" if route.lossy else ""
    waits = ""
    if route.may_wait_seconds is not None:
        streams = ", streams too" if route.streams_wait else ""
        span = written_duration(route.may_wait_seconds)
        waits = f". Its calls{streams} may wait {span} for an answer from a Message Batch"
    return f'Route "{route.name}" is {found}{ladder}{waits}{loses}{_licensed(route)}{_captured(route)}.'


def _licensed(route: Route) -> str:
    """Whether an eval is asked for, where the route says so itself."""
    if route.requires_eval is None:
        return ""
    if not route.requires_eval:
        return ". Its calls go to a weaker model without an eval of it"
    return f". Its calls go to a weaker model only where {_EVAL}"


def _captured(route: Route) -> str:
    """What is kept of its calls: said in full, since it is content."""
    if route.capture is None:
        return ""
    return (
        f". The agent keeps the requests and answers of up to {route.capture.samples:,} of its calls, with all that "
        f"they say, each for up to {written_duration(route.capture.seconds)}"
    )


def of_channel(channel: Channel) -> str:
    """One channel."""
    if channel.kind == "log":
        return f'Channel "{channel.name}" writes to the agent\'s log.'
    kind = "Slack" if channel.kind == "slack" else "a webhook"
    return f'Channel "{channel.name}" posts to {kind}, at the URL in the environment variable {channel.url_env}.'


def of_forward(forward: Forward) -> str:
    """One receiver of spans."""
    secret = f" with the headers in {forward.headers_env}" if forward.headers_env is not None else ""
    kept = f"up to {forward.queue_mb} MB of them wait on the disk while it is away"
    protocol = f"{forward.kind}, {forward.protocol}"
    return f'Spans are passed on to "{forward.name}" ({protocol}) at {forward.url}{secret}; {kept}.'


def of_digest(digest: Digest) -> str:
    return f"Every {digest.day.capitalize()} at {digest.hour}:00 the week's spending is told to {digest.channel}."
