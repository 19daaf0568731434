"""Calls that are put off, from end to end: the same program pays half, and nothing is lost when somebody dies."""

from __future__ import annotations

import json
from pathlib import Path

from tests.whole.scene import House, house, program, until

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY = "sk-ant-sandbox"
RUN = """
import runpy, sys
from bursar.instrumentation import flush, instrument
instrument()
runpy.run_path(sys.argv[1], run_name="__main__")
flush()
"""
PUT_OFF = """
import sys, time
import anthropic
from bursar.instrumentation import defer, instrument, route
instrument()
client = anthropic.Anthropic()
with route("digest"):
    for number in range(3):
        put_off = defer(
            client.messages.create, model="claude-haiku-5-5", max_tokens=50,
            messages=[{"role": "user", "content": f"Go on: {number}."}],
        )
        print(put_off.id, put_off.reason, flush=True)
put_off.result()
"""
FETCH = """
import json, sys
from bursar.instrumentation import Deferral, as_completed, flush, instrument, served
instrument()
waiting = [Deferral(one) for one in sys.argv[1:]]
told = {}
for deferral in as_completed(waiting, timeout=60):
    message = deferral.result()
    told[deferral.id] = [message.id, served(message).charge.cost_nano_usd]
flush()
print(json.dumps(told))
"""
CANCEL = """
import asyncio
import anthropic
from bursar.instrumentation import flush, instrument, route
instrument()

async def main():
    async with anthropic.AsyncAnthropic() as client:
        with route("later"):
            task = asyncio.create_task(client.messages.create(
                model="claude-haiku-5-5", max_tokens=50, messages=[{"role": "user", "content": "Never mind."}],
            ))
            done, _ = await asyncio.wait([task], timeout=float(TIMEOUT))
            assert not done, done
            task.cancel()
            await asyncio.wait([task])

asyncio.run(main())
flush()
""".replace("TIMEOUT", "3")
POLICY = """
version = 1
mode = "enforce"
[[budget]]
name = "month"
limit = "1 USD"
every = "month"
[budget.at]
"0%" = "batch"
"100%" = "block"
[[route]]
name = "digest"
may_wait = "20s"
[[route]]
name = "later"
may_wait = "8h"
"""


def with_policy(home: House, folder: Path, text: str) -> None:
    """The house's agent under this policy, with a credential of its own that is the applications'."""
    path = folder / "policy.toml"
    path.write_text(text)
    home.arguments = ("--policy", str(path))
    home.environ = {"ANTHROPIC_BASE_URL": home.sandbox, "ANTHROPIC_API_KEY": KEY}


def named(printed: str) -> list[str]:
    """The documents that a run tells of."""
    return [line.partition(":")[0] for line in printed.splitlines()]


def test_the_nightly_digest_pays_half_and_says_the_same(tmp_path: Path) -> None:
    """Unchanged: without an agent at once, and with one out of a batch; the ledger has what the sandbox bills."""
    driver = program(tmp_path, RUN)
    example = EXAMPLES / "nightly_digest.py"
    with house(tmp_path) as home:
        with_policy(home, tmp_path, (EXAMPLES / "nightly.toml").read_text().replace('"8h"', '"30s"'))
        at_once = home.run(driver, str(example), alone=True)
        paid_at_once = home.bill["nano_usd"]
        with home.agent():
            later = home.run(driver, str(example))
            until(lambda: home.total()["charges"] == 12, "the journal of the run at once, and the answers")
        paid_later = home.bill["nano_usd"] - paid_at_once
        row = next(row for row in home.by("action") if row["action"] == "batch")
    assert "bursar" not in example.read_text()
    assert named(later) == named(at_once)
    assert 2 * paid_later == paid_at_once
    assert row["nano_usd"] == paid_later


def test_nothing_is_lost_when_everybody_dies(tmp_path: Path) -> None:
    """The application and the agent are killed while calls wait; another process has the answers by their ids."""
    with house(tmp_path) as home:
        with_policy(home, tmp_path, POLICY)
        with home.agent() as agent:
            application = home.start(program(tmp_path, PUT_OFF))
            assert application.stdout is not None
            ids = [application.stdout.readline().strip() for _ in range(3)]
            application.kill()
            application.communicate()
            agent.kill()
            agent.wait()
        assert all(one.startswith("d-") for one in ids), ids
        with home.agent():
            told = json.loads(home.run(program(tmp_path, FETCH, "fetch.py"), *ids))
            assert told.keys() == set(ids)
            assert sum(cost for _, cost in told.values()) == home.bill["nano_usd"] == home.total()["nano_usd"]
            assert home.bill["requests"] == 3
            home.run(program(tmp_path, CANCEL, "cancel.py"))
            assert home.bill["requests"] == 3
    assert home.total()["charges"] == 3
