"""A call that goes around Bursar is named by `bursar reconcile`, from the sandbox's own bill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests.whole.scene import House, house, program

from bursar.agent.cli import cli

ASK = {"model": "claude-opus-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hello"}]}
DESK = f"""
import anthropic
from bursar.instrumentation import flush, instrument

instrument()
client = anthropic.Anthropic()
client.messages.create(**{ASK!r})
list(client.messages.create(**{ASK!r}, stream=True))
assert flush(30)
"""
AROUND = f"""
import anthropic

answer = anthropic.Anthropic().messages.create(**{ASK!r})
print(answer.usage.input_tokens + answer.usage.output_tokens)
"""


def reconciled(home: House) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of the command, which tolerates no difference."""
    environ = {"ANTHROPIC_BASE_URL": home.sandbox, "ANTHROPIC_ADMIN_KEY": "sk-ant-admin01-sandbox"}
    span = ["--since", "1d", "--tolerance", "0 USD"]
    done = CliRunner().invoke(cli, ["reconcile", "--db", str(home.db), "--json", *span], env=environ)
    return done.exit_code, json.loads(done.stdout)


def test_a_call_around_bursar_is_named(tmp_path: Path) -> None:
    """Two calls through Bursar agree to the nano-dollar; a third around it is the gap, tokens and money."""
    with house(tmp_path) as home, home.agent():
        home.run(program(tmp_path, DESK))
        code, before = reconciled(home)
        known = home.total()["nano_usd"]
        assert (code, before["agrees"]) == (0, True)
        assert before["total"] == {"ledger_nano_usd": known, "bill_nano_usd": home.bill["nano_usd"]}
        tokens = int(home.run(program(tmp_path, AROUND), alone=True))
        code, after = reconciled(home)
        billed = home.bill["nano_usd"]
    (row,) = after["rows"]
    assert (code, row["finding"], row["what"]) == (1, "bypassed", "claude-opus-5-5")
    assert row["gap_nano_usd"] == billed - known > 0
    assert row["said"] == f"{tokens} tokens did not pass Bursar (workspace default)"
