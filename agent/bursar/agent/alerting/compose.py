"""What does an alert say?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bursar.agent.alerting import alerts, notices
from bursar.agent.alerting.alerts import Reached
from bursar.agent.alerting.background import NOTHING, Background, Deeds, RouteCost
from bursar.agent.alerting.message import Field, Listing, Message
from bursar.agent.alerting.notices import Notice, Subject
from bursar.agent.alerting.wording import about, amount, amount_of, clock, number, rounded, signed
from bursar.policies.amounts import Unit
from bursar.policies.outlook.forecast import Forecast

TEST = "Bursar: this is a test, and nothing has happened"
_DOES = {
    "downgrade": "moves its calls to the next model of their ladder",
    "downgrade to cheapest": "moves its calls to the cheapest model of their ladder",
    "effort": "lowers effort or thinking on routes that may lose something",
    "throttle": "spreads its calls over the time that is left",
    "block": "refuses further calls",
}
_DOES_AT_A_LOOP = {"throttle": "lets its calls go no faster than that", "block": "refuses such calls"}


def compose_step(step: Reached, background: Background = NOTHING) -> Message:
    """The message of a step that was reached."""
    why = _loop(step)
    said = (
        why,
        _sums(step),
        _window(step),
        _forecast(background, step.unit),
        _doing(step),
        _deeds(background.deeds),
        _routes(background.routes),
    )
    headline = f"{_budget(step)} {_event(step)}"
    return _message(headline, said, {"kind": "step", **alerts.to_payload(step)}, step, background, why)


def compose_notice(notice: Notice, background: Background = NOTHING) -> Message:
    """The message of something that was noticed beside the steps."""
    subject, figures = notice.about, notice.figures
    headline, why = _NOTICES[notice.name](subject, figures, background)
    said = (
        why,
        _sums(subject),
        _window(subject),
        "" if notice.name == "forecast" else _forecast(background, subject.unit),
        _deeds(background.deeds),
        _routes(background.routes),
    )
    return _message(f"{_budget(subject)} {headline}", said, notices.to_payload(notice), subject, background, why)


def compose_test(channel: str, at: int) -> Message:
    """A message that only shows that a channel works; `at` in seconds since the epoch."""
    when = datetime.fromtimestamp(at).astimezone()
    sentence = f'The channel "{channel}" was tried with "bursar alert test {channel}" at {when:%Y-%m-%d %H:%M:%S %Z}.'
    return Message(TEST, (sentence,), {"kind": "test", "channel": channel, "at": at})


def _message(
    headline: str,
    said: tuple[str, ...],
    payload: dict[str, Any],
    subject: Reached | Subject,
    background: Background,
    why: str = "",
) -> Message:
    return Message(
        headline=headline,
        sentences=tuple(sentence for sentence in said if sentence),
        data={**payload, **background.to_data()},
        fields=tuple(_fields(subject, background)),
        listings=tuple(_listings(subject, background, why)),
        footer=f"bursar budgets · bursar explain '{subject.balance}'",
    )


def _budget(subject: Reached | Subject) -> str:
    return f'Budget "{subject.budget}"' + (f" ({subject.scope})" if subject.scope else "")


def _event(step: Reached) -> str:
    if step.loop is not None:
        what = "meets the same request again and again" if step.loop == "repeated" else "spends far more than is usual"
        return f"{what} (step {step.step})"
    if not step.refused:
        return f"has reached {step.step}"
    return f"has refused a call (step {step.step})" if step.acts else f"would have refused a call (step {step.step})"


def _loop(step: Reached) -> str:
    """What was noticed of a loop, as far as there is more to say than its name."""
    if step.loop != "unusual":
        return ""
    return (
        f"{about(step.hour, 'usd')} were spent in the last hour, or are expected of calls in flight, where "
        f"{about(step.usual, 'usd')} are usual at this time (told from {about(step.unusual, 'usd')} on)."
    )


def _burns(subject: Subject, figures: Any, _: Background) -> tuple[str, str]:
    times, minutes = f"{figures['rate']:.1f}", figures["seconds"] // 60
    why = (
        f"{about(figures['spent'], subject.unit)} were spent in the last {minutes} minutes: {times} times the pace "
        f"that lasts to the end of the window (told from {figures['threshold']:g} times on)."
    )
    return f"burns {times} times too fast", why


def _overruns(subject: Subject, figures: Any, background: Background) -> tuple[str, str]:
    known = Forecast(**figures)
    return (
        f"is going to end at {rounded(known.amount, subject.unit)} of {about(subject.limit, subject.unit)}",
        _forecast_sentence(known, background, subject.unit),
    )


def _creeps(subject: Subject, figures: Any, _: Background) -> tuple[str, str]:
    day, usual = (about(figures[name], subject.unit) for name in ("day", "usual"))
    over = "a single day" if figures["days"] == 1 else f"{figures['days']} days in a row"
    why = f"{day} were spent on {figures['date']}, where {usual} are usual that weekday; it has built up over {over}."
    return "becomes dearer day by day", why


_NOTICES = {"burn rate": _burns, "forecast": _overruns, "creep": _creeps}


def _sums(subject: Reached | Subject) -> str:
    flight = ""
    if subject.expected:
        flight = f" and {amount(subject.expected, subject.unit)} expected of calls in flight"
    permille = _permille(subject)
    share = "" if permille is None else f", {permille // 10}.{permille % 10}% of the limit"
    return f"{amount_of(subject.spent, subject.limit, subject.unit)} are spent{flight}{share}."


def _permille(subject: Reached | Subject) -> int | None:
    return (subject.spent + subject.expected) * 1000 // subject.limit if subject.limit else None


def _window(subject: Reached | Subject) -> str:
    ends = f" and ends at {subject.window_end}." if subject.window_end else "."
    return f"The window began at {subject.window_start}{ends}"


def _forecast(background: Background, unit: Unit) -> str:
    return "" if background.forecast is None else _forecast_sentence(background.forecast, background, unit)


def _forecast_sentence(found: Forecast, background: Background, unit: Unit) -> str:
    gone = (
        "" if found.exhausted_at is None else f"; the limit is reached at {clock(found.exhausted_at, background.zone)}"
    )
    return f"The forecast for its end is {_with_band(found, unit)}{gone}."


def _with_band(found: Forecast, unit: Unit) -> str:
    known = f"as {found.windows} windows before" if found.windows else "a wide guess, since there is no history"
    return f"{about(found.amount, unit)} (from {rounded(found.low, unit)} to {rounded(found.high, unit)}, {known})"


def _doing(step: Reached) -> str:
    words = _DOES if step.loop is None else {**_DOES, **_DOES_AT_A_LOOP}
    does = [words[action] for action in step.does if action in words]
    if not does:
        return "Bursar changes nothing at this step."
    if step.acts:
        return f"From here on Bursar {' and '.join(does)}."
    return f"Under a policy that acts, Bursar now {' and '.join(does)}; this one only observes, and nothing changes."


def _deeds(deeds: Deeds | None) -> str:
    return " ".join(f"{sentence}." for sentence in _done(deeds)) if deeds is not None else ""


def _done(deeds: Deeds) -> Iterator[str]:
    if deeds.downgraded:
        yield f"{_calls(deeds.downgraded)} moved to a smaller model, which saved {about(deeds.saved, 'usd')}"
    if deeds.blocked:
        yield f"{_calls(deeds.blocked)} refused, which might have cost {about(deeds.held_back, 'usd')} at most"
    if deeds.would_block:
        yield f"Would have blocked {_plain_calls(deeds.would_block)}, {about(deeds.would_block_nano, 'usd')}"
    if deeds.would_downgrade:
        yield f"Would have downgraded {_plain_calls(deeds.would_downgrade)}"


def _calls(count: int) -> str:
    return f"{_plain_calls(count)} {'was' if count == 1 else 'were'}"


def _plain_calls(count: int) -> str:
    return "1 call" if count == 1 else f"{count:,} calls"


def _routes(routes: tuple[RouteCost, ...]) -> str:
    if not routes:
        return ""
    return f"Most went to {', '.join(f'{_name(route)} ({_cost(route)})' for route in routes)}."


def _name(route: RouteCost) -> str:
    return route.route or "calls without a route"


def _cost(route: RouteCost) -> str:
    cost = f"{number(route.nano, 'usd')} USD"
    if route.before is None:
        return cost
    return f"{cost}, {signed(route.nano - route.before)} against the same time last week"


def _fields(subject: Reached | Subject, background: Background) -> Iterator[Field]:
    unit, permille = subject.unit, _permille(subject)
    share = "" if permille is None else f" ({permille // 10}.{permille % 10}%)"
    yield Field("Spent", f"{rounded(subject.spent, unit)} of {about(subject.limit, unit)}{share}")
    if subject.expected:
        yield Field("In flight", f"{about(subject.expected, unit)} expected")
    if background.forecast is not None:
        found = background.forecast
        yield Field("Forecast", _with_band(found, unit))
        gone = found.exhausted_at
        yield Field("Runs out", "not in this window" if gone is None else clock(gone, background.zone))
    if subject.window_end:
        yield Field("Window turns", clock(_seconds(subject.window_end), background.zone))


def _listings(subject: Reached | Subject, background: Background, why: str) -> Iterator[Listing]:
    if why:
        yield Listing("What was noticed", (why,))
    if background.routes:
        lines = tuple(f"{_name(route)}: {_cost(route)}" for route in background.routes)
        yield Listing("Where it went", lines)
    yield Listing("What Bursar does", tuple(_acting(subject, background)))


def _acting(subject: Reached | Subject, background: Background) -> Iterator[str]:
    if isinstance(subject, Reached):
        yield _doing(subject)
    steps = [f"{step.step}: {', '.join(step.does)}" for step in background.in_force if step.does]
    if steps:
        yield f"{'Steps in force' if subject.acts else 'Steps it would take'}: {'; '.join(steps)}"
    yield from _done(background.deeds or Deeds())
    if not steps and not isinstance(subject, Reached):
        yield "No step that changes calls is in force."


def _seconds(iso: str) -> int:
    return int(datetime.fromisoformat(iso).timestamp())
