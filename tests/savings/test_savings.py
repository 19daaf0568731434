"""Claims about what is advised, at a small size: `python -m tests.savings` is the whole of it."""

from __future__ import annotations

import json

import pytest
from tests.savings import generated
from tests.savings.__main__ import main
from tests.savings.adviser import advised
from tests.savings.proof import prove
from tests.savings.workload import Workload

from bursar.agent.sandbox import Refresh

DAYS = generated.workloads(0.05)


def test_there_are_twenty_shapes() -> None:
    assert len({day.name for day in DAYS}) >= 20


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_the_predicted_saving_is_what_the_bill_shows(day: Workload) -> None:
    """Within 2% of what was saved, and that is something wherever prompts are long enough to be cached."""
    proof = prove(day, Refresh.HIGHEST if "chats" in day.name else Refresh.ALL, advised)
    assert proof.holds, proof
    assert (proof.realised > 0) is (day.name != "below the model's minimum")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """One row for each day and rule, on standard output alone."""
    assert main(["cold starts", "--share", "0.2", "--best", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["refresh"] for row in rows] == ["all", "highest"]
    for row in rows:
        assert row["predicted_nano_usd"] == row["realised_nano_usd"] == row["best_nano_usd"] > 0
