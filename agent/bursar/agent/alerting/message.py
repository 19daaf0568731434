"""What does an alert say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bursar.agent.alerting.alerts import Reached, to_payload
from bursar.policies.amounts import usd, written


class RouteCost(NamedTuple):
    """What a route has cost a balance, in nano-dollars."""

    route: str
    nano: int


@dataclass(frozen=True, slots=True)
class Message:
    """An alert in words for people, and as data for programs."""

    headline: str
    sentences: tuple[str, ...]
    data: dict[str, Any]

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join((f"{self.headline}.", *self.sentences))


_DOES = {
    "downgrade": "moves its calls to the next model of their ladder",
    "downgrade to cheapest": "moves its calls to the cheapest model of their ladder",
    "block": "refuses further calls",
}


NOTICE = "notice"
"""The kind of a payload that says in words what somebody did, instead of a step that was reached."""


def notice(text: str, *, until: str, reason: str, by: str) -> dict[str, Any]:
    """The payload of what somebody did, until when, why and who."""
    return {"kind": NOTICE, "text": text, "until": until, "reason": reason, "by": by}


def from_notice(payload: Mapping[str, Any]) -> Message:
    """The message of a notice."""
    sentences = [f"Until {payload['until']}."]
    sentences += [f"Reason: {payload['reason']}."] if payload["reason"] else []
    sentences += [f"By {payload['by']}."] if payload["by"] else []
    text = str(payload["text"])
    return Message(headline=f"{text[:1].upper()}{text[1:]}", sentences=tuple(sentences), data=dict(payload))


def compose(step: Reached, routes: Sequence[RouteCost]) -> Message:
    """The message of a step that was reached, with the routes that cost its balance most."""
    scope = f" ({step.scope})" if step.scope else ""
    sentences = (_sums(step), _window(step), _doing(step), _routes(routes))
    return Message(
        headline=f'Budget "{step.budget}"{scope} {_event(step)}',
        sentences=tuple(sentence for sentence in sentences if sentence),
        data={**to_payload(step), "routes": [route._asdict() for route in routes]},
    )


def _event(step: Reached) -> str:
    if not step.refused:
        return f"has reached {step.step}"
    return f"has refused a call (step {step.step})" if step.acts else f"would have refused a call (step {step.step})"


def _sums(step: Reached) -> str:
    share = "" if step.permille is None else f", {step.permille // 10}.{step.permille % 10}% of the limit"
    flight = f" and {written(step.expected, step.unit)} expected of calls in flight" if step.expected else ""
    spent, limit = written(step.spent, step.unit).split()[0], written(step.limit, step.unit)
    return f"{spent} of {limit} are spent{flight}{share}."


def _window(step: Reached) -> str:
    if step.window_end is None:
        return f"The window is {step.window_start}."
    return f"The window began at {step.window_start} and ends at {step.window_end}."


def _doing(step: Reached) -> str:
    does = [_DOES[action] for action in step.does if action in _DOES]
    if not does:
        return "Bursar changes nothing at this step."
    if step.acts:
        return f"From here on Bursar {' and '.join(does)}."
    return f"Under a policy that acts, Bursar now {' and '.join(does)}; this one only observes, and nothing changes."


def _routes(routes: Sequence[RouteCost]) -> str:
    if not routes:
        return ""
    named = (f"{route or 'calls without a route'} ({usd(nano)} USD)" for route, nano in routes)
    return f"Most went to {', '.join(named)}."
