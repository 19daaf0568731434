"""Claims about answers: which refusal is for good, which is waited for, how long, and that no secret is repeated."""

from __future__ import annotations

from fractions import Fraction

import httpx
import pytest

from bursar.agent.forward.answers import Scrubber, Verdict, delay_ns, of_status, retry_after, unreachable

SECOND = 10**9
NOON = 1_795_262_400 * SECOND
"""2026-11-21T12:00:00Z."""


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (400, Verdict.POISON),
        (413, Verdict.POISON),
        (422, Verdict.POISON),
        (301, Verdict.LATER),
        (401, Verdict.LATER),
        (403, Verdict.LATER),
        (404, Verdict.LATER),
        (408, Verdict.LATER),
        (429, Verdict.LATER),
        (500, Verdict.LATER),
        (503, Verdict.LATER),
    ],
)
def test_what_is_wrong_with_the_spans_is_told_from_what_can_be_mended(status: int, verdict: Verdict) -> None:
    """A wrong key loses no spans; what a receiver cannot read is not sent for ever."""
    answer = of_status(httpx.Response(status, headers={"retry-after": "7"}), "no", NOON)
    assert (answer.verdict, answer.said) == (verdict, f"it answered {status} no")
    assert answer.retry_after == (7 if verdict is Verdict.LATER else None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        ("Sat, 21 Nov 2026 12:01:30 GMT", 90),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOON) == seconds


@pytest.mark.parametrize(
    ("tries", "asked", "chance", "seconds"),
    [
        (1, None, 0.0, 1),
        (2, None, 0.0, 2),
        (5, None, 0.0, 16),
        (5, None, 1.0, 8),
        (9, None, 0.0, 256),
        (10, None, 0.0, 300),
        (1000, None, 0.5, 225),
        (1, 60.0, 1.0, 60),
        (10, 1.0, 0.0, 300),
        (1, 10.0**9, 0.0, 3600),
    ],
)
def test_tries_become_rarer_and_are_spread(tries: int, asked: float | None, chance: float, seconds: int) -> None:
    """Doubling up to five minutes, up to half of it taken off by chance; never less than what was asked."""
    assert Fraction(delay_ns(tries, asked, chance), SECOND) == seconds


def test_secrets_are_taken_out_of_what_others_say() -> None:
    """A value as a whole and the credential in it; what they say becomes one short line."""
    scrubber = Scrubber({"authorization": "Bearer sk-very-secret", "x-api-key": "key-1234"})
    assert (
        scrubber.clean("bad key sk-very-secret\n(Bearer sk-very-secret), key-1234\x1b[0m")
        == "bad key *** (***), *** [0m"
    )
    assert len(scrubber.clean("x" * 1000)) == 200
    assert scrubber.clean("x" * 195 + "key-1234") == "x" * 195 + "***"


def test_an_error_of_the_network_is_told_by_its_kind() -> None:
    """Its text may hold the address."""
    said = [unreachable(error).said for error in (TimeoutError(), httpx.ReadTimeout("x"), httpx.ConnectError("secret"))]
    assert said == ["it did not answer within 15 s"] * 2 + ["it cannot be reached (ConnectError)"]
