"""What is saved a day, and how sure is that, when every day is another?"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import sqrt

from bursar.agent.advice.recommendation import Saving

LEAST_DAYS = 3
"""With fewer whole days nothing is known of how they differ."""
DAY_NS = 86_400 * 10**9

_T = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812)
_T_LATER = ((12, 1.782), (15, 1.753), (20, 1.725), (30, 1.697), (60, 1.671))
"""Student's t for 95% on one side, so 90% between both ends: for 1 to 10 degrees of freedom, then from so many on."""


def observed(first_ns: int, until_ns: int) -> Fraction:
    """How many days calls stand for: from the first of them up to the end, one at least."""
    return max(Fraction(until_ns - first_ns, DAY_NS), Fraction(1))


def per_day(by_day: Mapping[int, int], days: Fraction, *, unit: int) -> Saving:
    """
    The saving a day with a 90% interval, in nano-dollars.

    `by_day`: what was saved in each 24 hours back from the end, in `unit` parts of a nano-dollar. `days`: how long the
    period was, a broken day at its beginning among them. The half-width is that of the mean of whole days, as drawing
    days again and again would give it, by Student's t since there are few, times the root of two since it is about days
    to come. With fewer than three whole days it is from nothing (or the loss observed) to twice what was observed.
    """
    mean = Fraction(sum(by_day.values()), unit) / days
    mid = round(mean)
    whole = [by_day.get(day, 0) / unit for day in range(int(days))]
    if len(whole) < LEAST_DAYS:
        return Saving(min(0, 2 * mid), mid, max(0, 2 * mid))
    average = sum(whole) / len(whole)
    deviation = sqrt(sum((value - average) ** 2 for value in whole) / (len(whole) - 1))
    half = round(student(len(whole) - 1) * deviation / sqrt(len(whole)) * sqrt(2))
    return Saving(mid - half, mid, mid + half)


def day_back(at_ns: int, until_ns: int) -> int:
    """Which 24 hours back from the end an instant is in: 0 is the last; the end itself is in none."""
    return (until_ns - 1 - at_ns) // DAY_NS


def student(freedom: int) -> float:
    """The 95% quantile of Student's t; between the rows of the table that of the fewer degrees of freedom."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    return next((value for most, value in reversed(_T_LATER) if freedom >= most), _T[-1])
