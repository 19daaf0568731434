"""What happens to one attempt inside the SDK: admitted, changed, sent, watched. Installed by `seat`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import isawaitable
from typing import Any, TypeGuard

from anthropic import APIResponse, AsyncAPIResponse
from anthropic._compat import model_copy
from anthropic._middleware import Middleware
from anthropic._request import APIRequest
from anthropic._types import Omit

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.batches import observe
from bursar.instrumentation.belonging import previous_of
from bursar.instrumentation.call import Call, begin
from bursar.instrumentation.counting import Counting
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.outcome import answered, failed, will_be_parsed
from bursar.instrumentation.quiet import excuse, quiet, tell_once
from bursar.instrumentation.runtime import Runtime, current_runtime
from bursar.instrumentation.stream import Watcher, http, watch
from bursar.policies.changes import changed, without_betas
from bursar.policies.charge import Basis
from bursar.policies.errors import BudgetExceeded
from bursar.policies.prices import bills_user_profile


class Key(str):
    """
    An idempotency key that knows its call: what every attempt, copy and spliced hop of a call carries.

    The SDK deep-copies options for Bedrock and Vertex; a copy must stay the same key, and a call has locks in it.
    """

    __slots__ = ("call",)
    call: Call

    def __copy__(self) -> Key:
        return self

    def __deepcopy__(self, memo: object) -> Key:
        return self


def key_for(call: Call, given: str | None) -> Key:
    """A key for a call, equal to the one the application gave, if it gave one."""
    key = Key(given or f"bursar-{call.id}")
    key.call = call
    return key


def is_billable(method: str, url: str) -> bool:
    """Whether a request creates a message: the one kind that is billed by its own response."""
    return method.lower() == "post" and url.partition("?")[0].endswith("/v1/messages")


class Meter(Middleware):
    """Innermost: sees every attempt as it is sent, each hop of a fallback chain included, and charges it."""

    def handle(self, request: APIRequest, call_next: Any) -> Any:
        runtime, call = _find(request)
        if runtime is None or call is None:
            response = call_next(request)
            if runtime is not None:
                observe(runtime, request, response)
            return response
        if runtime.guard.is_new:
            runtime.guard.greet()
            call.name_again()
        admission: Admission | None = None
        errand = _errand(runtime, call, request)
        if errand is not None:
            try:
                admission = runtime.guard.admit(errand)
            except BudgetExceeded as refusal:
                raise _refused(call, refusal) from None
            except Exception:  # noqa: BLE001 - the guest never breaks its host
                tell_once("admit", "bursar could not judge a call; it goes on unjudged", exc_info=True)
        attempt, sent = _depart(call, request, errand, admission)
        try:
            response = call_next(sent)
        except BaseException as error:
            failed(call, attempt, error)
            raise
        if attempt is not None:
            try:
                if will_be_parsed(request, response):
                    attempt.told(response.parse(), response.http_response.headers)
                else:
                    answered(call, attempt, request, response)
            except Exception:  # noqa: BLE001 - the guest never breaks its host
                excuse("charge a call")
        return response

    async def handle_async(self, request: APIRequest, call_next: Any) -> Any:
        runtime, call = _find(request)
        if runtime is None or call is None:
            response = await call_next(request)
            if runtime is not None:
                observe(runtime, request, response)
            return response
        if runtime.guard.is_new:
            await runtime.guard.greet_async()
            call.name_again()
        admission: Admission | None = None
        errand = _errand(runtime, call, request)
        if errand is not None:
            try:
                admission = await runtime.guard.admit_async(errand)
            except BudgetExceeded as refusal:
                raise _refused(call, refusal) from None
            except Exception:  # noqa: BLE001 - the guest never breaks its host
                tell_once("admit", "bursar could not judge a call; it goes on unjudged", exc_info=True)
        attempt, sent = _depart(call, request, errand, admission)
        try:
            response = await call_next(sent)
        except BaseException as error:
            failed(call, attempt, error)
            raise
        if attempt is not None:
            try:
                if will_be_parsed(request, response):
                    parsed = response.parse()
                    attempt.told(await parsed if isawaitable(parsed) else parsed, response.http_response.headers)
                else:
                    answered(call, attempt, request, response)
            except Exception:  # noqa: BLE001 - the guest never breaks its host
                excuse("charge a call")
        return response


class Entry(Middleware):
    """Outermost, where the application has middleware of its own: sees the SDK's span, and the body it hands out."""

    def handle(self, request: APIRequest, call_next: Any) -> Any:
        call = _enter(request)
        response = call_next(request)
        if call is not None:
            _watch_outermost(call, response)
        return response

    async def handle_async(self, request: APIRequest, call_next: Any) -> Any:
        call = _enter(request)
        response = await call_next(request)
        if call is not None:
            _watch_outermost(call, response)
        return response


class Sole(Meter):
    """
    The meter on a client that has no other middleware, which is not to notice that it has any now.

    What middleware answers the SDK takes as final, unless it is a response of its own: where the application asked for
    the bare HTTP response, an error's would neither be retried nor raised.
    """

    def handle(self, request: APIRequest, call_next: Any) -> Any:
        response = super().handle(request, call_next)
        return _as_of_the_sdk(APIResponse, request, response) if _is_bare_error(response) else response

    async def handle_async(self, request: APIRequest, call_next: Any) -> Any:
        response = await super().handle_async(request, call_next)
        return _as_of_the_sdk(AsyncAPIResponse, request, response) if _is_bare_error(response) else response


BETA_HEADER = "anthropic-beta"

METER = Meter()
SOLE = Sole()
ENTRY = Entry()


def _is_bare_error(response: Any) -> bool:
    return isinstance(response, http.Response) and not response.is_success


def _as_of_the_sdk(kind: Any, request: APIRequest, response: Any) -> Any:
    return kind(
        raw=response,
        cast_to=request.cast_to,
        client=None,  # only needed to parse, which no error is
        stream=request.stream,
        stream_cls=request.stream_cls,
        options=request.options,
        retries_taken=request.retries_taken,
    )


def _find(request: APIRequest) -> tuple[Runtime | None, Call | None]:
    """The call an attempt belongs to; one of its own where the middleware was given by hand, without `instrument()`."""
    runtime = current_runtime()
    if runtime is None:
        return None, None
    key = request.options.idempotency_key
    if isinstance(key, Key):
        return runtime, key.call
    if not is_billable(request.method, request.url):
        return runtime, None
    with quiet("begin a call"):
        return runtime, begin(runtime, None, _model(request.json), span_is_ours=False)
    return runtime, None


def _enter(request: APIRequest) -> Call | None:
    key = request.options.idempotency_key
    if not isinstance(key, Key):
        return None
    with quiet("find the SDK's span"):
        key.call.see_span()
    key.call.outermost_watched = True
    key.call.tells_response = True  # the SDK's span may never learn of it: what stands between may raise
    return key.call


def _watch_outermost(call: Call, response: Any) -> None:
    with quiet("watch a body"):
        raw = getattr(response, "http_response", response)
        if raw.is_success and not raw.is_closed:
            call.body_pending = True
            watch(raw, _CallEnd(call))


class _CallEnd(Watcher):
    """Ends a call with the body that the application reads; what it says the meter inside has read."""

    def __init__(self, call: Call) -> None:
        self.blind = True
        self._call = call
        self._failure: str | None = None

    def broken(self, error: BaseException) -> None:
        self._failure = type(error).__name__

    def end(self) -> None:
        self._call.ended(self._failure)


def _errand(runtime: Runtime, call: Call, request: APIRequest) -> Errand | None:
    try:
        call.see_span()
        told = _body(request)
        body: Mapping[str, Any] = told if _is_object(told) else {}
        settled = call.decision.candidate if request.retries_taken and call.decision is not None else None
        conversation, run = call.belonging(body) if runtime.rules.belongs else ("", "")
        return Errand(
            runtime.ids.attempt(),
            call.work.route or "",
            call.work.labels,
            body,
            runtime.clock_ns(),
            call.region,
            settled.model if settled is not None else None,
            settled.plan if settled is not None else None,
            _betas(request, call.client),
            bills_user_profile(body),
            _context(runtime, body),
            conversation,
            run,
            _counting(call, request),
            partial(call.conversation, body),
        )
    except Exception:  # noqa: BLE001 - the guest never breaks its host
        excuse("judge a call")
        return None


def _context(runtime: Runtime, body: Mapping[str, Any]) -> int | None:
    """What the prompt has beside the body: all that the response it goes on from was made of, and that response."""
    previous = previous_of(body) if "thread" in body else None
    if previous is None:
        return 0
    served = runtime.served(previous)
    return None if served is None or served.charge.basis is Basis.ESTIMATE else served.charge.tokens


def _depart(
    call: Call, request: APIRequest, errand: Errand | None, admission: Admission | None
) -> tuple[Attempt | None, APIRequest]:
    """Journal that the attempt leaves, and the request it leaves as."""
    if errand is None:
        return None, request
    try:
        admission = admission or Admission()
        changes = admission.changes
        call.attempts += 1
        call.decision = admission.decision or call.decision
        model = _model(errand.body)
        if changes:
            call.sent_max_tokens = changes.get("max_tokens", call.sent_max_tokens)
            model = str(changes.get("model") or model)
        attempt = Attempt(call, errand, model, admission)
        attempt.sent()
        if admission.dropped_betas:
            request = _without_betas(request, errand.betas, admission.dropped_betas)
        return attempt, _changed(request, changes) if changes else request
    except Exception:  # noqa: BLE001 - the guest never breaks its host
        excuse("journal a call")
        return None, request


def _changed(request: APIRequest, changes: Mapping[str, Any]) -> APIRequest:
    """
    The same request with other top-level parameters.

    Not `request.copy(body=...)`, which deep-copies the whole prompt; and never in place, since retries share the body.
    What the application gave as `extra_body` would win over the body: a parameter that changes is taken out of it.
    """
    options = model_copy(request.options)
    body: Any = request.json
    options.json_data = changed(body, changes)
    if options.extra_json:
        options.extra_json = {name: told for name, told in options.extra_json.items() if name not in changes}
    return _with(request, options)


def _without_betas(request: APIRequest, header: str | None, dropped: tuple[str, ...]) -> APIRequest:
    """The same request with fewer betas. Bedrock and Vertex read this header too, further down."""
    left = without_betas(header or "", dropped)
    others = {name: told for name, told in request.headers.items() if name.lower() != BETA_HEADER}
    options = model_copy(request.options)
    options.headers = {**others, BETA_HEADER: left or Omit()}
    return _with(request, options)


def _with(request: APIRequest, options: Any) -> APIRequest:
    return APIRequest(
        options=options,
        cast_to=request.cast_to,
        stream=request.stream,
        stream_cls=request.stream_cls,
        retries_taken=request.retries_taken,
    )


def _refused(call: Call, refusal: BudgetExceeded) -> BudgetExceeded:
    with quiet("record a refusal"):
        call.refused(refusal)
    return refusal


def _counting(call: Call, request: APIRequest) -> Counting | None:
    """Of Anthropic's own clients alone: on the clouds some models cannot be counted."""
    body: Any = request.json
    if call.client is None or call.provider != "anthropic" or not _is_object(body) or "thread" in body:
        return None
    return Counting(call.client, body, _betas(request, call.client))


def _body(request: APIRequest) -> Any:
    """The body as it will be sent, with what the application gave as `extra_body`."""
    body: Any = request.json
    extra: Any = request.options.extra_json
    return {**body, **extra} if extra and _is_object(body) else body


def _betas(request: APIRequest, client: Any) -> str | None:
    """The `anthropic-beta` header, of the request or else of the client, under any spelling."""
    for headers in (request.headers, getattr(client, "_custom_headers", None)):
        for name, told in headers.items() if _is_object(headers) else ():
            if name.lower() == BETA_HEADER:
                return told if isinstance(told, str) and told else None
    return None


def _is_object(body: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(body, (dict, Mapping))  # `dict` first: asking the abstract class takes five times as long


def _model(body: Any) -> str:
    value = body.get("model") if _is_object(body) else None
    return value if isinstance(value, str) else ""
