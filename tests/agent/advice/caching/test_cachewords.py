"""Claims about the words for advice on caching: each cause has its remedy, each reason its sentence."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bursar.agent.advice.caching.cachewords import CAUSES, WHY_NOT, Why, marks_text, percent, signed, span, worth
from bursar.agent.advice.recommendation import Saving
from bursar.policies.cachemarks import Mark
from bursar.policies.fingerprint import Cause


def test_every_cause_has_a_remedy() -> None:
    """Whole sentences for what to do, and other words for each cause."""
    assert set(CAUSES) == set(Cause)
    assert all(remedy[0].isupper() and remedy.endswith(".") for _, remedy in CAUSES.values())
    assert len({what for what, _ in CAUSES.values()}) == len(CAUSES)


def test_every_reason_against_it_has_a_sentence() -> None:
    """Those for which something is said instead of marks."""
    assert set(WHY_NOT) == set(Why) - {Why.CUT, Why.REMOVE, Why.AS_GOOD}


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        ([Mark("system")], "system for 5m"),
        ([Mark("tail", "1h")], "the end of each request for 1h"),
        (
            [Mark("tools", "1h"), Mark("system", "1h"), Mark("tail")],
            "tools and system for 1h, and the end of each request for 5m",
        ),
        ([Mark("tools"), Mark("system[0]"), Mark("system")], "tools, system[0] and system for 5m"),
    ],
)
def test_marks_in_words(marks: list[Mark], told: str) -> None:
    """Those of one life together, the longer first."""
    assert marks_text(marks) == told


@pytest.mark.parametrize(
    ("saving", "days", "told"),
    [
        (Saving(0, 2 * 10**9, 4 * 10**9), 2, "Worth 2.00 USD a day as observed."),
        (Saving(10**9, 2 * 10**9, 3 * 10**9), 3, "Worth at least 1.00 USD a day, 2.00 as observed."),
        (Saving(-(10**9), 10**9, 3 * 10**9), 9, "Worth 1.00 USD a day as observed, between -1.00 and 3.00."),
    ],
)
def test_the_lower_end_is_quoted(saving: Saving, days: int, told: str) -> None:
    """Where it is above nothing and three days were seen; else what was observed, and between what."""
    assert worth(saving, Fraction(days)) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (percent(Fraction(0)), "0%"),
        (percent(Fraction(1, 1000)), "under 1%"),
        (percent(Fraction(995, 1000)), "100%"),
        (span(270 * 10**9), "4.5 minutes"),
        (span(119 * 60 * 10**9), "119 minutes"),
        (span(165 * 60 * 10**9), "3 hours"),
        (signed(-16_600_000), "-0.017"),
    ],
)
def test_figures_read_well(said: str, told: str) -> None:
    """Something is never nothing, and a loss has its sign."""
    assert said == told
