"""Claims about `--since` and `--until`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from bursar.agent.commands.span_of_time import SpanError, parse_instant, parse_span

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)
SECOND = 10**9
NOON_1970_01_02 = (24 + 12) * 3600 * SECOND


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h", datetime(2026, 11, 22, 14, 30, tzinfo=UTC)),
        ("90m", datetime(2026, 11, 22, 14, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 15, 15, 30, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T15:00", datetime(2026, 11, 20, 15, tzinfo=UTC)),
        ("2026-11-20T15:00:00Z", datetime(2026, 11, 20, 15, tzinfo=UTC)),
        ("2026-11-20T15:00+02:00", datetime(2026, 11, 20, 13, tzinfo=UTC)),
    ],
)
def test_spans_dates_and_times(text: str, expected: datetime) -> None:
    """A span counts back from now; a date is its first instant; what names no zone is in UTC."""
    assert parse_instant(text, now=NOW) == expected
    assert parse_instant(text, now=NOW).tzinfo is UTC


def test_now_may_be_told_in_any_zone() -> None:
    """An hour ago is the same instant wherever the clock hangs."""
    there = NOW.astimezone(timezone(timedelta(hours=-8)))
    assert parse_instant("1h", now=there) == datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "yesterday", "7", "1 fortnight", "2026-13-01", "999999999999d"])
def test_what_names_no_time(text: str) -> None:
    """The sentence repeats the text and shows what can be written."""
    with pytest.raises(SpanError, match="names no time: write 1h, 7d, a date"):
        parse_instant(text, now=NOW)


def test_a_span_without_ends_is_everything_so_far() -> None:
    """From the epoch up to a second from now, so that what was just booked is in it."""
    assert parse_span(None, None, now=datetime(1970, 1, 2, 12, tzinfo=UTC)) == (0, NOON_1970_01_02 + SECOND)


def test_a_span_is_exact_to_the_microsecond() -> None:
    """In nanoseconds since the epoch."""
    span = parse_span("1970-01-01T00:00:01", "1970-01-01T00:00:02.000003", now=NOW)
    assert span == (SECOND, 2 * SECOND + 3_000)


@pytest.mark.parametrize(("since", "until"), [("2026-11-20", "2026-11-20"), ("1h", "2h"), ("2026-11-23", None)])
def test_a_span_runs_forward(since: str, until: str | None) -> None:
    """An end at or before the start is told, not an empty report."""
    with pytest.raises(SpanError, match=f"--since {since} is not before --until {until or 'now'}"):
        parse_span(since, until, now=NOW)
