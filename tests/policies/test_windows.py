"""Windows: calendar stretches in a time zone, whatever its clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.policies.windows import CALENDAR_WINDOWS, Anchor, Window, own_window, rolling_window, window_at


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DAYS = [
    # zone, an instant within, start, end, hours
    ("UTC", "2026-11-22T00:00", "2026-11-22T00:00", "2026-11-23T00:00", 24),
    ("Asia/Tokyo", "2026-11-22T10:00", "2026-11-21T15:00", "2026-11-22T15:00", 24),
    ("Asia/Tokyo", "2026-11-22T15:00", "2026-11-22T15:00", "2026-11-23T15:00", 24),
    ("Asia/Kolkata", "2026-11-22T18:29:59", "2026-11-21T18:30", "2026-11-22T18:30", 24),
    ("Asia/Kolkata", "2026-11-22T18:30", "2026-11-22T18:30", "2026-11-23T18:30", 24),
    ("Europe/Berlin", "2026-11-22T12:00", "2026-11-21T23:00", "2026-11-22T23:00", 24),
    ("Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00", 23),
    ("Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00", 25),
    ("America/New_York", "2026-03-08T12:00", "2026-03-08T05:00", "2026-03-09T04:00", 23),
    ("America/New_York", "2026-11-01T12:00", "2026-11-01T04:00", "2026-11-02T05:00", 25),
    ("Europe/Berlin", "2028-02-29T12:00", "2028-02-28T23:00", "2028-02-29T23:00", 24),
    # Midnight does not exist: the day begins where the clock jumps to one o'clock.
    ("America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04T03:00", "2018-11-05T02:00", 23),
    ("America/Sao_Paulo", "2018-11-04T02:59:59", "2018-11-03T03:00", "2018-11-04T03:00", 24),
    ("Asia/Beirut", "2022-03-27T12:00", "2022-03-26T22:00", "2022-03-27T21:00", 23),
    # The clock jumps over midnight from 23:30 to 00:30.
    ("America/Toronto", "1919-03-31T04:30", "1919-03-31T04:30", "1919-04-01T04:00", 23.5),
    ("America/Toronto", "1919-03-31T04:29:59", "1919-03-30T05:00", "1919-03-31T04:30", 23.5),
    # 30 December 2011 was left out altogether.
    ("Pacific/Apia", "2011-12-30T09:59:59", "2011-12-29T10:00", "2011-12-30T10:00", 24),
    ("Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00", 24),
    # Midnight comes twice: the first one counts.
    ("America/Havana", "2026-11-01T05:30", "2026-11-01T04:00", "2026-11-02T05:00", 25),
    # A minute past midnight the clock goes back into yesterday, which does not open again.
    ("America/St_Johns", "2010-11-07T03:00", "2010-11-07T02:30", "2010-11-08T03:30", 25),
]


@pytest.mark.parametrize(("zone", "at", "start", "end", "hours"), DAYS)
def test_a_day_lasts_from_local_midnight_to_the_next(zone: str, at: str, start: str, end: str, hours: float) -> None:
    """23 or 25 hours where the clock changes, and a skipped midnight is where the clock jumps."""
    window = window_at("day", utc(at), ZoneInfo(zone))
    assert window == Window("day", utc(start), utc(end))
    assert window.start is not None
    assert window.end is not None
    assert window.end - window.start == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("every", "zone", "at", "start", "end"),
    [
        ("week", "Europe/Berlin", "2026-11-22T22:59:59", "2026-11-15T23:00", "2026-11-22T23:00"),
        ("week", "Europe/Berlin", "2026-11-22T23:00", "2026-11-22T23:00", "2026-11-29T23:00"),
        ("week", "UTC", "2027-01-01T08:00", "2026-12-28T00:00", "2027-01-04T00:00"),
        ("week", "America/New_York", "2026-11-01T12:00", "2026-10-26T04:00", "2026-11-02T05:00"),
        ("month", "UTC", "2026-10-31T23:59:59", "2026-10-01T00:00", "2026-11-01T00:00"),
        ("month", "UTC", "2026-11-30T23:59:59", "2026-11-01T00:00", "2026-12-01T00:00"),
        ("month", "UTC", "2026-12-31T12:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("month", "UTC", "2027-02-28T12:00", "2027-02-01T00:00", "2027-03-01T00:00"),
        ("month", "Europe/Berlin", "2028-02-29T12:00", "2028-01-31T23:00", "2028-02-29T23:00"),
        ("month", "Europe/Berlin", "2026-10-15T12:00", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("month", "Asia/Tokyo", "2026-10-31T15:00", "2026-10-31T15:00", "2026-11-30T15:00"),
    ],
)
def test_weeks_begin_on_monday_and_months_on_the_first(every: str, zone: str, at: str, start: str, end: str) -> None:
    """Both at local midnight, also where the offset differs between their ends."""
    assert window_at(every, utc(at), ZoneInfo(zone)) == Window(every, utc(start), utc(end))


@pytest.mark.parametrize(
    ("zone", "at", "start", "end"),
    [
        ("UTC", "2026-11-22T10:59:59.999999", "2026-11-22T10:00", "2026-11-22T11:00"),
        ("Asia/Kolkata", "2026-11-22T10:15", "2026-11-22T09:30", "2026-11-22T10:30"),
        ("Asia/Kolkata", "2026-11-22T10:30", "2026-11-22T10:30", "2026-11-22T11:30"),
        ("Asia/Kathmandu", "2026-11-22T10:14:59", "2026-11-22T09:15", "2026-11-22T10:15"),
        ("America/St_Johns", "2026-11-22T10:15", "2026-11-22T09:30", "2026-11-22T10:30"),
        # 01:30 comes twice in New York, in two different hours.
        ("America/New_York", "2026-11-01T05:30", "2026-11-01T05:00", "2026-11-01T06:00"),
        ("America/New_York", "2026-11-01T06:30", "2026-11-01T06:00", "2026-11-01T07:00"),
        # Two o'clock does not come: the hour after 01:59 is the one from three.
        ("America/New_York", "2026-03-08T06:59:59", "2026-03-08T06:00", "2026-03-08T07:00"),
        ("America/New_York", "2026-03-08T07:00", "2026-03-08T07:00", "2026-03-08T08:00"),
        # Lord Howe changes by half an hour, and so one hour is cut in two.
        ("Australia/Lord_Howe", "2026-04-04T14:40", "2026-04-04T14:00", "2026-04-04T15:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:10", "2026-04-04T15:00", "2026-04-04T15:30"),
        ("Australia/Lord_Howe", "2026-04-04T15:30", "2026-04-04T15:30", "2026-04-04T16:30"),
        ("Australia/Lord_Howe", "2026-10-03T15:20", "2026-10-03T14:30", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-10-03T15:40", "2026-10-03T15:30", "2026-10-03T16:00"),
        # Kathmandu went from +5:30 to +5:45 on New Year 1986, at 18:30 UTC.
        ("Asia/Kathmandu", "1985-12-31T18:31", "1985-12-31T18:30", "1985-12-31T19:15"),
    ],
)
def test_hours_begin_when_the_local_clock_shows_a_whole_one(zone: str, at: str, start: str, end: str) -> None:
    """One elapsed hour each, cut only where the clock change moves the minutes."""
    assert window_at("hour", utc(at), ZoneInfo(zone)) == Window("hour", utc(start), utc(end))


def test_a_local_instant_is_read_with_its_fold() -> None:
    """The second half past one of the night the clock goes back is an hour after the first."""
    zone = ZoneInfo("America/New_York")
    first = datetime(2026, 11, 1, 1, 30, tzinfo=zone)
    assert window_at("hour", first, zone).window_id == "2026-11-01T05:00:00Z"
    assert window_at("hour", first.replace(fold=1), zone).window_id == "2026-11-01T06:00:00Z"


def test_the_id_is_the_start_in_utc() -> None:
    """Whatever zone the start is written in."""
    assert window_at("day", utc("2026-11-22T12:00"), ZoneInfo("Europe/Berlin")).window_id == "2026-11-21T23:00:00Z"
    berlin = datetime(2026, 11, 22, tzinfo=ZoneInfo("Europe/Berlin"))
    assert Window("run", berlin, None).window_id == "2026-11-21T23:00:00Z"


@pytest.mark.parametrize("every", ["rolling 24h", "conversation", "run", "year", ""])
def test_what_has_no_calendar_is_refused(every: str) -> None:
    """Instead of being taken for some other window."""
    with pytest.raises(ValueError, match="use one of hour, day, week, month"):
        window_at(every, utc("2026-11-22T12:00"), UTC)


def test_an_instant_without_a_zone_is_refused() -> None:
    """It could be any of 26 hours."""
    with pytest.raises(ValueError, match="pass an aware datetime"):
        window_at("day", datetime(2026, 11, 22, 12), UTC)  # noqa: DTZ001 - that it is naive is the point


ZONES = [
    "UTC",
    "Africa/Casablanca",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
]


ANCHORED = [
    # window, zone, anchor, an instant within, start, end
    ("day", "UTC", Anchor(minute=360), "2026-11-22T05:59:59", "2026-11-21T06:00", "2026-11-22T06:00"),
    ("day", "UTC", Anchor(minute=360), "2026-11-22T06:00", "2026-11-22T06:00", "2026-11-23T06:00"),
    ("day", "Asia/Tokyo", Anchor(minute=540), "2026-11-22T12:00", "2026-11-22T00:00", "2026-11-23T00:00"),
    ("day", "Asia/Kolkata", Anchor(minute=330), "2026-11-22T12:00", "2026-11-22T00:00", "2026-11-23T00:00"),
    # Half past two does not come in New York on 8 March: the day begins where the clock jumps over it.
    ("day", "America/New_York", Anchor(minute=150), "2026-03-08T12:00", "2026-03-08T07:00", "2026-03-09T06:30"),
    ("day", "America/New_York", Anchor(minute=150), "2026-03-08T06:59:59", "2026-03-07T07:30", "2026-03-08T07:00"),
    # Half past one comes twice on 1 November: the first counts, and the second hour opens nothing again.
    ("day", "America/New_York", Anchor(minute=90), "2026-11-01T06:15", "2026-11-01T05:30", "2026-11-02T06:30"),
    # Lord Howe's half hour: a quarter past two is skipped in October, and three quarters past one comes twice in April.
    ("day", "Australia/Lord_Howe", Anchor(minute=135), "2026-10-03T20:00", "2026-10-03T15:30", "2026-10-04T15:15"),
    ("day", "Australia/Lord_Howe", Anchor(minute=105), "2026-04-04T15:10", "2026-04-04T14:45", "2026-04-05T15:15"),
    ("week", "UTC", Anchor(weekday=6), "2026-11-22T00:00", "2026-11-22T00:00", "2026-11-29T00:00"),
    ("week", "UTC", Anchor(weekday=6), "2026-11-21T23:59:59", "2026-11-15T00:00", "2026-11-22T00:00"),
    ("week", "UTC", Anchor(weekday=6, minute=720), "2026-11-22T11:00", "2026-11-15T12:00", "2026-11-22T12:00"),
    ("week", "Asia/Tokyo", Anchor(weekday=2), "2026-11-22T12:00", "2026-11-17T15:00", "2026-11-24T15:00"),
    ("month", "UTC", Anchor(day=15), "2026-11-14T23:59:59", "2026-10-15T00:00", "2026-11-15T00:00"),
    ("month", "UTC", Anchor(day=15, minute=60), "2026-11-15T00:30", "2026-10-15T01:00", "2026-11-15T01:00"),
    # A month from the 31st begins on the last day of a shorter one.
    ("month", "UTC", Anchor(day=31), "2027-02-27T12:00", "2027-01-31T00:00", "2027-02-28T00:00"),
    ("month", "UTC", Anchor(day=31), "2027-02-28T12:00", "2027-02-28T00:00", "2027-03-31T00:00"),
    ("month", "UTC", Anchor(day=31), "2028-02-29T00:00", "2028-02-29T00:00", "2028-03-31T00:00"),
    ("month", "UTC", Anchor(day=31), "2026-12-31T00:00", "2026-12-31T00:00", "2027-01-31T00:00"),
    ("month", "UTC", Anchor(day=29), "2028-02-29T12:00", "2028-02-29T00:00", "2028-03-29T00:00"),
    ("month", "UTC", Anchor(day=30), "2026-05-30T00:00", "2026-05-30T00:00", "2026-06-30T00:00"),
]


@pytest.mark.parametrize(("every", "zone", "anchor", "at", "start", "end"), ANCHORED)
def test_a_window_begins_where_its_anchor_says(
    every: str, zone: str, anchor: Anchor, at: str, start: str, end: str
) -> None:
    """An hour of the day, a day of the week, a day of a fiscal month."""
    assert window_at(every, utc(at), ZoneInfo(zone), anchor) == Window(every, utc(start), utc(end))


def test_windows_without_a_calendar_have_names() -> None:
    """Nothing in the name of a conversation can be taken for the rest of a key."""
    assert rolling_window("rolling 24h").window_id == "rolling 24h"
    assert own_window("run", "r1").window_id == "run r1"
    assert own_window("conversation", "a|b,c%").window_id == "conversation a%7Cb%2Cc%25"
    assert (rolling_window("rolling 24h").start, own_window("run", "r1").end) == (None, None)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(
    every=st.sampled_from(CALENDAR_WINDOWS),
    zone=st.sampled_from(ZONES),
    anchor=st.builds(Anchor, st.integers(0, 6), st.integers(1, 31), st.integers(0, 1439)),
    at=st.datetimes(datetime(1985, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
)
def test_windows_follow_each_other_without_gap_or_overlap(every: str, zone: str, anchor: Anchor, at: datetime) -> None:
    """An instant is in its window, every instant of a window names it, and the next begins where it ends."""
    tz = ZoneInfo(zone)
    window = window_at(every, at, tz, anchor)
    assert window.start is not None
    assert window.end is not None
    assert window.start <= at < window.end
    assert window_at(every, window.start, tz, anchor) == window
    assert window_at(every, window.end - timedelta(seconds=1), tz, anchor) == window
    assert window_at(every, window.end, tz, anchor).start == window.end
