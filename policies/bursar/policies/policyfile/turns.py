"""Which windows does a [[budget]] table ask for, and when do they turn?"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, available_timezones

from bursar.policies.amounts import AmountError, Limit, parse_duration, parse_limit
from bursar.policies.policyfile.fields import Fields
from bursar.policies.policyfile.mistakes import did_you_mean
from bursar.policies.windows import CALENDAR_WINDOWS, MIDNIGHT, OWN_WINDOWS, ROLLING, Anchor

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONGEST_ROLLING_SECONDS = 366 * 86_400.0
"""What was spent longer ago than this is not kept by the hour."""
SHORTEST_ROLLING_SECONDS = 60.0

_EXAMPLES = {"day": '"06:00"', "week": '"monday 06:00"', "month": '"15", or "15 06:00"'}
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def read_windows(fields: Fields) -> list[tuple[str, str, Limit]]:
    """
    The windows of a table, each with its limit and what it adds to the budget's name.

    `limit` and `every` for one, or `limits`, a table from window to limit, for several. None whose window is unclear.
    """
    if not fields.has("limits"):
        limit = fields.parsed("limit", parse_limit, Limit("usd", 0), 'limit = "50 USD"', required=True)
        every = fields.parsed("every", parse_every, None, 'every = "day"', required=True)
        return [("", every, limit)] if every is not None else []
    for key in ("limit", "every"):
        if fields.has(key):
            fields.wrong(key, f'"{key}" and "limits" exclude each other', 'take it out: "limits" names every window')
    example = 'limits = { day = "50 USD", month = "800 USD" }'
    found = [_one(fields, window, limit) for window, limit in fields.table("limits", example).items()]
    if fields.raw("limits") == {}:
        fields.wrong("limits", "it names no window", f"write {example}")
    return [window for window in found if window is not None]


def _one(fields: Fields, window: str, limit: object) -> tuple[str, str, Limit] | None:
    if not isinstance(limit, str):
        fields.wrong("limits", f'the limit of "{window}" is no text', f'write {{ {window} = "50 USD" }}')
        return None
    try:
        return f":{window.replace(' ', '-')}", parse_every(window), parse_limit(limit)
    except AmountError as error:
        fields.wrong("limits", error.problem, error.remedy)
        return None


def parse_every(text: str) -> str:
    """A window by its name, with single spaces. Raises AmountError."""
    text = " ".join(text.split())
    if text in (*CALENDAR_WINDOWS, *OWN_WINDOWS):
        return text
    if text.startswith(ROLLING):
        return _rolling(text)
    words = (*CALENDAR_WINDOWS, "rolling 24h", *OWN_WINDOWS)
    raise AmountError(f'"{text}" is no window', f"{did_you_mean(text, words)}the windows are {', '.join(words)}")


def _rolling(text: str) -> str:
    seconds = parse_duration(text.removeprefix(ROLLING))
    if not SHORTEST_ROLLING_SECONDS <= seconds <= LONGEST_ROLLING_SECONDS:
        raise AmountError(f'"{text}" is too short or too long', 'roll over a minute to 366 days, as in "rolling 24h"')
    return text


def read_begins(fields: Fields, windows: tuple[str, ...]) -> Anchor:
    """Where the calendar windows begin; a beginning that none of the windows has is a mistake."""
    text = fields.text("begins", 'begins = "monday 06:00"')
    if text is None:
        return MIDNIGHT
    day, _, clock = text.strip().lower().rpartition(" ")
    if ":" not in clock:
        day, clock = text.strip().lower(), ""
    day = day.strip()
    anchor = _anchor(day, clock)
    if anchor is None:
        remedy = "; ".join(f"{words} where a {kind} begins" for kind, words in _EXAMPLES.items())
        fields.wrong("begins", f'"{text}" is no beginning of a window', f"write {remedy}")
        return MIDNIGHT
    if windows:
        _note_unfit(fields, text, "week" if day in WEEKDAYS else "month" if day else None, windows)
    return anchor


def _anchor(day: str, clock: str) -> Anchor | None:
    found = _CLOCK.fullmatch(clock)
    if clock and found is None:
        return None
    minute = 60 * int(found[1]) + int(found[2]) if found else 0
    if day in WEEKDAYS:
        return Anchor(weekday=WEEKDAYS.index(day), minute=minute)
    if day.isdecimal() and 1 <= int(day) <= 31:
        return Anchor(day=int(day), minute=minute)
    return Anchor(minute=minute) if not day and clock else None


def _note_unfit(fields: Fields, text: str, needed: str | None, windows: tuple[str, ...]) -> None:
    """A beginning that no window of the budget has."""
    if needed is not None and needed not in windows:
        fields.wrong("begins", f'"{text}" begins a {needed}, and no window of this budget is one', "take it out")
    elif not any(kind in _EXAMPLES for kind in windows):
        fields.wrong("begins", "only a day, week or month begins at a time of its own", "take it out")


def read_budget_timezone(fields: Fields, windows: tuple[str, ...]) -> str | None:
    """The zone of one budget; a mistake where none of its windows turns by a clock."""
    name = read_timezone(fields)
    if name is not None and windows and not any(kind in CALENDAR_WINDOWS for kind in windows):
        fields.wrong("timezone", "no window of this budget turns by a clock", "take it out")
    return name


def read_timezone(fields: Fields) -> str | None:
    """The zone by whose clock windows turn; None where none is written."""
    name = fields.text("timezone", 'timezone = "Europe/Berlin"')
    if name is None or name == "UTC":
        return name
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # What zoneinfo raises depends on whether the name is unknown, no relative path, or a folder of the database.
        zones = available_timezones()
        remedy = did_you_mean(name, zones) + 'write an IANA name such as "Europe/Berlin", or "UTC"'
        fields.wrong(
            "timezone", f'"{name}" is no known time zone', remedy if zones else "install tzdata: there is no zone here"
        )
    return name
