"""Claims about the check-up as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.doctor.lookedat import OK, TODAY, WARN, around

from bursar.agent.doctor import agent, telemetry
from bursar.agent.doctor.command import examine
from bursar.agent.doctor.finding import well
from bursar.policies.prices import shipped_book


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent at the usual port, where this machine may run one; no other instrumentation."""
    monkeypatch.setattr(agent, "PORT", 9)
    monkeypatch.setattr(telemetry, "installed", list)


def test_a_new_machine_is_well(tmp_path: Path) -> None:
    """Nothing fails where nothing was ever started, and what is missing is told with what to do."""
    found = {finding.what: finding for finding in examine(around(tmp_path))}
    assert well(list(found.values()))
    assert {what: finding.state for what, finding in found.items()} == {
        "python": OK,
        "anthropic": OK,
        "bursar": OK,
        "extras": OK,
        "agent": WARN,
        "clock": OK,
        "state folder": OK,
        "journals": OK,
        "ledger": WARN,
        "models": OK,
        "prices": OK if (TODAY - (shipped_book().as_of or TODAY)).days <= 60 else WARN,
        "ladders": OK,
        "other instrumentations": OK,
        "traces": WARN,
    }
    assert all(finding.remedy for finding in found.values() if finding.state is not OK)
    assert not (tmp_path / "state").exists()
