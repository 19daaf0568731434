"""Claims about cascades from end to end: sandbox, agent and applications, and what `bursar cascades` makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests.whole.scene import House, house, program

from bursar.agent.cli import cli

HAIKU, OPUS = "claude-haiku-5-5", "claude-opus-5-5"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "two_stage_triage.py"

DESK = """
import anthropic, asyncio, json
from opentelemetry import trace
from bursar.instrumentation import BudgetExceeded, cascade, flush, instrument, served

instrument()
MODELS = {"cheap": "claude-haiku-5-5", "strong": "claude-opus-5-5"}
HELLO = {"max_tokens": 200, "messages": [{"role": "user", "content": "Hello"}]}
SIZE = {"x-sandbox-output-tokens": "100"}
FAILING = {**SIZE, "x-sandbox-error": "529", "x-sandbox-error-times": "1", "x-sandbox-scene": "once"}

recording = []

def triage(client, good, headers=SIZE, **how):
    def accept(m):
        recording.append(trace.get_current_span().is_recording())
        return good
    ask = cascade(client.messages.create, **MODELS, accept=accept, **how)
    return ask(**HELLO, extra_headers=headers)

async def triage_async(client, good):
    async def accept(m):
        return good
    return await cascade(client.messages.create, **MODELS, accept=accept)(**HELLO, extra_headers=SIZE)

def told(message):
    seen = served(message)
    return [message.model, message.usage.input_tokens, message.usage.output_tokens, seen.stage, seen.escalated]
"""

MIXED = (
    DESK
    + """
client = anthropic.Anthropic(max_retries=0)
messages = [triage(client, good) for good in (True, True, False)]
messages.append(triage(client, True, FAILING))
messages += [asyncio.run(triage_async(anthropic.AsyncAnthropic(), good)) for good in (True, False)]
flush()
print(json.dumps([told(message) for message in messages]))
print(json.dumps(recording))
"""
)

REFUSED = (
    DESK
    + """
client = anthropic.Anthropic()
try:
    triage(client, False)
except BudgetExceeded as error:
    print(json.dumps([error.budget, error.model]))
print(json.dumps(told(triage(client, False, settle_for_cheap=True))))
flush()
"""
)

NO_OPUS = """
version = 1
mode = "enforce"
[[budget]]
name = "no-opus"
match = { model = "claude-opus-5-5" }
limit = "0 USD"
every = "day"
[budget.at]
"100%" = "block"
"""


def report(home: House) -> list[dict[str, Any]]:
    """What the command tells of the ledger, beside the running agent."""
    environ = {"BURSAR_PRICES": ""}
    result = CliRunner().invoke(cli, ["cascades", "--db", str(home.db), "--json"], env=environ)
    assert result.exit_code == 0, result.stderr
    rows: list[dict[str, Any]] = json.loads(result.stdout)["cascades"]
    return rows


def test_what_cascades_cost_and_saved_is_in_the_ledger_to_the_nano_dollar(tmp_path: Path) -> None:
    """Three accepted, two escalated, one whose cheap model was overloaded; sync and async, each under its function."""
    with house(tmp_path) as home, home.agent():
        told, recording = map(json.loads, home.run(program(tmp_path, MIXED)).splitlines())
        rows = {row["route"]: row for row in report(home)}
        bill, total = home.bill, home.total()
    assert recording == [True] * 3, "also the first one, before which there was no tracer provider"
    tokens = told[0][1]
    # USD per MTok: Haiku 5.5 0.10 in and 0.50 out, Opus 5.5 4 in and 20 out.
    cheap, strong = tokens * 100 + 100 * 500, tokens * 4_000 + 100 * 20_000
    assert told == [
        [HAIKU, tokens, 100, "cheap", False],
        [HAIKU, tokens, 100, "cheap", False],
        [OPUS, tokens, 100, "strong", True],
        [OPUS, tokens, 100, "strong", True],
        [HAIKU, tokens, 100, "cheap", False],
        [OPUS, tokens, 100, "strong", True],
    ]
    assert bill["nano_usd"] == total["nano_usd"] == 5 * cheap + 3 * strong
    assert total["charges"] == 8, "the span above the calls counts as none"
    sync, waiting = rows["desk:triage"], rows["desk:triage_async"]
    assert (sync["calls"], sync["escalated"], sync["why"]) == (4, 2, {"failed": 1, "not_accepted": 1})
    assert sync["nano_usd"] == 3 * cheap + 2 * strong
    assert sync["compared"]["all_strong_nano_usd"] == 4 * strong
    assert sync["compared"]["saved_nano_usd"] == 2 * strong - 3 * cheap
    assert (waiting["calls"], waiting["escalated"]) == (2, 1)
    assert waiting["compared"]["saved_nano_usd"] == strong - 2 * cheap


def test_a_budget_that_refuses_the_strong_model(tmp_path: Path) -> None:
    """It raises, or leaves the cheap answer to who settles for it; neither is counted as a saving."""
    with house(tmp_path) as home:
        policy = tmp_path / "bursar.toml"
        policy.write_text(NO_OPUS)
        home.arguments = ("--policy", str(policy))
        with home.agent():
            raised, settled = map(json.loads, home.run(program(tmp_path, REFUSED)).splitlines())
            (row,) = report(home)
            bill = home.bill
    assert raised == ["no-opus", OPUS]
    assert [settled[0], *settled[3:]] == [HAIKU, "cheap", False]
    assert (row["calls"], row["escalated"], row["refused"]) == (2, 2, 2)
    assert row["nano_usd"] == bill["nano_usd"] == 2 * (settled[1] * 100 + 100 * 500)
    assert (row["compared"]["calls"], row["compared"]["saved_nano_usd"]) == (0, 0)


def test_the_example_runs_and_is_reported(tmp_path: Path) -> None:
    """Of docs/cascade.md: the sandbox raises no flag, so every ticket is sorted by the cheap model."""
    with house(tmp_path) as home, home.agent():
        lines = home.run(EXAMPLE).splitlines()
        (row,) = report(home)
    assert [line.partition(": ")[0] for line in lines] == ["billing (cheap)"] * 3
    assert (row["route"], row["calls"], row["escalated"]) == ("two_stage_triage:sort", 3, 0)
    assert row["compared"]["saved_nano_usd"] > 0
