"""Claims about how the agent is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.asking import POLICY, alone, bursar, complaint

from bursar.agent import app
from bursar.agent.settings import Settings, Tcp, Tls, UnixSocket


@pytest.fixture(autouse=True)
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(monkeypatch, tmp_path)


def test_the_agent_is_given_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags go before the environment, and its exit code is the command's."""
    (tmp_path / "bursar.toml").write_text(POLICY)
    given: list[Settings] = []

    def run_agent(settings: Settings, *, stop_with_input: bool) -> int:
        given.append(settings)
        return 3 if not stop_with_input else 0

    monkeypatch.setattr(app, "run_agent", run_agent)
    monkeypatch.setenv("BURSAR_DB", "elsewhere")
    files = ("--policy", str(tmp_path / "bursar.toml"), "--db", str(tmp_path / "x.sqlite"))
    where = ("--listen", "127.0.0.1:4444", "--listen", "unix:/run/a.sock", "--tls-cert", "c", "--tls-key", "k")
    assert bursar("agent", *files, *where).exit_code == 3
    assert bursar("agent", "--stop-with-input").exit_code == 0
    assert (given[0].policy, given[0].db) == (tmp_path / "bursar.toml", tmp_path / "x.sqlite")
    assert given[0].listen == (Tcp("127.0.0.1", 4444), UnixSocket(Path("/run/a.sock")))
    assert given[0].tls == Tls(Path("c"), Path("k"))
    assert (given[1].db, given[1].listen) == (Path("elsewhere"), (Tcp(),))


def test_an_agent_that_cannot_start() -> None:
    """Open to others without a token: exit code 3 and what to do."""
    assert "there is no token file" in complaint("agent", "--listen", "0.0.0.0:4444", code=3)
