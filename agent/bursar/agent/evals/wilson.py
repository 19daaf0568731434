"""How sure is a share that was seen in a sample?"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)
"""Of a two-sided interval of 95%."""


def interval(successes: float, trials: int, z: float = Z) -> tuple[float, float]:
    """
    Wilson's score interval: where `successes` of `trials` were seen, the true share lies within 19 times in 20.

    A sum of scores from 0 to 1 stands for successes too: of all values of one mean, those of 0 and 1 alone scatter
    most, so the interval is then wider than it need be, and never narrower. Raises ValueError without a trial.
    """
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    share, square = successes / trials, z * z
    middle = share + square / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)
