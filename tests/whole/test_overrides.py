"""A pause and a raise hold for processes that run, and every decision before, meanwhile and after is explained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.whole.scene import House, house, program, until

DESK = """
import sys
import anthropic
from bursar.instrumentation import BudgetExceeded, flush, instrument

instrument()
client = anthropic.Anthropic(max_retries=0)
for line in sys.stdin:
    try:
        message = client.messages.create(
            model="claude-opus-5-5", max_tokens=100, messages=[{"role": "user", "content": line}],
            extra_headers={"x-sandbox-output-tokens": "100"},
        )
        print(message.id, flush=True)
    except BudgetExceeded as refusal:
        print(refusal.decision_id, refusal.reason, flush=True)
    flush(5)
"""
LIMIT = "0.005 USD"
"""Two calls of 100 output tokens at 20 USD a million, 0.002 each and a little for the question, fit; three do not."""


def bursar(home: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "BURSAR_AGENT": home.agent_url, "BURSAR_DB": str(home.db), "HOME": "/"}
    command = [sys.executable, "-m", "bursar.agent", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def talking(home: House, path: Path) -> subprocess.Popen[str]:
    """The desk, which asks the API for each line it is given."""
    environ = {
        "PATH": "/usr/bin:/bin",
        "BURSAR_STATE_DIR": str(home.folder / "state"),
        "ANTHROPIC_BASE_URL": home.sandbox,
        "ANTHROPIC_API_KEY": "sk-ant-sandbox",
        "BURSAR_AGENT": home.agent_url,
    }
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, str(path)], env=environ, **pipes)


def explained(home: House, name: str) -> dict[str, Any]:
    told = bursar(home, "explain", name, "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    decision: dict[str, Any] = json.loads(told.stdout)["decisions"][-1]
    return decision


def test_a_running_process_hears_of_pause_and_raise(tmp_path: Path) -> None:
    """Refused, then let go while it is paused, refused again once it is not, and let go by a raise."""
    with house(tmp_path, limit=LIMIT) as home, home.agent(), talking(home, program(tmp_path, DESK)) as desk:
        asked, answers = desk.stdin, desk.stdout
        assert asked is not None
        assert answers is not None

        def ask() -> str:
            asked.write("Hello?\n")
            asked.flush()
            return answers.readline().strip()

        names = [ask() for _ in range(3)]
        assert [name.startswith("msg_") for name in names] == [True, True, False]
        assert names[2].endswith("spent")
        assert bursar(home, "pause", "day", "--for", "1h", "--reason", "launch").returncode == 0
        until(lambda: ask().startswith("msg_"), "the process to hear of the pause")
        paused = ask()
        assert bursar(home, "resume", "day").returncode == 0
        until(lambda: ask().endswith("spent"), "the process to hear of its end")
        assert bursar(home, "raise", "day", "1 USD", "--for", "1h").returncode == 0
        until(lambda: ask().startswith("msg_"), "the process to hear of the raise")
        raised = ask()
        asked.close()
        desk.wait()

        reasons = [explained(home, name.split()[0])["reason"] for name in (*names, paused, raised)]
        assert reasons == ["within", "within", "spent", "observed", "within"]
        assert explained(home, paused)["figures"]["observed"]["action"] == "block"
        would = json.loads(bursar(home, "budgets", "--json").stdout)["observed"]
        assert [(row["budget"], row["action"]) for row in would] == [("day", "block")]
        assert would[0]["calls"] >= 2
