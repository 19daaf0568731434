"""Claims about the agent, and the clocks."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.agent.asking import NOW_NS, small_ledger
from tests.agent.doctor.lookedat import FAIL, NOW, OK, WARN, found, tell
from tests.certificates import authority

from bursar.agent.app import serving_agent
from bursar.agent.doctor import agent, telemetry
from bursar.agent.doctor.finding import Finding, State
from bursar.agent.settings import Settings, Tcp, UnixSocket
from bursar.policies.protocol import Snapshot


@pytest.fixture(autouse=True)
def free_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where nobody listens, in place of the usual port, at which this machine may run an agent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    monkeypatch.setattr(agent, "PORT", port)
    return port


def test_a_running_agent_is_ready(tmp_path: Path) -> None:
    """And takes what we send."""
    state = tmp_path / "state"
    with serving_agent(Settings(state_dir=state, db=state / "bursar.sqlite", listen=(Tcp(port=0),))) as running:
        seen = found(agent.agent, tmp_path, {"BURSAR_AGENT": running.url})
    assert seen["agent"] == Finding("agent", OK, f"{running.url} is ready")


def test_an_agent_behind_a_socket_or_tls_is_ready(tmp_path: Path) -> None:
    """Spans do not go over a Unix socket, which is told; over TLS a CA of one's own has to be named."""
    state, ca = tmp_path / "state", authority(tmp_path / "ca")
    places = (UnixSocket(tmp_path / "a.sock"), Tcp(port=0))
    there = Settings(state_dir=state, db=state / "bursar.sqlite", listen=places, tls=ca.issue("agent"))
    with serving_agent(there) as running:
        by_socket, by_tls = ({"BURSAR_AGENT": url} for url in running.urls)
        trusting = found(agent.agent, tmp_path, {**by_tls, "BURSAR_CA_FILE": str(ca.file)})["agent"]
        doubting = found(agent.agent, tmp_path, by_tls)["agent"]
        over_socket = found(agent.agent, tmp_path, by_socket)["agent"]
        clock = found(agent.clock, tmp_path, {**by_tls, "BURSAR_CA_FILE": str(ca.file)}, now=datetime.now(UTC))["clock"]
    spans = found(telemetry.traces, tmp_path, by_socket)["traces"]
    assert over_socket == Finding("agent", OK, f"unix:{tmp_path}/a.sock is ready")
    assert (spans.state, spans.said) == (WARN, "BURSAR_AGENT is a Unix socket, and no exporter speaks over one")
    assert "second --listen" in spans.remedy
    assert trusting == Finding("agent", OK, f"{running.urls[1]} is ready")
    assert doubting.state is FAIL
    assert "BURSAR_CA_FILE" in doubting.said
    assert clock.said.startswith("the agent's and this machine's agree")


def test_an_agent_that_is_gone_fails(tmp_path: Path, free_port: int) -> None:
    """The one thing that an application would silently go without."""
    gone = f"http://127.0.0.1:{free_port}"
    seen = found(agent.agent, tmp_path, {"BURSAR_AGENT": gone})
    assert seen["agent"].state is FAIL
    assert gone in seen["agent"].said


def test_an_agent_nobody_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers at the usual place, and the application would not use it."""
    state = tmp_path / "state"
    with serving_agent(Settings(state_dir=state, db=state / "bursar.sqlite", listen=(Tcp(port=0),))) as running:
        monkeypatch.setattr(agent, "PORT", int(running.url.rpartition(":")[2]))
        seen = found(agent.agent, tmp_path)
    assert seen["agent"].state is WARN
    assert seen["agent"].remedy == f"set it to {running.url}"


@pytest.mark.parametrize(
    ("healthz", "readyz", "said"),
    [
        ((404, ""), (404, ""), "http://a:1 answers 404 to /healthz"),
        ((200, ""), (503, "not ready: the disk is full\n"), "http://a:1: not ready: the disk is full"),
    ],
)
def test_an_agent_that_is_not_well(
    healthz: tuple[int, str], readyz: tuple[int, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own words are repeated."""
    answers = {"/healthz": healthz, "/readyz": readyz}

    def ask(_: str, path: str, *, ca_file: Path | None) -> tuple[int, str]:
        assert ca_file is None
        return answers[path]

    monkeypatch.setattr(agent, "ask", ask)
    seen = found(agent.agent, tmp_path, {"BURSAR_AGENT": "http://a:1"})
    assert (seen["agent"].state, seen["agent"].said) == (FAIL, said)


def test_an_agent_that_turns_this_machine_away(tmp_path: Path) -> None:
    """It is ready, and takes nothing from who does not show its token."""
    (tmp_path / "token").write_text("secret")
    there = Settings(state_dir=tmp_path, db=tmp_path / "db", listen=(Tcp(port=0),), token_file=tmp_path / "token")
    with serving_agent(there) as running:
        turned = found(agent.agent, tmp_path, {"BURSAR_AGENT": running.url})["agent"]
        assert (turned.state, turned.remedy) == (FAIL, "set BURSAR_TOKEN_FILE to the agent's token file")
        shown = {"BURSAR_AGENT": running.url, "BURSAR_TOKEN_FILE": str(tmp_path / "token")}
        assert found(agent.agent, tmp_path, shown)["agent"].state is OK


def test_clocks_that_agree(tmp_path: Path) -> None:
    """Those of one machine; the policy says when days begin."""
    tell(tmp_path, Snapshot(id="s", policy='version = 1\nmode = "observe"\ntimezone = "Asia/Tokyo"\n'))
    state = tmp_path / "state"
    with serving_agent(Settings(state_dir=state, db=state / "bursar.sqlite", listen=(Tcp(port=0),))) as running:
        seen = found(agent.clock, tmp_path, {"BURSAR_AGENT": running.url}, now=datetime.now(UTC))["clock"]
    assert seen.state is OK
    assert seen.said == (
        "the agent's and this machine's agree; days of the policy begin at midnight in Asia/Tokyo, 15:00 UTC next"
    )


@pytest.mark.parametrize(
    ("seconds", "state", "said"),
    [
        (5, OK, "the agent's and this machine's agree; D"),
        (6, WARN, "the agent's is 6 s ahead of this machine's; D"),
        (-90, WARN, "the agent's is 90 s behind this machine's; D"),
        (None, OK, "2026-11-22 12:00:00 UTC here, no agent to compare with; D"),
    ],
)
def test_clocks_that_differ(seconds: int | None, state: State, said: str) -> None:
    """By more than a few seconds."""
    told = None if seconds is None else NOW + timedelta(seconds=seconds)
    judged = agent.judge_clock(told, NOW, "D")
    assert (judged.state, judged.said) == (state, said)
    assert bool(judged.remedy) is (state is WARN)


def test_calls_of_the_future(tmp_path: Path) -> None:
    """Somebody's clock was wrong when they were made."""
    small_ledger(tmp_path / "bursar.sqlite")
    ledger = {"BURSAR_DB": str(tmp_path / "bursar.sqlite")}
    made = datetime.fromtimestamp(NOW_NS // 10**9, UTC)
    assert found(agent.clock, tmp_path, ledger, now=made - timedelta(seconds=290))["clock"].state is OK
    seen = found(agent.clock, tmp_path, ledger, now=made - timedelta(seconds=310))["clock"]
    assert seen.state is WARN
    assert seen.said == f"the ledger's newest call is of {made:%Y-%m-%d %H:%M} UTC, which is still to come"
