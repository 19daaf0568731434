"""What do the Usage and Cost reports tell of what was billed since the sandbox began?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from starlette.datastructures import Headers, QueryParams

from bursar.agent.sandbox.bill import Usage, class_pico
from bursar.agent.sandbox.errors import ApiError, invalid
from bursar.agent.sandbox.tables import Model

ADMIN_KEY = "sk-ant-admin"
"""How an admin key begins; any of these will do."""
_PICO_PER_CENT = 10**10
_DEFAULT_DAYS, _MOST_DAYS = 7, 31
_DAY = timedelta(days=1)
_GROUPS = frozenset(("model", "workspace_id", "service_tier", "description"))

Kind = tuple[date, str, str]
"""Day in UTC, model and service tier. Everything is the Default workspace's, which the API names null."""


class Reports:
    """Sums by day, model and service tier, kept from the first request on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds since the epoch."""
        self._clock = clock
        self._tokens: dict[Kind, Counter[str]] = defaultdict(Counter)
        self._pico: dict[Kind, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))

    def count(self, model: Model, usage: Usage, sign: int) -> None:
        """Take a request's usage in, or with -1 out again."""
        kind = (datetime.fromtimestamp(self._clock(), UTC).date(), model.id, usage.service_tier)
        tokens = self._tokens[kind]
        for name in ("input", "write_5m", "write_1h", "read", "output"):
            tokens[name] += sign * getattr(usage, name)
        for name, pico in class_pico(model, usage).items():
            self._pico[kind][name] += sign * pico

    def usage(self, headers: Headers, asked: QueryParams) -> dict[str, Any]:
        """A page of the Messages usage report, always by model and service tier."""
        return _page(headers, asked, self._used_on)

    def costs(self, headers: Headers, asked: QueryParams) -> dict[str, Any]:
        """A page of the cost report, always by description."""
        return _page(headers, asked, self._billed_on)

    def _used_on(self, day: date) -> Iterator[dict[str, Any]]:
        for (on, model, tier), tokens in sorted(self._tokens.items()):
            if on == day:
                yield {
                    "uncached_input_tokens": tokens["input"],
                    "cache_creation": {
                        "ephemeral_1h_input_tokens": tokens["write_1h"],
                        "ephemeral_5m_input_tokens": tokens["write_5m"],
                    },
                    "cache_read_input_tokens": tokens["read"],
                    "output_tokens": tokens["output"],
                    "server_tool_use": {"web_search_requests": 0},
                    "model": model,
                    "service_tier": tier,
                    **dict.fromkeys(("api_key_id", "workspace_id", "context_window", "inference_geo")),
                }

    def _billed_on(self, day: date) -> Iterator[dict[str, Any]]:
        for (on, model, tier), classes in sorted(self._pico.items()):
            for name, pico in classes.items():
                if on == day and pico:
                    yield {
                        "amount": _cents(pico),
                        "currency": "USD",
                        "cost_type": "tokens",
                        "description": f"{model} Usage - {name}",
                        "model": model,
                        "service_tier": tier,
                        "token_type": name,
                        **dict.fromkeys(("workspace_id", "context_window", "inference_geo")),
                    }


def _page(headers: Headers, asked: QueryParams, on: Callable[[date], Iterator[dict[str, Any]]]) -> dict[str, Any]:
    if not headers.get("x-api-key", "").startswith(ADMIN_KEY):
        raise ApiError("authentication_error", "invalid x-api-key")
    if not headers.get("anthropic-version"):
        raise invalid("anthropic-version", "header is required")
    unknown = set(asked.getlist("group_by[]")) - _GROUPS
    if unknown:
        raise invalid("group_by", f"the sandbox does not group by {', '.join(sorted(unknown))}")
    start, end = _day(asked, "page", "starting_at"), _day(asked, "ending_at")
    wanted = asked.get("limit", str(_DEFAULT_DAYS))
    limit = int(wanted) if wanted.isascii() and wanted.isdigit() else 0
    if not 1 <= limit <= _MOST_DAYS:
        raise invalid("limit", f"must be from 1 to {_MOST_DAYS} for a bucket_width of 1d")
    stop = min(end, start + limit * _DAY)
    days = [start + n * _DAY for n in range((stop - start).days)]
    buckets = [
        {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + _DAY}T00:00:00Z", "results": list(on(day))}
        for day in days
    ]
    more = stop < end
    return {"data": buckets, "has_more": more, "next_page": f"page_{stop}" if more else None}


def _day(asked: QueryParams, *names: str) -> date:
    """The day of the first of these that was sent."""
    for name in names:
        if name in asked:
            try:
                return date.fromisoformat(asked[name].removeprefix("page_")[:10])
            except ValueError as error:
                raise invalid(name, "not a valid timestamp") from error
    raise invalid(names[-1], "field required")


def _cents(pico: Fraction) -> str:
    """Exact: every factor of a price is a decimal one."""
    return f"{Decimal(pico.numerator) / Decimal(pico.denominator * _PICO_PER_CENT):f}"
