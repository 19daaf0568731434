"""What happens to one attempt inside the SDK: admitted, changed, sent, watched. Installed by `seat`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from inspect import isawaitable
from typing import Any

from anthropic import APIResponse, AsyncAPIResponse
from anthropic._middleware import Middleware
from anthropic._request import APIRequest

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.awaiting import Later, answered, leave_at_once
from bursar.instrumentation.batches import observe
from bursar.instrumentation.belonging import previous_of
from bursar.instrumentation.call import Call, begin
from bursar.instrumentation.counting import Counting
from bursar.instrumentation.deferring import Deferring
from bursar.instrumentation.errand import Admission, Errand
from bursar.instrumentation.marks import Marks, marks_for
from bursar.instrumentation.outcome import answered as settled_by
from bursar.instrumentation.outcome import failed, keep_prompt, will_be_parsed
from bursar.instrumentation.quiet import excuse, quiet, tell_once
from bursar.instrumentation.requestbody import betas_of, body_of, is_object, model_of, with_changes, with_fewer_betas
from bursar.instrumentation.runtime import Runtime, current_runtime
from bursar.instrumentation.stream import Watcher, http, watch
from bursar.policies.charge import Basis
from bursar.policies.deferral import Outcome
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
        if call.work.asking is not None and call.work.asking.outcome is not None:
            return _brought(call, request, APIResponse, call.work.asking.outcome)
        if runtime.guard.is_new:
            runtime.guard.greet()
        if not call.named:
            call.name_again()
        admission: Admission | None = None
        errand = _errand(runtime, call, request)
        if errand is not None:
            try:
                admission = runtime.guard.admit(errand)
                if admission.deferred is not None:
                    later = Later(call, request, APIResponse, errand, admission)
                    if later.came():
                        return later.answer()
                    errand = later.sent_at_once()
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
                if runtime.rules.fingerprint_key:
                    keep_prompt(attempt, response)
                if will_be_parsed(request, response):
                    attempt.told(response.parse(), response.http_response.headers)
                else:
                    settled_by(call, attempt, request, response)
                if runtime.rules.captures and runtime.sampler is not None:
                    runtime.sampler.see(call, attempt, response)
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
        if call.work.asking is not None and call.work.asking.outcome is not None:
            return _brought(call, request, AsyncAPIResponse, call.work.asking.outcome)
        if runtime.guard.is_new:
            await runtime.guard.greet_async()
        if not call.named:
            call.name_again()
        admission: Admission | None = None
        errand = _errand(runtime, call, request)
        if errand is not None:
            try:
                admission = await runtime.guard.admit_async(errand)
                if admission.deferred is not None:
                    later = Later(call, request, AsyncAPIResponse, errand, admission)
                    if await later.came_async():
                        return later.answer()
                    errand = later.sent_at_once()
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
                if runtime.rules.fingerprint_key:
                    keep_prompt(attempt, response)
                if will_be_parsed(request, response):
                    parsed = response.parse()
                    attempt.told(await parsed if isawaitable(parsed) else parsed, response.http_response.headers)
                else:
                    settled_by(call, attempt, request, response)
                if runtime.rules.captures and runtime.sampler is not None:
                    runtime.sampler.see(call, attempt, response)
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
        return runtime, begin(runtime, None, model_of(request.json), span_is_ours=False)
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
        told = body_of(request)
        body: Mapping[str, Any] = told if is_object(told) else {}
        at_ns = runtime.clock_ns()
        marks = _marks(runtime, call, body, at_ns) if runtime.rules.markings else None
        if marks is not None:
            body = {**body, **marks.changes}  # they count in what it may cost
        settled = call.decision.candidate if request.retries_taken and call.decision is not None else None
        conversation, run = call.belonging(body) if runtime.rules.belongs else ("", "")
        return Errand(
            runtime.ids.attempt(),
            call.work.route or "",
            call.work.labels,
            body,
            at_ns,
            call.region,
            settled.model if settled is not None else None,
            settled.plan if settled is not None else None,
            betas_of(request, call.client),
            bills_user_profile(body),
            _context(runtime, body),
            conversation,
            run,
            _counting(call, request),
            partial(call.conversation, body),
            _deferring(runtime, call, request),
            marks=marks,
        )
    except Exception:  # noqa: BLE001 - the guest never breaks its host
        excuse("judge a call")
        return None


def _marks(runtime: Runtime, call: Call, body: Mapping[str, Any], at_ns: int) -> Marks | None:
    """The cache marks that its route was advised; those of the attempt before, where it is tried again."""
    if call.marks is not None or not runtime.config.enforce:
        return call.marks
    return marks_for(runtime.rules, call.work.route or "", model_of(body), body, at_ns)


def _deferring(runtime: Runtime, call: Call, request: APIRequest) -> Deferring | None:
    """Nobody, where neither the policy nor the application would have it put off."""
    work = call.work
    if runtime.desk is None or not (runtime.rules.puts_off or work.asking is not None or work.key):
        return None
    return Deferring(call, request, betas_of(request, call.client))


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
        if call.work.asking is not None:
            leave_at_once(call.work.asking, call.work, errand)
        admission = admission or Admission()
        changes = admission.changes
        call.marks = errand.marks
        if call.marks is not None:
            changes = {**call.marks.changes, **changes}
        call.attempts += 1
        call.decision = admission.decision or call.decision
        model = model_of(errand.body)
        if changes:
            call.sent_max_tokens = changes.get("max_tokens", call.sent_max_tokens)
            model = str(changes.get("model") or model)
        attempt = Attempt(call, errand, model, admission)
        attempt.sent()
        if admission.dropped_betas:
            request = with_fewer_betas(request, errand.betas, admission.dropped_betas)
        return attempt, with_changes(request, changes) if changes else request
    except Exception:  # noqa: BLE001 - the guest never breaks its host
        excuse("journal a call")
        return None, request


def _brought(call: Call, request: APIRequest, kind: Any, outcome: Outcome) -> Any:
    """The answer of a call that was put off, which is made again to be given it."""
    try:
        call.see_span()
        return answered(call, request, kind, outcome)
    except BudgetExceeded as refusal:
        raise _refused(call, refusal) from None


def _refused(call: Call, refusal: BudgetExceeded) -> BudgetExceeded:
    with quiet("record a refusal"):
        call.refused(refusal)
    return refusal


def _counting(call: Call, request: APIRequest) -> Counting | None:
    """Of Anthropic's own clients alone: on the clouds some models cannot be counted."""
    body: Any = request.json
    if call.client is None or call.provider != "anthropic" or not is_object(body) or "thread" in body:
        return None
    return Counting(call.client, body, betas_of(request, call.client))
