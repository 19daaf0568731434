"""Claims about which batches and pages may be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bursar.agent.sandbox.batch import Item
from bursar.agent.sandbox.batch_request import PageRequest, parse_items, parse_page, read_body
from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.limits import Limits


def asked(*custom_ids: Any) -> dict[str, Any]:
    return {"requests": [{"custom_id": custom_id, "params": {}} for custom_id in custom_ids]}


def test_items_keep_their_order_and_params() -> None:
    """Params are not looked at: a mistake in them comes out when the batch has ended."""
    body: dict[str, Any] = {
        "requests": [{"custom_id": "b", "params": {"model": 7}}, {"custom_id": "a_-9", "params": {}}]
    }
    assert parse_items(body, Limits()) == (Item("b", {"model": 7}), Item("a_-9", {}))


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "requests: Field required"),
    ({"requests": {}}, "requests: Input should be a valid list"),
    ({"requests": []}, "requests: List should have at least 1 item after validation, not 0"),
    ({"requests": ["x"]}, "requests.0: Input should be an object"),
    ({"requests": [{"params": {}}]}, "requests.0.custom_id: Field required"),
    ({"requests": [{"custom_id": "a"}]}, "requests.0.params: Field required"),
    ({"requests": [{"custom_id": "a", "params": []}]}, "requests.0.params: Input should be an object"),
    (asked(1), "requests.0.custom_id: Input should be a valid string"),
    (asked("a", "b c"), "requests.1.custom_id: String should match pattern"),
    (asked(""), "requests.0.custom_id: String should match pattern"),
    (asked("a\n"), "requests.0.custom_id: String should match pattern"),
    (asked("x" * 65), "requests.0.custom_id: String should have at most 64 characters"),
    (asked("a", "b", "a"), "requests.2.custom_id: 'a' is not unique within the batch"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED)
def test_refused_batches(body: dict[str, Any], message: str) -> None:
    """Each mistake is a 400 that names its place."""
    with pytest.raises(ApiError) as caught:
        parse_items(body, Limits())
    assert (caught.value.status, caught.value.kind) == (400, "invalid_request_error")
    assert caught.value.message.startswith(message)


def test_longest_custom_id() -> None:
    """64 characters are allowed."""
    assert parse_items(asked("x" * 64), Limits())[0].custom_id == "x" * 64


def test_most_requests() -> None:
    """As many as the limit are taken, 100,000 with the API's own; one more is a 413."""
    assert Limits().requests == 100_000
    limits = Limits(requests=3)
    assert len(parse_items(asked("a", "b", "c"), limits)) == 3
    with pytest.raises(ApiError, match="at most 3 requests, not 4") as caught:
        parse_items(asked("a", "b", "c", "d"), limits)
    assert (caught.value.status, caught.value.kind) == (413, "request_too_large")


def body_of(*chunks: bytes, size: int = 3) -> bytes:
    async def come() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    return asyncio.run(read_body(come(), Limits(size=size)))


def test_size() -> None:
    """A body beyond the limit, 256 MB, is a 413."""
    assert Limits().size == 256 * 1024 * 1024
    assert body_of(b"1", b"23") == b"123"
    with pytest.raises(ApiError) as caught:
        body_of(b"12", b"34")
    assert (caught.value.status, caught.value.kind) == (413, "request_too_large")


@pytest.mark.parametrize(
    ("query", "page"),
    [
        ({}, PageRequest(20, None, None)),
        ({"limit": "1"}, PageRequest(1, None, None)),
        ({"limit": "1000", "after_id": "b"}, PageRequest(1_000, "b", None)),
        ({"before_id": "b", "beta": "true"}, PageRequest(20, None, "b")),
    ],
)
def test_pages(query: dict[str, str], page: PageRequest) -> None:
    """Twenty unless told otherwise."""
    assert parse_page(query) == page


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": "0"}, "limit: Input should be a whole number from 1 to 1000"),
        ({"limit": "1001"}, "limit: Input"),
        ({"limit": "-1"}, "limit: Input"),
        ({"limit": "ten"}, "limit: Input"),
        ({"after_id": "a", "before_id": "b"}, "before_id: cannot be combined with `after_id`"),
    ],
)
def test_refused_pages(query: dict[str, str], message: str) -> None:
    """Out of range, or in two directions at once."""
    with pytest.raises(ApiError) as caught:
        parse_page(query)
    assert caught.value.message.startswith(message)
