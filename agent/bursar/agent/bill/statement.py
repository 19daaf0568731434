"""What do the days of a report say was used, and what it costs?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from bursar.agent.bill.access import BillError
from bursar.agent.bill.adminapi import Bucket

NANO_PER_CENT = 10**7
DEFAULT_WORKSPACE = "default"
"""The API names the Default workspace, and the Console's own usage, with null."""
TOKENS, WEB_SEARCH = "tokens", "web_search"
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)
_PRIORITY = ("priority", "priority_on_demand")


@dataclass(frozen=True, slots=True)
class Used:
    """What one model used on one day in one workspace, by the labels of the ledger's own lines."""

    day: date
    model: str
    workspace: str
    priority: bool
    """Drawn from a commitment: such usage is in no cost report."""
    quantities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Billed:
    """An item of the cost report."""

    day: date
    kind: str
    """`tokens`, `web_search`, `code_execution`, `session_usage`, or what else the API names."""
    model: str
    """Empty for what is no model's."""
    workspace: str
    nano: Fraction


def used(buckets: Iterable[Bucket]) -> Iterator[Used]:
    """The usage report's items. Raises `BillError` for one that cannot be read."""
    for day, item in _items(buckets):
        try:
            yield _used(day, item)
        except _UNREADABLE as error:
            raise BillError(_unread("usage report", error)) from error


def billed(buckets: Iterable[Bucket]) -> Iterator[Billed]:
    """The cost report's items, cents made nano-dollars. Raises `BillError` for one that cannot be read."""
    for day, item in _items(buckets):
        try:
            yield _billed(day, item)
        except _UNREADABLE as error:
            raise BillError(_unread("cost report", error)) from error


def _items(buckets: Iterable[Bucket]) -> Iterator[tuple[date, dict[str, Any]]]:
    for bucket in buckets:
        try:
            day, results = date.fromisoformat(str(bucket["starting_at"])[:10]), list(bucket["results"])
        except _UNREADABLE as error:
            raise BillError(_unread("report", error)) from error
        for item in results:
            yield day, item


def _used(day: date, item: Mapping[str, Any]) -> Used:
    written: Mapping[str, Any] = item.get("cache_creation") or {}
    tools: Mapping[str, Any] = item.get("server_tool_use") or {}
    quantities = {
        "input": item["uncached_input_tokens"],
        "cache_read": item.get("cache_read_input_tokens"),
        "cache_write_5m": written.get("ephemeral_5m_input_tokens"),
        "cache_write_1h": written.get("ephemeral_1h_input_tokens"),
        "output": item["output_tokens"],
        "web_search": tools.get("web_search_requests"),
    }
    return Used(
        day,
        _text(item, "model"),
        _text(item, "workspace_id") or DEFAULT_WORKSPACE,
        item.get("service_tier") in _PRIORITY,
        {label: int(quantity) for label, quantity in quantities.items() if quantity},
    )


def _billed(day: date, item: Mapping[str, Any]) -> Billed:
    if item.get("currency", "USD") != "USD":
        raise BillError(f"the bill is in {item['currency']}, and the ledger in USD: they cannot be compared")
    return Billed(
        day,
        _text(item, "cost_type") or TOKENS,
        _text(item, "model"),
        _text(item, "workspace_id") or DEFAULT_WORKSPACE,
        Fraction(Decimal(item["amount"])) * NANO_PER_CENT,
    )


def _text(item: Mapping[str, Any], name: str) -> str:
    """Empty for what is null; raises TypeError for what is no text."""
    found = item.get(name) or ""
    if not isinstance(found, str):
        raise TypeError(f"{name} is no text")
    return found


def _unread(what: str, error: Exception) -> str:
    return f"an item of the {what} is not as documented ({type(error).__name__}: {error}): upgrade Bursar"
