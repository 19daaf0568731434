"""Claims about how much may be asked of the Batches API."""

import pytest

from bursar.agent.sandbox.errors import ApiError
from bursar.agent.sandbox.limits import Turnstile, check_queue


def retry_after(turnstile: Turnstile, now: float) -> str | None:
    """When to come back; None for one that was let through."""
    try:
        turnstile.enter(now)
    except ApiError as error:
        return error.retry_after
    return None


def test_a_turnstile() -> None:
    """Two a minute: two at once, then one for each half minute, and never more than two saved up."""
    turnstile = Turnstile(2)
    asked = [0, 0, 0, 10, 30, 30, 1_000, 1_000, 1_000]
    assert [retry_after(turnstile, now) for now in asked] == [None, None, "30", "20", None, "30", None, None, "30"]


def test_it_refuses_as_the_api_does() -> None:
    """With a 429 that names the limit."""
    turnstile = Turnstile(1)
    turnstile.enter(0)
    with pytest.raises(ApiError, match="rate limit of 1 requests to the Batches API per minute") as caught:
        turnstile.enter(59.5)
    assert (caught.value.status, caught.value.kind, caught.value.retry_after) == (429, "rate_limit_error", "1")


def test_no_limit() -> None:
    """Any number."""
    turnstile = Turnstile(None)
    assert [retry_after(turnstile, 0) for _ in range(100)] == [None] * 100
    check_queue(None, 10**9, 1, 0)


def test_a_full_queue() -> None:
    """Is told with when the next request of it is done, in whole seconds."""
    check_queue(10, 6, 4, 1.5)
    with pytest.raises(ApiError, match="rate limit of 10 batch requests in the processing queue") as caught:
        check_queue(10, 6, 5, 1.5)
    assert (caught.value.status, caught.value.retry_after) == (429, "2")
