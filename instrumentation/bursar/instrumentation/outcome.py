"""What became of an attempt that was sent: a body that is here, one still to be read, an error, or no answer?"""

from __future__ import annotations

from typing import Any, cast

from anthropic import APIConnectionError, APIResponse, Stream
from anthropic._constants import RAW_RESPONSE_HEADER
from anthropic._request import APIRequest
from anthropic._utils import is_given

from bursar.instrumentation.attempt import Attempt
from bursar.instrumentation.body import BodyWatcher
from bursar.instrumentation.call import Call
from bursar.instrumentation.quiet import excuse, quiet
from bursar.instrumentation.stream import http, tap, watch

_PLAIN_STREAM: Any = Stream
"""A subclass of the application's own may read otherwise; there the bytes are watched."""
_NEVER_SENT = (http.ConnectError, http.ConnectTimeout, http.PoolTimeout, http.UnsupportedProtocol, http.ProxyError)


def will_be_parsed(request: APIRequest, response: Any) -> bool:
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


def keep_prompt(attempt: Attempt, response: Any) -> None:
    """Keep the bytes that were sent: nobody changes these any more, and the response keeps them anyhow."""
    raw = getattr(response, "http_response", response)
    if isinstance(raw, http.Response):
        try:
            attempt.prompt = raw.request.content
        except Exception:  # noqa: BLE001 - the guest never breaks its host
            excuse("keep a request")


def answered(call: Call, attempt: Attempt, request: APIRequest, response: Any) -> None:
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


def failed(call: Call, attempt: Attempt | None, error: BaseException) -> None:
    """
    An attempt without an answer. Refused connections never reached the API; an error of the SDK's own is raised before
    sending. Anything else may have been billed: the charge is unknown, and what was held stays held.
    """
    if attempt is None:
        return
    with quiet("settle a failed call"):
        if isinstance(error, APIConnectionError):
            unsent = never_sent(error, call.client)
        else:
            unsent = isinstance(error, Exception)
        if unsent:
            attempt.release(type(error).__name__)
        else:
            attempt.settle()


def never_sent(error: APIConnectionError, client: Any) -> bool:
    """Whether a request that has no answer is known to have never reached the API."""
    cause = error.__cause__
    return isinstance(cause, _NEVER_SENT) or (isinstance(cause, RuntimeError) and bool(client.is_closed()))
