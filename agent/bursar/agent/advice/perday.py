"""What do the amounts of so many days say of the days to come?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from statistics import NormalDist, fmean, stdev

from bursar.agent.advice.recommendation import Saving

DAY_NS = 86_400 * 10**9
LEVEL = 0.95
"""Of each end: with nine chances in ten the truth is between them."""
ASSUMES = (
    "The interval holds nine times in ten if days to come are as alike as those observed; the lower end is quoted.",
    "Fewer than two whole days were observed, so that nothing is known of how days differ: the lower end is nothing.",
)


def slot_of(at_ns: int, until_ns: int) -> int:
    """Which stretch of 24 hours before the end an instant is in: 0 is the last."""
    return (until_ns - 1 - at_ns) // DAY_NS


def saving(by_slot: Mapping[int, int | Fraction], days: Fraction) -> Saving:
    """
    The amount a day, in nano-dollars, with its interval: mean +- t(n-1) s sqrt(2/n) over the n whole days observed.

    The 2 is there because it is about as many days to come, which differ too. No lower than the least of those days,
    or nothing: where each saved something, none is taken to lose. Source: algorithms.md, section 4.
    """
    total = sum(by_slot.values(), start=Fraction(0))
    middle = round(total / max(days, Fraction(1)))
    whole = int(days)
    if whole < 2:
        return Saving(min(middle, 0), middle, max(middle, 0))
    observed = [float(by_slot.get(slot, 0)) for slot in range(whole)]
    half = round(t_quantile(whole - 1) * stdev(observed, xbar=fmean(observed)) * math.sqrt(2 / whole))
    least = min(0, round(min(observed)))
    return Saving(min(max(middle - half, least), middle), middle, middle + half)


def assumes(days: Fraction) -> str:
    """What such an interval rests on."""
    return ASSUMES[days < 2]


def t_quantile(freedom: int) -> float:
    """
    Student's t at `LEVEL`: exact for one and two degrees of freedom, else by the Cornish-Fisher series (within 0.3%).

    Source: Abramowitz and Stegun, 26.7.5; for one and two the distribution can be inverted.
    """
    if freedom == 1:
        return math.tan(math.pi * (LEVEL - 0.5))
    if freedom == 2:
        share = 2 * LEVEL - 1
        return share * math.sqrt(2 / (1 - share * share))
    z = NormalDist().inv_cdf(LEVEL)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
