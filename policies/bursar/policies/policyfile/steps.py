"""Which steps does a [budget.at] table write down?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast, get_args

from bursar.policies.amounts import AmountError, Loop, Velocity, parse_loop, parse_share, parse_velocity
from bursar.policies.policy import USUAL_LOOP, ActionKind, Step, StepAction
from bursar.policies.policyfile.keylines import Path
from bursar.policies.policyfile.mistakes import Mistakes, did_you_mean

ACTIONS: tuple[ActionKind, ...] = get_args(ActionKind)

_MOST_SHARE = 10
_BARE = frozenset(("batch", "effort", "throttle", "loop", "block"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step needs to know of the rest of the file."""

    channels: frozenset[str]
    has_ladder: bool
    """Whether the policy or any route has a ladder of two models or more."""
    budget_keys: tuple[str, ...]


def read_steps(at: Mapping[str, object], path: Path, mistakes: Mistakes, around: Surroundings) -> tuple[Step, ...]:
    """The steps of one budget by rising share, velocities last; what is wrong is noted and left out."""
    steps: list[Step] = []
    for key, value in at.items():
        reader = _StepReader((*path, key), mistakes, around)
        step = reader.step(key, value)
        if step is None:
            continue
        if any(_same_mark(step, other) for other in steps):
            reader.wrong("this share is written twice", "put its actions into one list")
        steps.append(step)
    ordered = tuple(sorted(steps, key=_order))
    _note_unreached(ordered, path, mistakes)
    return ordered


class _StepReader:
    """Reads one line of [budget.at]."""

    def __init__(self, path: Path, mistakes: Mistakes, around: Surroundings) -> None:
        self._path = path
        self._mistakes = mistakes
        self._around = around

    def wrong(self, problem: str, remedy: str) -> None:
        self._mistakes.add(self._path, problem, remedy)

    def step(self, key: str, value: object) -> Step | None:
        mark = self._mark(key)
        if mark is None:
            return None
        share, velocity, loop = mark
        step = Step(key, share, velocity, self._actions(value), loop)
        if share is not None and share > 1 and step.does("block"):
            self.wrong(
                "a block stands above 100% of the limit", 'write "100%" = "block", and raise the limit or overdraft'
            )
        elif share is not None and share > _MOST_SHARE:
            self.wrong("a step stands above 1000% of the limit", "write a share from 0% to 1000%")
        return step

    def _mark(self, key: str) -> tuple[Fraction | None, Velocity | None, Loop | None] | None:
        """A key as a share, a velocity or a loop; None, with a mistake noted, for anything else."""
        try:
            if key == "loop":
                return None, None, USUAL_LOOP
            if key.startswith("loop "):
                return None, None, parse_loop(key)
            if " in " in key:
                return None, parse_velocity(key), None
            if key.endswith("%"):
                return parse_share(key), None, None
        except AmountError as error:
            self.wrong(error.problem, error.remedy)
            return None
        if key in self._around.budget_keys:
            self.wrong(f'"{key}" is a key of the budget, not a step', "move it above the [budget.at] line")
        else:
            self.wrong(
                f'"{key}" is neither a share nor an amount in a span',
                'write a share such as "80%", an amount in a span such as "10 USD in 10m", or "loop"',
            )
        return None

    def _actions(self, value: object) -> tuple[StepAction, ...]:
        words: list[object] = cast("list[object]", value) if isinstance(value, list) else [value]
        texts = [word for word in words if isinstance(word, str)]
        if not texts or len(texts) < len(words):
            self.wrong("an action or a list of actions is expected", 'write "alert log", or ["downgrade", "alert log"]')
        actions = tuple(action for text in texts if (action := self._action(text)) is not None)
        if len(set(actions)) < len(actions):
            self.wrong("an action stands in it twice", "name each once")
        return actions

    def _action(self, text: str) -> StepAction | None:
        kind, _, rest = text.strip().partition(" ")
        rest = rest.strip()
        if kind == "alert":
            return self._alert(rest)
        if kind == "downgrade":
            return self._downgrade(rest)
        if kind in _BARE and not rest:
            return StepAction(cast("ActionKind", kind))
        if kind in _BARE:
            self.wrong(f'"{kind}" takes nothing after it, but "{rest}" follows', f'write "{kind}"')
        else:
            known = ", ".join(ACTIONS)
            self.wrong(f'unknown action "{text}"', f"{did_you_mean(kind, ACTIONS)}the actions are {known}")
        return None

    def _alert(self, channel: str) -> StepAction | None:
        if channel in self._around.channels:
            return StepAction("alert", channel=channel)
        if not channel:
            self.wrong('"alert" names no channel', 'name one, as in "alert log"')
        else:
            self.wrong(
                f'there is no channel "{channel}"',
                f"{did_you_mean(channel, self._around.channels)}add a [[channel]] with that name, "
                f"or use one of {', '.join(sorted(self._around.channels))}",
            )
        return None

    def _downgrade(self, rest: str) -> StepAction | None:
        if rest not in ("", "to cheapest"):
            self.wrong(
                f'"downgrade {rest}" is not understood', 'write "downgrade" (one rung) or "downgrade to cheapest"'
            )
            return None
        if not self._around.has_ladder:
            self.wrong(
                "a downgrade needs a ladder of at least two models, and no ladder has them",
                'add ladder = ["claude-opus-5-5", "claude-haiku-5-5"], strong to cheap, at the top or to a route',
            )
        return StepAction("downgrade", target="cheapest" if rest else "rung")


def _same_mark(one: Step, other: Step) -> bool:
    return (one.share, one.velocity, one.loop) == (other.share, other.velocity, other.loop)


def _order(step: Step) -> tuple[bool, Fraction]:
    return (step.share is None, step.share or Fraction(0))


def _note_unreached(steps: tuple[Step, ...], path: Path, mistakes: Mistakes) -> None:
    """Once calls are refused, a step that changes them does nothing; an alert still can, since charges may overrun."""
    block = next((step for step in steps if step.share is not None and step.does("block")), None)
    if block is None or block.share is None:
        return
    for step in steps:
        if step.share is not None and step.share > block.share and any(a.kind != "alert" for a in step.actions):
            mistakes.add(
                (*path, step.label),
                f'it is never reached: calls are refused from "{block.label}" on',
                "give it a smaller share than the block",
            )
