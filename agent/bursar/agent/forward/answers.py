"""What became of spans that were sent: taken, refused for good, or to be sent again, and when?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

import httpx

TIMEOUT_SECONDS = 15.0
"""For the whole of an answer."""

FIRST_DELAY_SECONDS = 1
LONGEST_DELAY_SECONDS = 300
LONGEST_ASKED_SECONDS = 3600
"""A receiver that asks to be left alone for longer is asked again after this all the same."""

POISON_STATUSES = frozenset((400, 413, 422))
"""These speak of what was sent. Any other refusal (a wrong key, a wrong path) can be mended, and is waited for."""

_SECOND = 10**9
_MOST_SAID = 200
_MOST_READ = 10_000


class Verdict(StrEnum):
    """What is to be done next."""

    DONE = "done"
    """Nothing: what became of each span is told."""
    LATER = "later"
    """Send what is left again after a while."""
    POISON = "poison"
    """Something in it is refused for good, and nobody says what: send it in parts."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver made of one request."""

    verdict: Verdict
    sent: int = 0
    refused: int = 0
    passed_over: int = 0
    """Spans that this receiver is not meant to get."""
    left: tuple[int, ...] | None = None
    """Places of the spans that are to be sent again; None: all of them."""
    said: str | None = None
    """Why, in the receiver's words; without secrets."""
    retry_after: float | None = None
    """The seconds that it asked to wait."""


class Scrubber:
    """Takes secrets out of what others say, before it is kept or told."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._secrets = tuple(sorted(_secrets(headers.values()), key=len, reverse=True))

    def clean(self, text: str) -> str:
        """One line of it, not too long, with `***` where a secret stood."""
        text = text[:_MOST_READ]
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:_MOST_SAID]


def _secrets(values: Iterable[str]) -> set[str]:
    """Header values, and the credential in those of the form `Bearer …`; what is shorter than 4 signs hides nothing."""
    parts = {part for value in values for part in (value, *value.split())}
    return {part for part in parts if len(part) >= 4 and part.lower() not in ("basic", "bearer")}


def of_status(response: httpx.Response, text: str, now_ns: int) -> Answer:
    """What an HTTP answer that is no success means for a whole request; `text` is its body, clean."""
    said = f"it answered {response.status_code} {text}".strip()
    if response.status_code in POISON_STATUSES:
        return Answer(Verdict.POISON, said=said)
    return Answer(Verdict.LATER, said=said, retry_after=retry_after(response.headers.get("retry-after", ""), now_ns))


def unreachable(error: Exception) -> Answer:
    """It did not answer. What the error says is not repeated: it may hold the address's secrets."""
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Answer(Verdict.LATER, said=f"it did not answer within {TIMEOUT_SECONDS:g} s")
    return Answer(Verdict.LATER, said=f"it cannot be reached ({type(error).__name__})")


def retry_after(text: str, now_ns: int) -> float | None:
    """The seconds of a `Retry-After`: a number, or a date from which the time until then is taken."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    until = date.replace(tzinfo=UTC) if date.tzinfo is None else date
    return max(until.timestamp() - now_ns / _SECOND, 0.0)


def delay_ns(tries: int, asked: float | None, chance: float) -> int:
    """
    How long to wait after so many tries that failed, in nanoseconds: 1 s, doubling up to 5 minutes.

    `chance` from 0 to 1 takes up to half of it away, so that many agents do not come back together. Never less than
    the receiver asked for, up to an hour.
    """
    own = min(FIRST_DELAY_SECONDS << min(tries - 1, 16), LONGEST_DELAY_SECONDS)
    jittered = own * (1 - chance / 2)
    return int(max(jittered, min(asked or 0.0, LONGEST_ASKED_SECONDS)) * _SECOND)
