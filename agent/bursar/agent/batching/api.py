"""How is the Messages API asked, as one customer, and what do its answers and its silence mean?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import httpx

from bursar.agent.credentials import Credential

VERSION = "2023-06-01"
MOST_LINE_BYTES = 64 * 1024 * 1024
PAGE = 100
MOST_PAGES = 20
_SHORT = httpx.Timeout(30, connect=5)
_LONG = httpx.Timeout(600, connect=5, pool=30)
_BATCHES = "/v1/messages/batches"
_ENDED = "ended"


class RefusedError(Exception):
    """The API answered with an error: `body` is all that it said."""

    def __init__(self, status: int, body: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(f"{status} {kind_of(body)}: {said(body)}")
        self.status = status
        self.body = body
        self.retry_after = retry_after


class NotSentError(Exception):
    """No connection came about: the API has nothing of it."""


class NoAnswerError(Exception):
    """The request may have arrived, and no answer did."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch as the API tells it."""

    api_id: str
    ended: bool
    created_ns: int
    ended_ns: int | None
    counts: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Answered:
    """A message, and the request that it answers."""

    message: Mapping[str, Any]
    request_id: str | None


class Api:
    """One customer's way to the API. Raises `RefusedError`, `NotSentError` or `NoAnswerError`."""

    def __init__(self, client: httpx.AsyncClient, credential: Credential) -> None:
        self._client = client
        self._base_url = credential.base_url.rstrip("/")
        self._headers = {**credential.headers, "anthropic-version": VERSION, "content-type": "application/json"}

    async def create(self, body: AsyncIterable[bytes], length: int, betas: str) -> Seen:
        """Submit a batch."""
        headers = {**self._with(betas), "content-length": str(length)}
        return _seen(await self._ask("POST", _BATCHES, headers=headers, content=body, timeout=_LONG))

    async def retrieve(self, api_id: str) -> Seen:
        """How far a batch is."""
        return _seen(await self._ask("GET", f"{_BATCHES}/{api_id}"))

    async def cancel(self, api_id: str) -> Seen:
        """Have the API begin no more requests of a batch."""
        return _seen(await self._ask("POST", f"{_BATCHES}/{api_id}/cancel"))

    async def created_since(self, since_ns: int) -> list[Seen]:
        """All batches of the workspace since an instant, the newest first."""
        found: list[Seen] = []
        after = ""
        for _ in range(MOST_PAGES):
            page = await self._ask("GET", f"{_BATCHES}?limit={PAGE}{after}")
            batches = [_seen(one) for one in page.get("data", ())]
            found += [batch for batch in batches if batch.created_ns >= since_ns]
            if not page.get("has_more") or len(batches) == 0 or batches[-1].created_ns < since_ns:
                break
            after = f"&after_id={batches[-1].api_id}"
        return found

    @asynccontextmanager
    async def results(self, api_id: str) -> AsyncGenerator[AsyncGenerator[bytes]]:
        """The lines of a batch's results while the block lasts, as they come."""
        with _told():
            request = self._client.build_request(
                "GET", f"{self._base_url}{_BATCHES}/{api_id}/results", headers=self._headers, timeout=_LONG
            )
            response = await self._client.send(request, stream=True)
            try:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                lines = _lines(response)
                yield lines
                await lines.aclose()
            finally:
                await response.aclose()

    async def message(self, body: bytes, betas: str) -> Answered:
        """Ask at once, at the ordinary price."""
        with _told():
            response = await self._client.post(
                f"{self._base_url}/v1/messages", headers=self._with(betas), content=body, timeout=_LONG
            )
        if response.is_error:
            raise _refusal(response)
        return Answered(_object(response), response.headers.get("request-id"))

    def _with(self, betas: str) -> dict[str, str]:
        return {**self._headers, **({"anthropic-beta": betas} if betas else {})}

    async def _ask(self, method: str, path: str, **how: Any) -> Mapping[str, Any]:
        how.setdefault("headers", self._headers)
        how.setdefault("timeout", _SHORT)
        with _told():
            response = await self._client.request(method, f"{self._base_url}{path}", **how)
        if response.is_error:
            raise _refusal(response)
        return _object(response)


class _told:  # noqa: N801 - reads as what it does
    """Turn what the client raises into what it means."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _where: object) -> None:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol):
            raise NotSentError(f"no connection ({error or type(error).__name__})") from error
        if isinstance(error, httpx.HTTPError | httpx.InvalidURL):
            raise NoAnswerError(f"no answer ({error or type(error).__name__})") from error


async def _lines(response: httpx.Response) -> AsyncGenerator[bytes]:
    """Lines of a body, one in memory at a time. Raises `NoAnswerError` for one beyond all reason."""
    rest = bytearray()
    async for part in response.aiter_bytes():
        *whole, last = part.split(b"\n")
        for piece in whole:
            rest += piece
            if rest.strip():
                yield bytes(rest)
            rest.clear()
        rest += last
        if len(rest) > MOST_LINE_BYTES:
            raise NoAnswerError(f"a result has more than {MOST_LINE_BYTES} bytes")
    if rest.strip():
        yield bytes(rest)


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        value = response.json()
    except ValueError as error:
        raise NoAnswerError("the answer is no JSON") from error
    if not isinstance(value, dict):
        raise NoAnswerError("the answer is no JSON object")
    return cast("Mapping[str, Any]", value)


def _refusal(response: httpx.Response) -> RefusedError:
    try:
        value = response.json()
    except ValueError:
        value = None
    if not isinstance(value, dict):
        value = {"type": "error", "error": {"type": "api_error", "message": response.text[:500]}}
    return RefusedError(
        response.status_code, cast("dict[str, Any]", value), _seconds(response.headers.get("retry-after"))
    )


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else max(float(text), 0.0)
    except ValueError:
        return None


def kind_of(body: Mapping[str, Any]) -> str:
    """The API's word for an error, such as `overloaded_error`."""
    return str(_error(body).get("type", ""))


def said(body: Mapping[str, Any]) -> str:
    """What the API says of an error."""
    return str(_error(body).get("message", ""))


def _error(body: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = body.get("error")
    return cast("Mapping[str, Any]", inner) if isinstance(inner, dict) else body


def _seen(value: Mapping[str, Any]) -> Seen:
    counts = value.get("request_counts")
    try:
        return Seen(
            api_id=str(value["id"]),
            ended=value.get("processing_status") == _ENDED,
            created_ns=_instant(value["created_at"]),
            ended_ns=_instant(value["ended_at"]) if value.get("ended_at") else None,
            counts={str(name): int(n) for name, n in counts.items()} if isinstance(counts, dict) else {},  # pyright: ignore
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NoAnswerError(f"the answer is no batch ({error})") from error


def _instant(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000
