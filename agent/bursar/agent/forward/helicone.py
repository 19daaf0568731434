"""How are calls told to Helicone's custom log, which prices an Anthropic answer's own usage?"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, cast

import httpx

from bursar.agent.forward.answers import TIMEOUT_SECONDS, Answer, Scrubber, Verdict, of_status, unreachable
from bursar.agent.forward.calls import Called
from bursar.agent.forward.dressing import helicone_headers
from bursar.agent.spans.seenspan import SeenSpan
from bursar.policies import attributes as names
from bursar.policies.apierrors import status_of
from bursar.policies.usage import Usage

AT_ONCE = 8
"""Each call is a request of its own; so many are under way at a time."""

_MESSAGES_URL = "https://api.anthropic.com/v1/messages"
_NAMESPACE = uuid.UUID("6f2f6b0e-2f0b-5d0e-9a39-0d9f2a1c7c11")
_MS, _SECOND = 10**6, 10**9


class HeliconeLog:
    """One account's custom log."""

    def __init__(
        self, url: str, headers: Mapping[str, str], client: httpx.AsyncClient, *, clock_ns: Callable[[], int]
    ) -> None:
        self._url = url
        self._headers = {**headers, "content-type": "application/json"}
        self._client = client
        self._clock_ns = clock_ns
        self._scrubber = Scrubber(headers)

    async def send(self, spans: Sequence[SeenSpan], calls: Mapping[int, Called]) -> Answer:
        """Send the calls among spans one by one; none follows once the receiver asks for time."""
        places = [place for place in sorted(calls) if _tells(spans[place], calls[place])]
        refused = 0
        said: str | None = None
        for begin in range(0, len(places), AT_ONCE):
            group = places[begin : begin + AT_ONCE]
            answers = await asyncio.gather(*(self._log(spans[place], calls[place]) for place in group))
            refused += sum(answer.verdict is Verdict.POISON for answer in answers)
            said = next((answer.said for answer in answers if answer.verdict is not Verdict.DONE), said)
            waiting = [place for place, answer in zip(group, answers, strict=True) if answer.verdict is Verdict.LATER]
            if waiting:
                left = (*waiting, *places[begin + AT_ONCE :])
                asked = [answer.retry_after for answer in answers if answer.retry_after is not None]
                sent = len(places) - len(left) - refused
                passed_over = len(spans) - len(places)
                late = next(answer.said for answer in answers if answer.verdict is Verdict.LATER)
                return Answer(Verdict.LATER, sent, refused, passed_over, left, late, max(asked, default=None))
        return Answer(Verdict.DONE, len(places) - refused, refused, len(spans) - len(places), (), said)

    async def aclose(self) -> None:
        """Nothing: the client is its owner's."""

    async def _log(self, span: SeenSpan, call: Called) -> Answer:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response = await self._client.post(
                    self._url, content=_encoded(entry(span, call)), headers=self._headers, timeout=TIMEOUT_SECONDS
                )
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
            return unreachable(error)
        if response.is_success:
            return Answer(Verdict.DONE, sent=1)
        return of_status(response, self._scrubber.clean(response.text), self._clock_ns())


def _encoded(told: Mapping[str, Any]) -> bytes:
    """As JSON in ASCII, in which half a sign, as content may hold it, can be written too."""
    return json.dumps(told, allow_nan=False).encode("ascii")


def _tells(span: SeenSpan, call: Called) -> bool:
    """Whether there is an answer to show: what the call used, or its error."""
    return call.charge is not None or span.status_code == "ERROR"


def entry(span: SeenSpan, call: Called) -> Mapping[str, Any]:
    """
    One entry of the log: request and answer as Anthropic's API has them, as far as the span tells.

    The request's id is made from the span's: sent twice, it is one request there.
    """
    identity = str(uuid.uuid5(_NAMESPACE, f"{span.trace_id}-{span.span_id}"))
    timing: dict[str, Any] = {"startTime": _time(span.start_ns), "endTime": _time(span.end_ns)}
    first = span.attributes.get("gen_ai.response.time_to_first_chunk")
    if isinstance(first, int | float) and isfinite(first):
        timing["timeToFirstToken"] = round(first * 1000)
    return {
        "provider": "ANTHROPIC",
        "providerRequest": {
            "url": _MESSAGES_URL,
            "json": _request(span, call),
            "meta": {"Helicone-Request-Id": identity, **helicone_headers(span, call)},
        },
        "providerResponse": {"status": _status(span), "headers": {}, "json": _response(span, call)},
        "timing": timing,
    }


def _request(span: SeenSpan, call: Called) -> Mapping[str, Any]:
    told: dict[str, Any] = {"model": call.requested_model, "messages": _messages(span)}
    for ours, theirs in (("gen_ai.request.max_tokens", "max_tokens"), ("gen_ai.request.temperature", "temperature")):
        value = span.attributes.get(ours)
        if isinstance(value, int | float) and isfinite(value):
            told[theirs] = value
    return told


def _response(span: SeenSpan, call: Called) -> Mapping[str, Any]:
    if call.charge is None:
        kind = span.text(names.ERROR_TYPE) or "api_error"
        return {"type": "error", "error": {"type": kind, "message": kind}}
    reasons = span.attributes.get(names.FINISH_REASONS)
    stop = span.text("anthropic.message.stop_reason") or (
        reasons[0] if isinstance(reasons, tuple) and reasons else None
    )
    texts = [text for _, text in _texts(span, "gen_ai.output.messages")]
    return {
        "id": call.charge.response_id or f"span-{span.span_id}",
        "type": "message",
        "role": "assistant",
        "model": call.model,
        "content": [{"type": "text", "text": text} for text in texts],
        "stop_reason": stop,
        "usage": _usage(call.charge.usage),
    }


def _usage(usage: Usage) -> Mapping[str, Any]:
    return {
        "input_tokens": usage.input,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
    }


def _status(span: SeenSpan) -> int:
    """The status that the API answered with, as the span has it, else as its error's type says."""
    told = span.count("http.response.status_code")
    if told is not None:
        return told
    return 200 if span.status_code != "ERROR" else status_of(span.text(names.ERROR_TYPE) or "")


def _messages(span: SeenSpan) -> list[Mapping[str, str]]:
    return [{"role": role, "content": text} for role, text in _texts(span, "gen_ai.input.messages")]


def _texts(span: SeenSpan, name: str) -> list[tuple[str, str]]:
    """Who said what, where the span carries content: the texts of its messages, which stand there as JSON."""
    try:
        messages: Any = json.loads(span.text(name) or "[]")
    except (ValueError, RecursionError):
        return []
    told: list[tuple[str, str]] = []
    for message in _listed(messages):
        if isinstance(message, dict):
            known = cast("dict[str, Any]", message)
            told.append((str(known.get("role", "user")), _joined(known.get("parts"))))
    return told


def _joined(parts: Any) -> str:
    texts = [cast("dict[str, Any]", part).get("content") for part in _listed(parts) if isinstance(part, dict)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return []
    entries: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
    return entries


def _time(at_ns: int) -> Mapping[str, int]:
    return {"seconds": at_ns // _SECOND, "milliseconds": at_ns % _SECOND // _MS}
