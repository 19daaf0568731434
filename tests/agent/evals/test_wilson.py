"""Wilson's interval: figures that can be worked out by hand, with z = 2 where that makes them whole."""

from __future__ import annotations

from math import sqrt

import pytest

from bursar.agent.evals.wilson import Z, interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # k = n: n / (n + z²) to 1. k = 0: the mirror image.
        (8, 8, 8 / 12, 1.0),
        (0, 8, 0.0, 4 / 12),
        (96, 96, 0.96, 1.0),
        # p = 1/2, n = 4: the middle stays; 2·√(1/16 + 1/16) halved is √2/4.
        (2, 4, 0.5 - sqrt(2) / 4, 0.5 + sqrt(2) / 4),
        # p = 1/2, n = 12: 2·√(1/48 + 1/144) = 1/3, over 4/3 is 1/4.
        (6, 12, 0.25, 0.75),
    ],
)
def test_the_interval_is_wilsons(successes: float, trials: int, low: float, high: float) -> None:
    """At an edge it does not shrink to nothing, as the plain one does."""
    assert interval(successes, trials, z=2) == pytest.approx((low, high))


def test_it_is_one_of_95_percent() -> None:
    """1.96: so 73 agreements of 73 are the fewest whose lower end reaches 0.95, since 19 · 1.96² is 72.99."""
    assert pytest.approx(1.959964, abs=1e-6) == Z
    assert interval(72, 72)[0] < 0.95 <= interval(73, 73)[0]


def test_agreement_and_disagreement_mirror_each_other() -> None:
    """Whatever is counted."""
    for successes in (0, 1, 3.5, 20, 47):
        low, high = interval(successes, 47)
        assert interval(47 - successes, 47) == pytest.approx((1 - high, 1 - low))


def test_more_samples_say_more() -> None:
    """Ninety of a hundred leave more open than nine hundred of a thousand."""
    few, many = interval(90, 100), interval(900, 1_000)
    assert few[0] < many[0] < 0.9 < many[1] < few[1]


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (1, 0), (5, 4), (-1, 4)])
def test_what_is_no_share_has_no_interval(successes: float, trials: int) -> None:
    """Without a trial nothing is known, and nothing is made up."""
    with pytest.raises(ValueError, match="no share"):
        interval(successes, trials)
