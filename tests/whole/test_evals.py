"""An eval from end to end: calls are captured, run on a cheaper model, and then, and only then, moved to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.whole.scene import House, house, program, until

from bursar.agent.ledger import open_for_reading, samplebook

CALLS = 80
"""All of so many agree: 80 / (80 + 1.96²) = 0.954 is the lower end of the interval."""
POLICY = f"""
version = 1
mode = "enforce"
ladder = ["claude-opus-5-5", "claude-haiku-5-5"]
requires_eval = true
[[budget]]
name = "month"
limit = "100 USD"
every = "month"
[budget.at]
"0%" = "downgrade"
[[route]]
name = "triage"
capture = "eval {CALLS} for 1h"
"""
DESK = """
import json, sys
import anthropic
from bursar.instrumentation import flush, instrument, route, served
instrument()
client = anthropic.Anthropic(max_retries=0)
schema = {"type": "object", "properties": {"queue": {"type": "string"}}, "required": ["queue"],
          "additionalProperties": False}
models = []
for name in ("triage", "chat"):
    with route(name):
        for number in range(int(sys.argv[1]) if name == "triage" else 1):
            message = client.messages.create(
                model="claude-opus-5-5", max_tokens=50, messages=[{"role": "user", "content": f"ticket {number}"}],
                output_config={"format": {"type": "json_schema", "schema": schema}},
            )
        models.append([served(message).model, served(message).action])
flush(20)
print(json.dumps(models))
"""
OPUS, HAIKU = ["claude-opus-5-5", "go"], ["claude-haiku-5-5", "downgrade"]


def models(scene: House, script: Path, calls: int) -> list[list[str]]:
    """By what the last call of either route was answered."""
    found: list[list[str]] = json.loads(scene.run(script, str(calls)))
    return found


def evaluated(scene: House, *arguments: str) -> tuple[int, Any]:
    command = [sys.executable, "-m", "bursar.agent", "eval", "--route", "triage", "--json", "--db", str(scene.db)]
    environ = {"BURSAR_AGENT": scene.agent_url, "BURSAR_STATE_DIR": str(scene.folder / "state")}
    environ |= {"ANTHROPIC_BASE_URL": scene.sandbox, "ANTHROPIC_API_KEY": "sk-ant-sandbox-123"}
    done = subprocess.run([*command, *arguments], env=environ, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_a_route_is_moved_once_an_eval_of_it_has_passed(tmp_path: Path) -> None:
    """Before it no call is; after it those of this route are, and no other's. The ledger is what the API bills."""
    with house(tmp_path) as scene:
        policy = tmp_path / "bursar.toml"
        policy.write_text(POLICY)
        scene.arguments = ("--policy", str(policy))
        script = program(tmp_path, DESK)
        with scene.agent():
            assert models(scene, script, CALLS) == [OPUS, OPUS]
            with open_for_reading(scene.db) as db:
                assert [(stock.route, stock.samples) for stock in samplebook.stocks(db)] == [("triage", CALLS)]
            code, told = evaluated(scene, "--candidate", "claude-haiku-5-5", "--no-batch", "--samples", str(CALLS))
            assert (code, told["passed"], told["scored"], told["reference"]) == (0, True, CALLS, "claude-opus-5-5")
            assert told["saving_nano_usd_per_day"] > 0
            # The first call goes by the rules that the last process kept, and brings the present ones with it.
            assert models(scene, script, 2) == [HAIKU, OPUS]
            until(lambda: scene.total()["nano_usd"] == scene.bill["nano_usd"], "all to be booked")
            assert evaluated(scene, "--forget") == (0, {"route": "triage", "forgotten": CALLS})
            by_route = {row["route"]: row["charges"] for row in scene.by("route")}
    assert by_route == {"triage": CALLS + 2, "chat": 2, "bursar.eval": CALLS}
