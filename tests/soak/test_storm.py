"""As many calls as the money pays for, not one more and not one less."""

from __future__ import annotations

import pytest
from tests.soak.storm import PAID, SCENES, Scene, run
from tests.soak.variants import swapped

from bursar.instrumentation.leases import Leases


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.title)
def test_exactly_as_many_leave_as_the_money_pays_for(scene: Scene) -> None:
    """64 threads in 4 processes, money for exactly 50; the soak has 1,000 seeds."""
    outcome = run(scene, 1)
    assert (outcome.admitted, outcome.overspent, outcome.booked) == (PAID, 0, True)
    assert (outcome.idle > 0) is (scene.idle > 0)


def test_without_recall_idle_money_is_missed() -> None:
    """The idle processes' part is what the last call lacks: the storm sees when nothing is recalled."""
    with swapped(Leases, "let_keep", _keep_all):
        assert run(SCENES[2], 1).admitted < PAID


def _keep_all(leases: Leases, told: object, kept: object) -> bool:
    slices = leases._slices  # pyright: ignore[reportPrivateUsage] - as if the agent had let everything be kept
    for one in slices.values():
        one.keep = True
    return False
