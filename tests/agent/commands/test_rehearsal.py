"""Claims about running the sandbox from the command line."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from bursar.agent.commands.rehearsal import rehearse


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
