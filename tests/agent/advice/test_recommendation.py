"""Claims about recommendations: ids that last, the order in which they are shown, and their JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bursar.agent.advice.recommendation import Kind, Recommendation, Saving, ordered, to_json

ONE = Recommendation(Kind.CUT, "support", "claude-sonnet-5-5", "Mark system.", saving=Saving(1, 2, 3))


def test_an_id_is_of_what_it_is_about_and_not_of_figures() -> None:
    """Tomorrow's advice has other figures and words, and whoever dismissed it means that too."""
    assert replace(ONE, text="else", saving=None, advised=False, place="").id == ONE.id
    changed = {"kind": Kind.MOVE, "route": "docs", "model": "m", "place": "system"}
    ids = {replace(ONE, **{name: value}).id for name, value in changed.items()}  # type: ignore[arg-type]
    assert len(ids | {ONE.id}) == len(changed) + 1
    assert len(ONE.id) == 8
    assert replace(ONE, route="a", model="bc").id != replace(ONE, route="ab", model="c").id


def test_the_surest_saving_comes_first_and_refusals_last() -> None:
    """By the end that is quoted, then by the other one; what not to do stands at the end."""
    not_here = replace(ONE, kind=Kind.NOT_HERE, advised=False, saving=None)
    unknown = replace(ONE, saving=None)
    likely, sure = replace(ONE, saving=Saving(0, 5, 9)), replace(ONE, saving=Saving(2, 2, 2))
    assert ordered([not_here, unknown, likely, ONE, sure]) == [sure, ONE, likely, unknown, not_here]


def test_json_has_the_lower_end_and_what_was_observed() -> None:
    """Money in whole nano-dollars; what is not there is null."""
    one = replace(ONE, under={"only the highest hit": Saving(0, 1, 2)}, assumes=("A.", "B."), evidence={"calls": 9})
    assert to_json(one) == {
        "id": ONE.id,
        "kind": "cut",
        "route": "support",
        "model": "claude-sonnet-5-5",
        "place": "",
        "advised": True,
        "saving_nano_usd_per_day": {"from": 1, "expected": 2, "to": 3},
        "saving_under": {"only the highest hit": {"from": 0, "expected": 1, "to": 2}},
        "text": "Mark system.",
        "assumes": "A. B.",
        "snippet": None,
        "evidence": {"calls": 9},
    }


@pytest.mark.parametrize("values", [(2, None, 1), (1, 0, 2), (1, 3, 2)])
def test_an_interval_has_its_ends_in_order(values: tuple[int, int | None, int]) -> None:
    """Anything else is a mistake of whoever computed it."""
    with pytest.raises(ValueError, match="no interval"):
        Saving(*values)
