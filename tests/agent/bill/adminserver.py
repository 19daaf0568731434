"""A server that answers as Anthropic's pages on the Usage and Cost reports say, and refuses as they say."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bursar.agent.sandbox.server import serving

ADMIN = "sk-ant-admin01-test"
USAGE, COST = "/v1/organizations/usage_report/messages", "/v1/organizations/cost_report"
_DAY = timedelta(days=1)
_MOST = 31
_GROUPS = {USAGE: {"model", "workspace_id", "service_tier"}, COST: {"workspace_id", "description"}}


def usage_item(model: str | None, *, uncached: int = 0, output: int = 0, **more: Any) -> dict[str, Any]:
    """An item of the usage report; all that is not named is as a plain request leaves it."""
    item = {
        "uncached_input_tokens": uncached,
        "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0},
        "cache_read_input_tokens": 0,
        "output_tokens": output,
        "server_tool_use": {"web_search_requests": 0},
        "model": model,
        "service_tier": "standard",
        "workspace_id": None,
        "api_key_id": None,
        "context_window": None,
    }
    return {**item, **more}


def cost_item(amount: str, model: str | None, *, cost_type: str = "tokens", **more: Any) -> dict[str, Any]:
    """An item of the cost report; `amount` in cents."""
    item = {
        "amount": amount,
        "currency": "USD",
        "cost_type": cost_type,
        "description": f"{model} Usage",
        "model": model,
        "service_tier": "standard",
        "token_type": "output_tokens",
        "workspace_id": None,
        "context_window": None,
    }
    return {**item, **more}


@dataclass
class Reports:
    """What stands in the reports, by day; and what was asked."""

    used: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    billed: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    first: list[Response] = field(default_factory=list[Response])
    """Answered before anything else."""
    asked: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])

    async def __call__(self, request: Request) -> Response:
        query = request.query_params
        self.asked.append({"path": request.url.path, "headers": dict(request.headers), "query": query.multi_items()})
        if self.first:
            return self.first.pop(0)
        if not request.headers.get("x-api-key", "").startswith("sk-ant-admin"):
            return error(401, "authentication_error", "invalid x-api-key")
        if request.headers.get("anthropic-version") != "2023-06-01":
            return error(400, "invalid_request_error", "anthropic-version: unknown version")
        if set(query.getlist("group_by[]")) != _GROUPS[request.url.path] or query["bucket_width"] != "1d":
            return error(400, "invalid_request_error", "group_by: these tests expect others")
        return JSONResponse(self._page(request))

    def _page(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        items = self.used if request.url.path == USAGE else self.billed
        end, limit = _date(query["ending_at"]), int(query.get("limit", 7))
        assert limit <= _MOST
        start = _date(query.get("page", query["starting_at"]).removeprefix("page_"))
        stop = min(start + limit * _DAY, end)
        days = [start + n * _DAY for n in range((stop - start).days)]
        more = stop < end
        return {
            "data": [
                {
                    "starting_at": f"{d}T00:00:00Z",
                    "ending_at": f"{d + _DAY}T00:00:00Z",
                    "results": items.get(str(d), []),
                }
                for d in days
            ],
            "has_more": more,
            "next_page": f"page_{stop}" if more else None,
        }


def error(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """As the API words its refusals."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return JSONResponse(body, status, headers)


@contextmanager
def reports(first: Iterable[Response] = ()) -> Generator[tuple[Reports, str]]:
    """The reports and their address, while the block lasts."""
    made = Reports(first=list(first))
    app = Starlette(routes=[Route(path, made.__call__, methods=["GET"]) for path in (USAGE, COST)])
    with serving(app) as url:
        yield made, url


def _date(text: str) -> date:
    return date.fromisoformat(text[:10])
