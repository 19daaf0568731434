"""What happens to one attempt inside the SDK: admitted, changed, sent, watched. Installed by `seat`."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isawaitable
from typing import Any, TypeGuard, cast

from anthropic import APIConnectionError, APIResponse, Stream
from anthropic._compat import model_copy
from anthropic._constants import RAW_RESPONSE_HEADER
from anthropic._middleware import Middleware
from anthropic._request import APIRequest
from anthropic._utils import is_given

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.batches import observe
from bursar.instrumentation.body import BodyWatcher
from bursar.instrumentation.call import Call, begin
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.quiet import quiet, tell_once
from bursar.instrumentation.runtime import Runtime, current_runtime
from bursar.instrumentation.stream import Watcher, http, tap, watch
from bursar.policies.errors import BudgetExceeded
from bursar.policies.prices import bills_user_profile

_PLAIN_STREAM: Any = Stream
"""A subclass of the application's own may read otherwise; there the bytes are watched."""
_NEVER_SENT = (http.ConnectError, http.ConnectTimeout, http.PoolTimeout, http.UnsupportedProtocol, http.ProxyError)


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
            _failed(call, attempt, error)
            raise
        if attempt is not None:
            with quiet("charge a call"):
                if _will_be_parsed(request, response):
                    attempt.answered(response.http_response.headers)
                    attempt.told(response.parse())
                else:
                    _answered(call, attempt, request, response)
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
            _failed(call, attempt, error)
            raise
        if attempt is not None:
            with quiet("charge a call"):
                if _will_be_parsed(request, response):
                    parsed = response.parse()
                    attempt.answered(response.http_response.headers)
                    attempt.told(await parsed if isawaitable(parsed) else parsed)
                else:
                    _answered(call, attempt, request, response)
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


METER = Meter()
ENTRY = Entry()


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
    with quiet("judge a call"):
        call.see_span()
        body: Any = request.json
        retried = request.retries_taken > 0 and call.decision is not None
        return Errand(
            attempt_id=runtime.ids.attempt(),
            route=call.work.route or "",
            labels=call.work.labels,
            body=body if _is_object(body) else {},
            at_ns=runtime.clock_ns(),
            betas=_betas(request),
            region=call.region,
            settled_model=call.decision.candidate.model if retried and call.decision else None,
            linked=_is_object(body) and bills_user_profile(body),
        )
    return None


def _depart(
    call: Call, request: APIRequest, errand: Errand | None, admission: Admission | None
) -> tuple[Attempt | None, APIRequest]:
    """Journal that the attempt leaves, and the request it leaves as."""
    if errand is None:
        return None, request
    with quiet("journal a call"):
        admission = admission or Admission()
        changes = dict(admission.changes)
        call.attempts += 1
        call.decision = admission.decision or call.decision
        call.sent_max_tokens = changes.get("max_tokens", call.sent_max_tokens)
        model = str(changes.get("model") or _model(request.json))
        attempt = Attempt(call, errand, model, admission)
        attempt.sent()
        return attempt, _changed(request, changes) if changes else request
    return None, request


def _changed(request: APIRequest, changes: Mapping[str, Any]) -> APIRequest:
    """
    The same request with other top-level parameters.

    Not `request.copy(body=...)`, which deep-copies the whole prompt; and never in place, since retries share the body.
    """
    options = model_copy(request.options)
    body: Any = request.json
    options.json_data = {**body, **changes}
    return APIRequest(
        options=options,
        cast_to=request.cast_to,
        stream=request.stream,
        stream_cls=request.stream_cls,
        retries_taken=request.retries_taken,
    )


def _will_be_parsed(request: APIRequest, response: Any) -> bool:
    """
    Whether the SDK itself will parse this whole body for a plain call: what it then finds is what we found.

    Not with a parser of the application's (`messages.parse`), which would run, and fail, before its time.
    """
    raw = getattr(response, "http_response", None)
    return (
        raw is not None
        and raw.is_success
        and raw.is_closed
        and not request.stream
        and RAW_RESPONSE_HEADER not in request.headers
        and not is_given(request.options.post_parser)
    )


def _answered(call: Call, attempt: Attempt, request: APIRequest, response: Any) -> None:
    """Settle by a body that is here, watch one that is not, release what an error answered."""
    # Where the application asks for the bare HTTP response, middleware is given it as it is.
    raw = getattr(response, "http_response", response)
    if not isinstance(raw, http.Response):  # an inner middleware answered by itself: nothing was sent
        attempt.release("answered without a request")
        return
    attempt.answered(raw.headers)
    call.tells_response |= RAW_RESPONSE_HEADER in request.headers or not request.stream
    if not raw.is_success:
        attempt.release(f"http {raw.status_code}")
    elif raw.is_closed:
        attempt.read(raw.content, raw.headers.get("content-type", ""))
    else:
        on_end = None
        if not call.outermost_watched:
            call.body_pending = True
            on_end = call.ended
        watcher = BodyWatcher(attempt, raw.headers, on_end)
        watch(raw, watcher)
        # A span of our own is to end with the error that the bytes tell of, and the events do not.
        if request.stream and RAW_RESPONSE_HEADER not in request.headers and not call.own_span:
            _tap(response, watcher)


def _tap(response: Any, watcher: BodyWatcher) -> None:
    """Read the SDK's events instead of its bytes where it makes them for a plain, synchronous stream."""
    if isinstance(response, APIResponse):
        stream: Any = cast("Any", response).parse()  # kept by the response, and reads nothing yet
        events = getattr(stream, "_iterator", None)
        if events is not None and type(stream) is _PLAIN_STREAM:
            stream._iterator = tap(events, watcher)


def _failed(call: Call, attempt: Attempt | None, error: BaseException) -> None:
    """
    An attempt without an answer. Refused connections never reached the API; an error of the SDK's own is raised before
    sending. Anything else may have been billed: the charge is unknown, and what was held stays held.
    """
    if attempt is None:
        return
    with quiet("settle a failed call"):
        if isinstance(error, APIConnectionError):
            cause = error.__cause__
            unsent = isinstance(cause, _NEVER_SENT) or (isinstance(cause, RuntimeError) and call.client.is_closed())
        else:
            unsent = isinstance(error, Exception)
        if unsent:
            attempt.release(type(error).__name__)
        else:
            attempt.settle()


def _refused(call: Call, refusal: BudgetExceeded) -> BudgetExceeded:
    with quiet("record a refusal"):
        call.refused(refusal)
    return refusal


def _betas(request: APIRequest) -> str | None:
    value = request.headers.get("anthropic-beta")
    return value if isinstance(value, str) and value else None


def _is_object(body: Any) -> TypeGuard[Mapping[str, Any]]:
    return isinstance(body, Mapping)


def _model(body: Any) -> str:
    value = body.get("model") if _is_object(body) else None
    return value if isinstance(value, str) else ""
