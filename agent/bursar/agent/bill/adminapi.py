"""What do Anthropic's Usage and Cost reports answer?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import httpx

from bursar.agent.bill.access import KEY, Access, BillError

VERSION = "2023-06-01"
"""Pinned: a later version of the API renames fields of the Admin API."""
USAGE_PATH, COST_PATH = "/v1/organizations/usage_report/messages", "/v1/organizations/cost_report"
BUCKETS = 31
"""Days in one answer: the most that may be asked for."""
PACE_SECONDS = 1.0
"""At most one request in so long: the reports are made for being looked at, not for being polled."""
PATIENCE_SECONDS = 60.0
"""A longer wait than this is the user's to decide on."""
TRIES = 3
_TIMEOUT_SECONDS = 30.0

Bucket = dict[str, Any]
"""One day of a report, as the API tells it."""
Parameters = Sequence[tuple[str, str]]


class AdminApi:
    """Asks page by page, slowly, and waits where it is asked to."""

    def __init__(
        self,
        client: httpx.Client,
        access: Access,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        tell: Callable[[str], object] = lambda _said: None,
    ) -> None:
        """`clock`: monotonic, in seconds; `tell` hears what a person who waits wants to know."""
        self._client = client
        self._access = access
        self._clock = clock
        self._sleep = sleep
        self._tell = tell
        self._next = clock()

    def usage(self, since: date, until: date) -> Iterator[Bucket]:
        """Tokens of each day, by model, workspace and service tier. Raises `BillError`."""
        return self._buckets(USAGE_PATH, since, until, ("model", "workspace_id", "service_tier"))

    def costs(self, since: date, until: date) -> Iterator[Bucket]:
        """What each day cost, by workspace and description, which brings the model. Raises `BillError`."""
        return self._buckets(COST_PATH, since, until, ("workspace_id", "description"))

    def _buckets(self, path: str, since: date, until: date, groups: Sequence[str]) -> Iterator[Bucket]:
        asked = [
            ("starting_at", f"{since}T00:00:00Z"),
            ("ending_at", f"{until}T00:00:00Z"),
            ("bucket_width", "1d"),
            ("limit", str(BUCKETS)),
            *(("group_by[]", name) for name in groups),
        ]
        page: str | None = None
        while True:
            answer = self._get(path, asked if page is None else [*asked, ("page", page)])
            yield from answer["data"]
            if not answer.get("has_more"):
                return
            before, page = page, answer.get("next_page")
            if not isinstance(page, str) or page == before:
                raise BillError(f"{path} says that there is more and not where: try again, or with a shorter --since")

    def _get(self, path: str, asked: Parameters) -> dict[str, Any]:
        for left in reversed(range(TRIES)):
            self._wait()
            response = self._response(path, asked)
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                self._stand_back(response, left)
            elif response.is_success:
                return _document(path, response)
            else:
                raise BillError(_refusal(path, response))
        raise AssertionError("the last try returns or raises")

    def _response(self, path: str, asked: Parameters) -> httpx.Response:
        headers = {
            "x-api-key": self._access.key,
            "anthropic-version": VERSION,
            "user-agent": f"bursar/{version('bursar')}",
        }
        url = f"{self._access.base_url}{path}"
        try:
            return self._client.get(url, params=list(asked), headers=headers, timeout=_TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BillError(
                f"{self._access.base_url} does not answer ({error or type(error).__name__}): check the network, and "
                "ANTHROPIC_BASE_URL where it is set (a gateway rarely passes admin requests on)"
            ) from error

    def _wait(self) -> None:
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(self._next, now) + PACE_SECONDS

    def _stand_back(self, response: httpx.Response, left: int) -> None:
        seconds = _seconds(response.headers.get("retry-after"))
        if not left or seconds > PATIENCE_SECONDS:
            raise BillError(
                f"Anthropic's reports are asked for too often (429): try again in {seconds:g} seconds, and not more "
                "than once a minute from a schedule"
            )
        self._tell(f"asked to wait {seconds:g} seconds (429)")
        self._next = max(self._next, self._clock() + seconds)


def _seconds(retry_after: str | None) -> float:
    """Of a header that is absent, or a date, a minute: what the API's pages ask of those who ask again and again."""
    try:
        return max(float(retry_after or ""), PACE_SECONDS)
    except ValueError:
        return PATIENCE_SECONDS


def _document(path: str, response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ValueError as error:
        raise BillError(f"{path} answers with no JSON: check ANTHROPIC_BASE_URL") from error
    if not isinstance(document, dict) or not isinstance(document.get("data"), list):  # pyright: ignore[reportUnknownMemberType]
        raise BillError(f"{path} answers with no report: check ANTHROPIC_BASE_URL")
    return document  # pyright: ignore[reportUnknownVariableType]


def _refusal(path: str, response: httpx.Response) -> str:
    said = _said(response)
    status = response.status_code
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return (
            f"the key in {KEY} may not read the bill ({status}: {said}): an ordinary API key cannot, an admin key can "
            "(it begins with sk-ant-admin; Claude Console, Settings, Admin keys), and individual accounts have none"
        )
    if status == HTTPStatus.NOT_FOUND:
        return f"there is no {path} at this address ({said}): leave ANTHROPIC_BASE_URL out, a gateway has no reports"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"Anthropic's reports are out of order ({status}: {said}): try again later"
    return f"{path} refuses the question ({status}: {said}): check --since and --until, or upgrade Bursar"


def _said(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase or "no reason given"
