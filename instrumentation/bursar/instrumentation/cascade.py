"""How is a call tried on a cheap model first, and made on a strong one where the answer is not good enough?"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from anthropic import APIStatusError
from pydantic import ValidationError

from bursar.instrumentation.acceptance import CUT_OFF
from bursar.instrumentation.cascaderun import CascadeRun
from bursar.instrumentation.runtime import current_runtime
from bursar.policies.cascade import Escalation, StageName
from bursar.policies.errors import BudgetExceeded
from bursar.policies.usage import fields_of

R = TypeVar("R")
Accept = Callable[[Any], bool | Awaitable[bool]]
"""Whether a cheap answer is good enough. Of an answer of any kind: what a message says stands in blocks of many."""


def cascade(
    call: Callable[..., R],
    *,
    cheap: str,
    strong: str,
    accept: Accept | Sequence[Accept],
    settle_for_cheap: bool = False,
) -> Callable[..., R]:
    """
    The call, tried on the `cheap` model first, and made on the `strong` one where `accept` says no to the answer.

        answer = cascade(client.messages.create, cheap=HAIKU, strong=OPUS, accept=matches(Triage))(messages=...)

    `call` is `create` or `parse` of any client, or a function that takes a `model` and makes such calls; it gets every
    argument as it is given, and `model`. `accept` is a test, or several that must all say yes; those of async calls may
    be async. Where the API has no answer of the cheap model (404, or 500 and above), or one that does not fit
    `output_format`, the strong one is asked; every other error is raised. A strong call that a budget refuses raises
    `BudgetExceeded`, or with `settle_for_cheap` the cheap answer is returned after all. docs/cascade.md tells the rest.

    Raises `TypeError` for streams, whose answer nobody knows in time, and `ValueError` for twice the same model.
    """
    if cheap == strong:
        raise ValueError(f"cascade() was given {cheap} as both models: name a cheaper one as `cheap`")
    _refuse_settled(call)
    tests = (accept,) if callable(accept) else tuple(accept)
    plan = _Plan(call, cheap, strong, tests, settle_for_cheap)
    return _asynchronous(plan) if _is_async(call) else _synchronous(plan)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done, for any number of calls."""

    call: Callable[..., Any]
    cheap: str
    strong: str
    tests: tuple[Accept, ...]
    settle_for_cheap: bool


def _synchronous(plan: _Plan) -> Callable[..., Any]:
    def cascading(*args: Any, **kwargs: Any) -> Any:
        given, runtime = _given(kwargs), current_runtime()
        if runtime is not None and runtime.guard.is_new:
            runtime.guard.greet()
        with CascadeRun(runtime, plan.call, plan.cheap, plan.strong) as run:
            answer: Any = _NO_ANSWER
            try:
                with run.stage(StageName.CHEAP):
                    answer = _at_once(plan.call(*args, model=plan.cheap, **given))
            except Exception as error:
                why = _why_failed(error)
                if why is None:
                    raise
                run.escalate(why, error)
            else:
                with run.stage(StageName.ACCEPT):
                    if all(_at_once(test(answer)) for test in plan.tests):
                        return answer
                run.escalate(_why_rejected(answer))
            try:
                with run.stage(StageName.STRONG):
                    return _at_once(plan.call(*args, model=plan.strong, **given))
            except BudgetExceeded:
                if answer is _NO_ANSWER or not plan.settle_for_cheap:
                    raise
                run.settle_for_cheap()
                return answer

    return cascading


def _asynchronous(plan: _Plan) -> Callable[..., Any]:
    async def cascading(*args: Any, **kwargs: Any) -> Any:
        given, runtime = _given(kwargs), current_runtime()
        if runtime is not None and runtime.guard.is_new:
            await runtime.guard.greet_async()
        with CascadeRun(runtime, plan.call, plan.cheap, plan.strong) as run:
            answer: Any = _NO_ANSWER
            try:
                with run.stage(StageName.CHEAP):
                    answer = await plan.call(*args, model=plan.cheap, **given)
            except Exception as error:
                why = _why_failed(error)
                if why is None:
                    raise
                run.escalate(why, error)
            else:
                with run.stage(StageName.ACCEPT):
                    if await _all_accept(plan, answer):
                        return answer
                run.escalate(_why_rejected(answer))
            try:
                with run.stage(StageName.STRONG):
                    return await plan.call(*args, model=plan.strong, **given)
            except BudgetExceeded:
                if answer is _NO_ANSWER or not plan.settle_for_cheap:
                    raise
                run.settle_for_cheap()
                return answer

    return cascading


_NO_ANSWER = object()


def _at_once(result: Any) -> Any:
    """A result that is there; an awaitable one would be waited for by nobody."""
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError(
            "cascade() was given a call that is not async, and got an awaitable: give it an async function for an "
            "async client, and tests that are not async for any other"
        )
    return result


async def _all_accept(plan: _Plan, answer: Any) -> bool:
    for test in plan.tests:
        accepted = test(answer)
        if not (await accepted if inspect.isawaitable(accepted) else accepted):
            return False
    return True


def _why_failed(error: Exception) -> Escalation | None:
    """Why the strong model is asked after an error of the cheap one; None where it would not help, or cost in vain."""
    if isinstance(error, ValidationError):
        return Escalation.UNPARSED
    if isinstance(error, APIStatusError) and (error.status_code == _NOT_FOUND or error.status_code >= _BROKEN):
        return Escalation.FAILED
    return None


_NOT_FOUND, _BROKEN = 404, 500


def _why_rejected(answer: Any) -> Escalation:
    reason = fields_of(answer)("stop_reason")
    if reason in CUT_OFF:
        return Escalation.MAX_TOKENS
    return Escalation.REFUSAL if reason == "refusal" else Escalation.NOT_ACCEPTED


def _given(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """
    The arguments for both calls. What can be read only once, such as a generator of messages, is kept in a list.

    Raises `TypeError` for a stream, and for a model beside the two.
    """
    _refuse(kwargs)
    return {name: _readable_again(value) for name, value in kwargs.items()}


def _readable_again(value: Any) -> Any:
    return list(value) if isinstance(value, Iterator) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _refuse_settled(call: Callable[..., Any]) -> None:
    """Raise `TypeError` for what can be seen to be a stream, or bound to a model, before any call."""
    name, module = getattr(call, "__name__", ""), getattr(call, "__module__", None) or ""
    _refuse({"stream": name == "stream" and module.startswith("anthropic."), **getattr(call, "keywords", {})})


def _refuse(kwargs: Mapping[str, Any]) -> None:
    if kwargs.get("stream"):
        raise TypeError(
            "cascade() cannot judge a stream, whose answer is known only when it was read: use create or parse, and "
            "stream a call of its own to the model you want"
        )
    if "model" in kwargs:
        raise TypeError("cascade() chooses the model itself: leave `model` out, `cheap` and `strong` name them")


def _is_async(call: Callable[..., Any]) -> bool:
    """Also of the SDK's methods, which stand behind a function that checks their arguments."""
    inner = inspect.unwrap(getattr(call, "func", call))
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004
