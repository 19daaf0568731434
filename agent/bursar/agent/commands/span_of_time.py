"""Which stretch of time do `--since` and `--until` name?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bursar.policies.amounts import AmountError, parse_duration

_EPOCH = datetime.fromtimestamp(0, UTC)


class SpanError(ValueError):
    """A stretch of time that cannot be; the text says what is wrong and what to write."""


def parse_instant(text: str, *, now: datetime) -> datetime:
    """
    `1h` or `7d` before now, `2026-11-20` (its first instant) or `2026-11-20T15:00`, in UTC.

    Dates and times without an offset are UTC's, as on Anthropic's bills. Raises `SpanError`.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return _before(text, now)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def parse_span(since: str | None, until: str | None, *, now: datetime) -> tuple[int, int]:
    """
    From `since` up to, and without, `until`, in nanoseconds since the epoch.

    Absent, they are the beginning of time and a second from now, so that what was just booked is in it. Raises
    `SpanError`, also where the one is not before the other.
    """
    start = _EPOCH if since is None else parse_instant(since, now=now)
    end = now.astimezone(UTC) + timedelta(seconds=1) if until is None else parse_instant(until, now=now)
    if start >= end:
        raise SpanError(f"--since {since} is not before --until {until or 'now'}: swap them, or leave one out")
    return _nanoseconds(start), _nanoseconds(end)


def _before(text: str, now: datetime) -> datetime:
    try:
        return now.astimezone(UTC) - timedelta(seconds=parse_duration(text))
    except (AmountError, OverflowError) as error:
        raise SpanError(f'"{text}" names no time: write 1h, 7d, a date (2026-11-20) or 2026-11-20T15:00') from error


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
