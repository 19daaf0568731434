"""Claims about asking Anthropic's reports: page by page, slowly, and every no said with what to do."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from tests.agent.bill.adminserver import ADMIN, COST, USAGE, Reports, error, reports, usage_item

from bursar.agent.bill.access import Access, BillError, access_of
from bursar.agent.bill.adminapi import AdminApi

FIRST, NEXT = date(2026, 11, 1), date(2026, 11, 2)


@dataclass
class Clock:
    """A clock that only waiting moves."""

    now: float = 100.0
    waits: list[float] = field(default_factory=list[float])

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@contextmanager
def asking(*first: Response, key: str = ADMIN) -> Generator[tuple[AdminApi, Reports, Clock]]:
    clock = Clock()
    with reports(first) as (made, url), httpx.Client() as client:
        yield AdminApi(client, Access(url, key), clock=clock, sleep=clock.sleep), made, clock


def test_what_is_asked() -> None:
    """The version of the API that the fields are written for, whole days, and by what the ledger can be compared by."""
    with asking() as (api, made, _):
        assert len(list(api.usage(FIRST, NEXT))) == 1
        assert len(list(api.costs(FIRST, NEXT))) == 1
    (usage, costs) = made.asked
    assert (usage["path"], costs["path"]) == (USAGE, COST)
    assert usage["headers"]["anthropic-version"] == "2023-06-01"
    assert usage["headers"]["x-api-key"] == ADMIN
    assert usage["headers"]["user-agent"].startswith("bursar/")
    assert usage["query"] == [
        ("starting_at", "2026-11-01T00:00:00Z"),
        ("ending_at", "2026-11-02T00:00:00Z"),
        ("bucket_width", "1d"),
        ("limit", "31"),
        ("group_by[]", "model"),
        ("group_by[]", "workspace_id"),
        ("group_by[]", "service_tier"),
    ]
    assert [value for name, value in costs["query"] if name == "group_by[]"] == ["workspace_id", "description"]


def test_pages_at_one_a_second() -> None:
    """Seventy days are three pages of thirty-one, one request a second at most."""
    with asking() as (api, made, clock):
        made.used = {"2026-09-01": [usage_item("m", uncached=1)], "2026-11-09": [usage_item("m", uncached=2)]}
        buckets = list(api.usage(date(2026, 9, 1), date(2026, 11, 10)))
    assert len(buckets) == 70
    assert [item["uncached_input_tokens"] for bucket in buckets for item in bucket["results"]] == [1, 2]
    assert len(made.asked) == 3
    assert clock.waits == [1.0, 1.0]


@pytest.mark.parametrize(("header", "waits"), [("7", [7.0]), ("0.2", [1.0]), (None, [60.0])])
def test_waits_as_asked(header: str | None, waits: list[float]) -> None:
    """A 429 is waited for, never less than a second; one without Retry-After for a minute."""
    headers = None if header is None else {"retry-after": header}
    with asking(error(429, "rate_limit_error", "slow down", headers)) as (api, _, clock):
        assert len(list(api.costs(FIRST, NEXT))) == 1
    assert clock.waits == waits


LATER = {"retry-after": "5"}
REFUSALS: list[tuple[list[Callable[[], Response]], str, str]] = [
    ([], "sk-ant-api03-ordinary", "an ordinary API key cannot, an admin key can"),
    ([lambda: error(403, "permission_error", "not an admin")], ADMIN, "may not read the bill (403: not an admin)"),
    ([lambda: error(429, "r", "no", {"retry-after": "90"})], ADMIN, "try again in 90 seconds"),
    ([lambda: error(429, "r", "no", LATER)] * 3, ADMIN, "try again in 5 seconds"),
    ([lambda: error(400, "i", "starting_at: bad")], ADMIN, "400: starting_at: bad): check --since and --until"),
    ([lambda: error(404, "n", "Not found")], ADMIN, "leave ANTHROPIC_BASE_URL out"),
    ([lambda: error(529, "o", "Overloaded")], ADMIN, "out of order (529: Overloaded): try again later"),
    ([lambda: PlainTextResponse("<html>")], ADMIN, "answers with no JSON: check ANTHROPIC_BASE_URL"),
    ([lambda: JSONResponse({"data": 1})], ADMIN, "answers with no report"),
    ([lambda: JSONResponse({"data": [], "has_more": True})], ADMIN, "there is more and not where"),
]


@pytest.mark.parametrize(("answers", "key", "said"), REFUSALS)
def test_refusals(answers: list[Callable[[], Response]], key: str, said: str) -> None:
    """Every no is a sentence that says what to do."""
    with asking(*(answer() for answer in answers), key=key) as (api, _, _), pytest.raises(BillError) as caught:
        list(api.costs(FIRST, NEXT))
    assert said in str(caught.value)


def test_nobody_there() -> None:
    """An address that does not answer is named, and why a gateway may be in the way."""
    with httpx.Client() as client, pytest.raises(BillError, match=r"does not answer .* check the network"):
        list(AdminApi(client, Access("http://127.0.0.1:9", ADMIN)).usage(FIRST, NEXT))


def test_access() -> None:
    """Either name of the key, the address without its slash; and where to get a key from if there is none."""
    environ = {"ANTHROPIC_ADMIN_API_KEY": "b", "ANTHROPIC_BASE_URL": "http://x/"}
    assert access_of(environ) == Access("http://x", "b")
    assert access_of({**environ, "ANTHROPIC_ADMIN_KEY": "a"}).key == "a"
    with pytest.raises(BillError, match="no admin key: make one in the Claude Console"):
        access_of({"ANTHROPIC_API_KEY": "sk-ant-api03"})


def test_the_key_is_not_shown() -> None:
    """Not in a representation, and so in no traceback."""
    assert "secret" not in repr(Access("http://x", "secret"))
