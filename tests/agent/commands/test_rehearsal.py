"""Claims about running the sandbox from the command line."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import pytest
from click.testing import CliRunner

from bursar.agent.cli import cli
from bursar.agent.commands.rehearsal import rehearse
from bursar.agent.sandbox import create_app


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(number: signal.Signals) -> None:
    """It says the two lines that a shell needs, answers, and ends well."""
    command = [sys.executable, "-m", "bursar.agent", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        url = lines[0].removeprefix("export ANTHROPIC_BASE_URL=")
        with urllib.request.urlopen(f"{url}/sandbox/bill") as answer:
            bill = json.load(answer)
        process.send_signal(number)
        assert process.wait(20) == 0
    assert lines[1] == "export ANTHROPIC_API_KEY=sandbox"
    assert bill["requests"] == 0


def test_a_port_in_use_is_told() -> None:
    """And the signals it would have waited for are as they were."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"the sandbox cannot listen on 127.0.0.1:{port}"):
            rehearse(port, lambda line: pytest.fail(line))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


@contextmanager
def rehearsing(*arguments: str) -> Generator[tuple[subprocess.Popen[str], anthropic.Anthropic]]:
    """A sandbox of its own process, and a client; killed at the end."""
    command = [sys.executable, "-m", "bursar.agent", "sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removeprefix("export ANTHROPIC_BASE_URL=")
        try:
            with anthropic.Anthropic(api_key="k", base_url=url, max_retries=0) as client:
                yield process, client
        finally:
            process.kill()


def test_batches_outlive_a_kill(tmp_path: Path) -> None:
    """What was created is there after a kill -9; how long a batch takes is the option's word, unless it says so."""
    options = ("--batch-delay", "1000", "--state", str(tmp_path / "state"))
    params: Any = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    requests: Any = [{"custom_id": "a", "params": params}]
    with rehearsing(*options) as (_, client):
        slow = client.messages.batches.create(requests=requests)
        quick = client.messages.batches.create(requests=requests, extra_headers={"x-sandbox-batch-ms": "0"})
    with rehearsing(*options) as (_, client):
        assert client.messages.batches.retrieve(slow.id).processing_status == "in_progress"
        assert [line.result.type for line in client.messages.batches.results(quick.id)] == ["succeeded"]


def test_a_state_in_use_is_told(tmp_path: Path) -> None:
    """By the name of the file, before anything is served."""
    first = create_app(state=tmp_path / "state")
    with pytest.raises(OSError, match=r"another sandbox has .*state; end it"):
        rehearse(0, lambda line: pytest.fail(line), state=tmp_path / "state")
    first.state.close()


@pytest.mark.parametrize(
    ("arguments", "rule"), [([], "all"), (["--refresh", "all"], "all"), (["--refresh", "highest"], "highest")]
)
def test_the_rule_of_refreshing_is_passed_on(monkeypatch: pytest.MonkeyPatch, arguments: list[str], rule: str) -> None:
    """What the command line says is what the sandbox is made with."""
    asked: dict[str, Any] = {}

    def made(**options: Any) -> object:
        asked.update(options)
        raise OSError(0, "enough")

    monkeypatch.setattr("bursar.agent.commands.rehearsal.create_app", made)
    assert CliRunner().invoke(cli, ["sandbox", "--port", "0", *arguments]).exit_code == 3
    assert asked["refresh"] == rule


def test_an_unknown_rule_of_refreshing_is_refused() -> None:
    """As wrong usage."""
    assert CliRunner().invoke(cli, ["sandbox", "--refresh", "none"]).exit_code == 2
