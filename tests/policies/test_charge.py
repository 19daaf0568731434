"""Charge: how sure its figures are."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from bursar.policies.charge import Basis, Charge
from bursar.policies.usage import Usage


def test_the_bases_are_ranked_from_the_most_exact() -> None:
    """Of two charges for one attempt the smaller rank stays."""
    assert sorted(Basis, key=lambda basis: basis.rank) == [Basis.USAGE, Basis.SPAN, Basis.ESTIMATE, Basis.UNKNOWN]
    assert [str(basis) for basis in Basis] == ["usage", "span", "estimate", "unknown"]


@pytest.mark.parametrize(
    ("basis", "estimated"),
    [(Basis.USAGE, False), (Basis.SPAN, False), (Basis.ESTIMATE, True), (Basis.UNKNOWN, False)],
)
def test_only_an_estimate_is_called_estimated(basis: Basis, estimated: bool) -> None:
    """An unknown cost is not a guessed one."""
    assert Charge("a", None, Usage(), basis, "m", "m", "r").estimated is estimated


def test_a_charge_that_lasted_is_the_same_but_for_that() -> None:
    """Field by field, whatever fields it has."""
    numbers: list[Any] = list(range(len(fields(Charge))))
    charge = Charge(*numbers)
    assert charge.lasting(99) == replace(charge, duration_ns=99) != charge
    assert charge.lasting(None) == replace(charge, duration_ns=None)
