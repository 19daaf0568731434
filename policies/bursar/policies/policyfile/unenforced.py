"""What does a policy say that this release does not act on?"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bursar.policies.policy import ActionKind, Budget, Policy, Step
from bursar.policies.policyfile.mistakes import did_you_mean

_INSTEAD: dict[ActionKind, str] = {
    "loop": 'write it as a step of its own: "loop" = "block"',
}


def unenforced(policy: Policy) -> tuple[str, ...]:
    """One sentence for each thing that is recorded only, naming where it stands and what happens instead."""
    return tuple(
        [warning for budget in policy.budgets for warning in _of_budget(budget, policy)]
        + [*_of_effort(policy), *_of_batch(policy)]
    )


def unpriced(policy: Policy, known_models: Collection[str]) -> tuple[str, ...]:
    """One sentence for each model of a ladder that has no price."""
    ladders = [("ladder", policy.ladder)]
    ladders += [(f'route "{route.name}": ladder', route.ladder or ()) for route in policy.routes]
    return tuple(
        f'{place}: "{model}" is not in the price book; {did_you_mean(model, known_models)}its cost will be unknown'
        for place, ladder in ladders
        for model in ladder
        if model not in known_models
    )


def _of_budget(budget: Budget, policy: Policy) -> Iterator[str]:
    name = f'budget "{budget.name}"'
    choice = budget.on_unreachable or policy.on_unreachable
    if choice.kind == "limited" and budget.limit.unit != "usd" and budget.hard:
        yield _warning(f"{name}: on_unreachable = limited, of a limit in {budget.limit.unit},", "it acts as closed")
    for step in budget.steps:
        yield from _of_step(name, step)


def _of_step(name: str, step: Step) -> Iterator[str]:
    for action in step.actions:
        if action.kind in _INSTEAD:
            yield _warning(f'{name}: step "{step.label}" = "{action.kind}"', _INSTEAD[action.kind])


def _of_effort(policy: Policy) -> Iterator[str]:
    """An `effort` step has something to act on only where a route may lose something."""
    if any(route.lossy for route in policy.routes):
        return
    for budget in policy.budgets:
        for step in budget.steps:
            if step.does("effort"):
                yield (
                    f'budget "{budget.name}": step "{step.label}" = "effort" lowers nothing, since no route has '
                    f"lossy = true; write it under the [[route]] whose answers may become plainer"
                )


def _of_batch(policy: Policy) -> Iterator[str]:
    """A `batch` step has something to act on only where a route may wait."""
    if any(route.may_wait_seconds for route in policy.routes):
        return
    for budget in policy.budgets:
        for step in budget.steps:
            if step.does("batch"):
                yield (
                    f'budget "{budget.name}": step "{step.label}" = "batch" puts nothing off, since no route has '
                    f'may_wait; write may_wait = "2h" under the [[route]] whose answers may come later'
                )


def _warning(what: str, instead: str) -> str:
    return f"{what} is recorded but not acted on in this release; {instead}"
