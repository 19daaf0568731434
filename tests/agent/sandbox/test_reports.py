"""Claims about the sandbox's reports: what they add up to is what it billed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.agent.sandbox.conftest import Stage

USAGE, COST = "/v1/organizations/usage_report/messages", "/v1/organizations/cost_report"
ADMIN = {"x-api-key": "sk-ant-admin01-any", "anthropic-version": "2023-06-01"}
SPAN = {"starting_at": "1970-01-12T00:00:00Z", "ending_at": "1970-01-14T00:00:00Z"}
"""The stage's clock stands at a million seconds: on 1970-01-12."""


def report(stage: Stage, path: str, headers: dict[str, str] | None = None, **asked: Any) -> httpx.Response:
    return httpx.get(f"{stage.url}{path}", params={**SPAN, **asked}, headers=headers or ADMIN)


def test_the_reports_are_the_bill(stage: Stage) -> None:
    """A plain call, a stream and a day later another model: cents times ten million are the bill's nano-dollars."""
    stage.client.messages.create(model="claude-opus-5-5", max_tokens=9, messages=[{"role": "user", "content": "hello"}])
    list(
        stage.client.messages.create(
            model="claude-opus-5-5", max_tokens=9, messages=[{"role": "user", "content": "hello"}], stream=True
        )
    )
    stage.clock.now += 86_400
    stage.client.messages.create(
        model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
    )
    days = report(stage, COST).json()["data"]
    cents = [[Decimal(item["amount"]) for item in day["results"]] for day in days]
    assert sum(sum(day) for day in cents) * 10**7 == stage.bill["nano_usd"]
    assert [day["results"][0]["model"] for day in days] == ["claude-opus-5-5", "claude-haiku-5-5"]
    first, second = (day["results"] for day in report(stage, USAGE).json()["data"])
    assert [item["model"] for item in (*first, *second)] == ["claude-opus-5-5", "claude-haiku-5-5"]
    assert first[0]["uncached_input_tokens"] == 2 * second[0]["uncached_input_tokens"] > 0


def test_pages(stage: Stage) -> None:
    """A page of one day names the next."""
    page = report(stage, USAGE, limit=1).json()
    assert (page["has_more"], page["next_page"]) == (True, "page_1970-01-13")
    last = report(stage, USAGE, limit=1, page=page["next_page"]).json()
    assert (last["has_more"], last["data"][0]["starting_at"]) == (False, "1970-01-13T00:00:00Z")


@pytest.mark.parametrize(
    ("headers", "asked", "status"),
    [
        ({"x-api-key": "sk-ant-api03", "anthropic-version": "2023-06-01"}, {}, 401),
        ({"x-api-key": "sk-ant-admin"}, {}, 400),
        (ADMIN, {"limit": 32}, 400),
        (ADMIN, {"limit": "many"}, 400),
        (ADMIN, {"starting_at": "yesterday"}, 400),
        (ADMIN, {"group_by[]": "mood"}, 400),
    ],
)
def test_refusals(stage: Stage, headers: dict[str, str], asked: dict[str, Any], status: int) -> None:
    """An ordinary key, no version, too much, no time, no such group."""
    assert report(stage, COST, headers, **asked).status_code == status
