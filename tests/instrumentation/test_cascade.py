"""Cascades: which model answers, when the other one is asked, and what the caller gets."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any, assert_type

import anthropic
import httpx2
import pytest
from anthropic.types.beta import BetaMessage
from pydantic import BaseModel
from tests.instrumentation.cascading import HAIKU, OPUS, OVERLOADED, REQUEST, Api, Method, by_async, by_sync, says
from tests.instrumentation.scene import Answer, async_client, client, error

from bursar.instrumentation import BudgetExceeded, RefusalReason, at_least, cascade, matches, served
from bursar.instrumentation.testing import recorded

Way = Callable[..., Any]
both = pytest.mark.parametrize("by", [by_sync, by_async], ids=["sync", "async"])


class Verdict(BaseModel):
    """What the application wants to know."""

    kind: str


def sure(m: Any) -> bool:
    return "unsure" not in m.content[0].text


CERTAIN, UNSURE = says("certainly"), says("unsure")


@both
@pytest.mark.parametrize(
    ("cheap", "asked", "text"),
    [
        (CERTAIN, [HAIKU], "certainly"),
        (UNSURE, [HAIKU, OPUS], "certainly"),
        (OVERLOADED, [HAIKU, OPUS], "certainly"),
        (error(500, "api_error"), [HAIKU, OPUS], "certainly"),
        (error(404, "not_found_error"), [HAIKU, OPUS], "certainly"),
    ],
    ids=["accepted", "not accepted", "overloaded", "broken", "unknown model"],
)
def test_the_strong_model_is_asked_where_the_cheap_one_is_not_enough(
    by: Way, cheap: Answer, asked: list[str], text: str
) -> None:
    """With or without `instrument()`; the caller gets the SDK's message."""
    for instrumented in (False, True):
        api = Api(cheap)
        if instrumented:
            with recorded():
                message = by(api, accept=sure)
        else:
            message = by(api, accept=sure)
        assert (type(message), message.content[0].text) == (anthropic.types.Message, text)
        assert api.models == asked


FINAL: list[tuple[Answer, type[Exception]]] = [
    (error(400, "invalid_request_error"), anthropic.BadRequestError),
    (error(401, "authentication_error"), anthropic.AuthenticationError),
    (error(403, "permission_error"), anthropic.PermissionDeniedError),
    (error(413, "request_too_large"), anthropic.APIStatusError),
    (error(429, "rate_limit_error"), anthropic.RateLimitError),
]


def breaking(failure: Exception) -> Answer:
    def respond(request: httpx2.Request) -> httpx2.Response:
        raise failure

    return respond


@both
@pytest.mark.parametrize(
    ("cheap", "kind"),
    [
        *FINAL,
        (breaking(httpx2.ConnectError("refused")), anthropic.APIConnectionError),
        (breaking(httpx2.ReadTimeout("late")), anthropic.APITimeoutError),
    ],
)
def test_an_error_that_the_strong_model_would_not_mend_is_raised(by: Way, cheap: Answer, kind: type[Exception]) -> None:
    """A wrong request, a wrong key, a limit to slow down for, no network: nothing is tried twice."""
    api = Api(cheap)
    with pytest.raises(kind):
        by(api, accept=sure)
    assert api.models == [HAIKU]


@both
@pytest.mark.parametrize("cheap", [UNSURE, OVERLOADED], ids=["after an answer", "after an error"])
@pytest.mark.parametrize("settle", [False, True])
def test_an_error_of_the_strong_model_is_raised_as_it_is(by: Way, cheap: Answer, settle: bool) -> None:
    """Only a budget's refusal is settled for; the cheap call's error is no cause of it."""
    with pytest.raises(anthropic.BadRequestError) as raised:
        by(Api(cheap, error(400, "invalid_request_error")), accept=sure, settle=settle)
    assert raised.value.__context__ is None


@both
def test_every_argument_goes_to_both_calls_unchanged(by: Way) -> None:
    """All but the model: also headers, and messages that can be read only once."""
    api = Api(UNSURE)
    by(
        api,
        accept=sure,
        messages=(turn for turn in REQUEST["messages"]),
        system="Be brief.",
        metadata={"user_id": "u"},
        extra_headers={"x-desk": "7"},
        extra_body={"later": {"a": 1}},
    )
    first, second = api.asked
    assert {**first, "model": OPUS} == second
    assert second["messages"] == REQUEST["messages"]
    assert (second["system"], second["metadata"], second["later"]) == ("Be brief.", {"user_id": "u"}, {"a": 1})
    assert [headers["x-desk"] for headers in api.headers] == ["7", "7"]


GOOD, BAD = '{"kind": "billing"}', '{"kind": 5}'


@both
@pytest.mark.parametrize(("cheap", "asked"), [(GOOD, [HAIKU]), (BAD, [HAIKU, OPUS])])
@pytest.mark.parametrize("beta", [False, True])
@pytest.mark.filterwarnings("ignore:The 'output_format' parameter is deprecated:DeprecationWarning")  # below 1.0
def test_parse_keeps_its_type_and_escalates_what_does_not_fit(
    by: Way, cheap: str, asked: list[str], beta: bool
) -> None:
    """The SDK raises where an answer does not fit `output_format`: then the strong model is asked."""
    api = Api(says(cheap), says(GOOD))
    method: Method = (lambda c: c.beta.messages.parse) if beta else (lambda c: c.messages.parse)
    message = by(api, method, accept=matches(Verdict), output_format=Verdict)
    assert message.parsed_output == Verdict(kind="billing")
    assert api.models == asked


@both
def test_beta_create_is_a_call_like_the_others(by: Way) -> None:
    """With the beta's own message."""
    api = Api(UNSURE)
    method: Method = lambda c: c.beta.messages.create  # noqa: E731 - a table's entry elsewhere
    message = by(api, method, accept=sure, betas=["x-1"])
    assert type(message) is BetaMessage
    assert [headers["anthropic-beta"] for headers in api.headers] == ["x-1", "x-1"]
    assert api.models == [HAIKU, OPUS]


@both
def test_several_tests_must_all_say_yes(by: Way) -> None:
    """In their order, up to the first that does not."""
    told: list[str] = []

    def test(name: str, verdict: bool) -> Callable[[Any], bool]:
        def judge(m: Any) -> bool:
            told.append(name)
            return verdict

        return judge

    by(Api(CERTAIN), accept=[test("a", True), test("b", False), test("c", True)])
    assert told == ["a", "b"]
    api = Api(says('{"kind": "billing", "confidence": 0.9}'))
    by(api, accept=(matches(Verdict), at_least("confidence", 0.8)))
    assert api.models == [HAIKU]


def test_a_test_of_async_calls_may_be_async() -> None:
    """It is waited for."""
    for verdict, asked in ((True, [HAIKU]), (False, [HAIKU, OPUS])):

        async def judge(m: Any, verdict: bool = verdict) -> bool:
            await asyncio.sleep(0)
            return verdict

        api = Api(CERTAIN)
        by_async(api, accept=judge)
        assert api.models == asked


@both
@pytest.mark.parametrize("kind", [ValueError, AttributeError, anthropic.AnthropicError])
def test_an_error_of_the_test_is_the_caller_s(by: Way, kind: type[Exception]) -> None:
    """It is raised, and nothing more is paid for."""

    def broken(m: Any) -> bool:
        raise kind("in the test")

    api = Api(CERTAIN)
    with pytest.raises(kind, match="in the test"):
        by(api, accept=broken)
    assert api.models == [HAIKU]


def refusal() -> BudgetExceeded:
    return BudgetExceeded(
        budget="day",
        balance="day||",
        window_start=None,
        window_end=None,
        limit=1,
        spent=1,
        held=0,
        needed=1,
        reason=RefusalReason.SPENT,
        remedy="wait",
        retry_after=None,
        route="r",
        model=OPUS,
        decision_id="d",
    )


def refusing(*models: str) -> Callable[[Any], Callable[..., Any]]:
    """`create` behind a budget that refuses these models."""

    def method(c: Any) -> Callable[..., Any]:
        def sync(**arguments: Any) -> Any:
            if arguments["model"] in models:
                raise refusal()
            return c.messages.create(**arguments)

        async def waiting(**arguments: Any) -> Any:
            if arguments["model"] in models:
                raise refusal()
            return await c.messages.create(**arguments)

        return waiting if isinstance(c, anthropic.AsyncAnthropic) else sync

    return method


@both
def test_a_refused_strong_call_is_settled_for_only_where_the_caller_says_so(by: Way) -> None:
    """Else `BudgetExceeded`, though there is a cheap answer."""
    api = Api(UNSURE)
    with pytest.raises(BudgetExceeded):
        by(api, refusing(OPUS), accept=sure)
    message = by(api, refusing(OPUS), accept=sure, settle=True)
    assert (message.model, message.content[0].text) == (HAIKU, "unsure")


@both
def test_without_a_cheap_answer_there_is_nothing_to_settle_for(by: Way) -> None:
    """The cheap call failed, the strong one was refused: the refusal is raised."""
    with pytest.raises(BudgetExceeded):
        by(Api(OVERLOADED), refusing(OPUS), accept=sure, settle=True)


@both
def test_a_refused_cheap_call_is_not_tried_on_the_dearer_model(by: Way) -> None:
    """A budget's no is final."""
    api = Api(CERTAIN)
    with pytest.raises(BudgetExceeded):
        by(api, refusing(HAIKU), accept=sure, settle=True)
    assert api.models == []


STREAMS: list[tuple[Method, dict[str, Any]]] = [
    (lambda c: c.messages.create, {"stream": True}),
    (lambda c: c.messages.stream, {}),
    (lambda c: c.beta.messages.stream, {}),
    (lambda c: functools.partial(c.messages.create, stream=True), {}),
]


@both
def test_a_stream_is_refused_before_anything_is_sent(by: Way) -> None:
    """By argument, by method, and bound beforehand."""
    api = Api(CERTAIN)
    for method, arguments in STREAMS:
        with pytest.raises(TypeError, match=r"cannot judge a stream.*use create or parse"):
            by(api, method, accept=sure, **arguments)
    assert api.models == []
    by(api, accept=sure, stream=False)
    assert api.models == [HAIKU]


MODELS: list[tuple[Method, dict[str, Any]]] = [
    (lambda c: c.messages.create, {"model": OPUS}),
    (lambda c: functools.partial(c.messages.create, model=OPUS), {}),
]


@both
def test_a_model_beside_the_two_is_refused(by: Way) -> None:
    """Given with the call, or bound beforehand."""
    api = Api(CERTAIN)
    for method, arguments in MODELS:
        with pytest.raises(TypeError, match="leave `model` out"):
            by(api, method, accept=sure, **arguments)
    assert api.models == []


def test_twice_the_same_model_is_no_cascade() -> None:
    """It would pay twice for one answer."""
    with pytest.raises(ValueError, match="name a cheaper one"):
        cascade(client(CERTAIN).messages.create, cheap=OPUS, strong=OPUS, accept=sure)


async def judge(m: Any) -> bool:
    return True


def call_async(**arguments: Any) -> Any:
    return async_client(CERTAIN).messages.create(**arguments)


def call_sync(**arguments: Any) -> Any:
    return client(CERTAIN).messages.create(**arguments)


@pytest.mark.parametrize(("call", "accept"), [(call_async, sure), (call_sync, judge)], ids=["the call", "the test"])
def test_what_nobody_would_wait_for_is_refused(call: Any, accept: Any) -> None:
    """A function that is not async and returns a coroutine, and an async test of a call that is not."""
    with pytest.raises(TypeError, match="give it an async function for an async client"):
        cascade(call, cheap=HAIKU, strong=OPUS, accept=accept)(**REQUEST)


def test_a_function_of_the_application_s_can_be_tried_twice() -> None:
    """It takes a model; partial functions and async objects are known for what they are."""
    api = Api(UNSURE)

    def ask(question: str, *, model: str) -> str:
        made = client(api).messages.create(model=model, max_tokens=9, messages=[{"role": "user", "content": question}])
        return str(made.content[0].text)

    class Asker:
        async def __call__(self, *, model: str) -> str:
            return ask("Again?", model=model)

    assert "certainly" in cascade(ask, cheap=HAIKU, strong=OPUS, accept=lambda text: "unsure" not in text)("Well?")
    bound = functools.partial(async_client(api).messages.create, max_tokens=9)
    message = asyncio.run(cascade(bound, cheap=HAIKU, strong=OPUS, accept=sure)(messages=REQUEST["messages"]))
    assert message.model == OPUS
    text = asyncio.run(cascade(Asker(), cheap=HAIKU, strong=OPUS, accept=lambda text: "unsure" not in text)())
    assert "certainly" in text
    assert api.models == [HAIKU, OPUS] * 3


@both
def test_a_response_says_which_model_it_is_of(by: Way) -> None:
    """`served` tells the stage, and whether it was escalated to."""
    with recorded():
        accepted, escalated = by(Api(CERTAIN), accept=sure), by(Api(UNSURE, says("sure", id="msg_o")), accept=sure)
        plain = client(Api(says("x", id="msg_p"))).messages.create(model=HAIKU, **REQUEST)
        told = [served(message) for message in (accepted, escalated, plain)]
    assert [(s.model, s.stage, s.escalated) for s in told if s is not None] == [
        (HAIKU, "cheap", False),
        (OPUS, "strong", True),
        (HAIKU, None, False),
    ]


def test_types_are_those_of_the_call() -> None:
    """For whoever checks them: a message, and an awaitable one."""

    async def wait(c: anthropic.AsyncAnthropic) -> None:
        tried = cascade(c.messages.create, cheap=HAIKU, strong=OPUS, accept=lambda m: m.stop_reason == "end_turn")
        assert_type(await tried(**REQUEST), anthropic.types.Message)

    tried = cascade(client(CERTAIN).messages.create, cheap=HAIKU, strong=OPUS, accept=matches(Verdict))
    assert tried(**REQUEST).model == OPUS
    c: anthropic.Anthropic = client(CERTAIN)
    typed = cascade(c.messages.create, cheap=HAIKU, strong=OPUS, accept=lambda m: m.stop_reason == "end_turn")
    assert_type(typed(**REQUEST), anthropic.types.Message)
    asyncio.run(wait(async_client(CERTAIN)))
