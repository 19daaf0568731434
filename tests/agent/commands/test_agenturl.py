"""Claims about where commands find the agent."""

from __future__ import annotations

import pytest

from bursar.agent.commands.agenturl import order
from bursar.agent.commands.reach import UnreachableError


def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the sentence says how to start one."""
    monkeypatch.setenv("BURSAR_AGENT", "http://127.0.0.1:9")
    monkeypatch.delenv("BURSAR_TOKEN_FILE", raising=False)
    with pytest.raises(UnreachableError, match=r"no agent answers at http://127\.0\.0\.1:9 .*start `bursar agent`"):
        order("/any", {})
