"""Claims about the address of the dashboard: one that a browser can open."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from tests.certificates import authority

from bursar.agent.app import serving_agent
from bursar.agent.cli import cli
from bursar.agent.settings import Settings, Tcp


def test_over_tls_a_link_lets_a_browser_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for with the token, by the authority that is named; the cookie it leaves is for TLS alone."""
    ca, token = authority(tmp_path / "ca"), tmp_path / "token"
    token.write_text("s3cret")
    there = Settings(tmp_path, tmp_path / "db", listen=(Tcp(port=0),), tls=ca.issue("agent"), token_file=token)
    with serving_agent(there) as running:
        for name, value in (("AGENT", running.url), ("TOKEN_FILE", token), ("CA_FILE", ca.file)):
            monkeypatch.setenv(f"BURSAR_{name}", str(value))
        done = CliRunner().invoke(cli, ["dashboard"])
        assert done.exit_code == 0, done.output
        address = done.stdout.strip()
        assert address.startswith(f"{running.url}/")
        answer = httpx.get(address, verify=ssl.create_default_context(cafile=ca.file))
        assert answer.status_code == 200
        assert "; Secure" in answer.headers["set-cookie"]


def test_no_browser_speaks_over_a_unix_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, and what to do."""
    monkeypatch.setenv("BURSAR_AGENT", "unix:/run/a.sock")
    done = CliRunner().invoke(cli, ["dashboard"])
    assert done.exit_code == 3
    assert "no browser speaks over unix:/run/a.sock" in done.stderr
    assert "second --listen" in done.stderr
