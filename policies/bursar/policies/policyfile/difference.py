"""What would another policy change?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bursar.policies.policy import Policy
from bursar.policies.policyfile.describe import of_budget, of_channel, of_forward, of_route, of_whole


def difference(old: Policy, new: Policy) -> list[str]:
    """
    Sentences that hold no more, behind a `-`, and those that hold from then on, behind a `+`.

    Part by part: the whole, then each budget, route, channel and forward. Empty where the two do the same.
    """
    before, after = _parts(old), _parts(new)
    return [line for part in {**before, **after} for line in _changed(before.get(part, ()), after.get(part, ()))]


def _parts(policy: Policy) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """What is said of each part, by its kind and name."""
    return {
        ("", ""): tuple(of_whole(policy)),
        **{("budget", budget.name): tuple(of_budget(budget)) for budget in policy.budgets},
        **{("route", route.name): (of_route(route),) for route in policy.routes},
        **{("channel", channel.name): (of_channel(channel),) for channel in policy.channels},
        **{("forward", forward.name): (of_forward(forward),) for forward in policy.forwards},
    }


def _changed(before: Iterable[str], after: Iterable[str]) -> Iterator[str]:
    old, new = tuple(before), tuple(after)
    gone = [line for line in old if line not in new]
    come = [line for line in new if line not in old]
    if (gone or come) and old and new and not {old[0], new[0]} & {*gone, *come} and old[0].startswith("Budget"):
        yield f"  {old[0]}"  # what is indented below belongs to it
    yield from (f"- {line}" for line in gone)
    yield from (f"+ {line}" for line in come)
