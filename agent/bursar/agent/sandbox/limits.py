"""How much may be asked of the Batches API? Size and number of a creation, requests a minute, requests in the queue."""

import math
from dataclasses import dataclass

from bursar.agent.sandbox.errors import ApiError

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The API's own, but for rates, which depend on an organization's tier: None is no limit."""

    requests: int = 100_000  # of one batch
    size: int = 256 * 1024 * 1024  # bytes of one creation
    per_minute: int | None = None  # HTTP requests to the Batches API
    queued: int | None = None  # requests of batches that are not processed yet


class Turnstile:
    """Lets so many requests a minute through, spread evenly; a minute's worth may come at once after a quiet one."""

    def __init__(self, per_minute: int | None) -> None:
        self._per_minute = per_minute
        self._spoken_for = -math.inf  # up to when those let through fill the time, at even distances

    def enter(self, now: float) -> None:
        """Let one through at this time (seconds), or raise the API's 429 with when to come back."""
        if self._per_minute is None:
            return
        each_s = _MINUTE_S / self._per_minute
        wait_s = self._spoken_for + each_s - _MINUTE_S - now
        if wait_s > 0:
            raise _over_rate("requests to the Batches API per minute", self._per_minute, wait_s)
        self._spoken_for = max(self._spoken_for, now) + each_s


def check_queue(limit: int | None, queued: int, more: int, wait_s: float) -> None:
    """Raise the API's 429 where `more` requests have no place beside those queued; the next is done in `wait_s`."""
    if limit is not None and queued + more > limit:
        raise _over_rate("batch requests in the processing queue", limit, wait_s)


def too_large(limits: Limits) -> ApiError:
    """The API's 413 for a body over the limit."""
    return ApiError("request_too_large", f"Request exceeds the maximum size of {limits.size} bytes")


def too_many(limits: Limits, requests: int) -> ApiError:
    """The API's 413 for a batch of more requests than it takes."""
    return ApiError("request_too_large", f"A batch may have at most {limits.requests} requests, not {requests}")


def _over_rate(what: str, limit: int, wait_s: float) -> ApiError:
    message = f"This request would exceed your organization's rate limit of {limit} {what}."
    return ApiError("rate_limit_error", message, retry_after=str(max(math.ceil(wait_s), 1)))
