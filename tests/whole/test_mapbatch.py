"""A list by Message Batches, from end to end: what a crash leaves is settled by whoever reads the results."""

from __future__ import annotations

from pathlib import Path

import httpx
from tests.whole.scene import House, house, program, until

COMMON = """
import sys, anthropic
from bursar.instrumentation import instrument, flush, map_batch, route, BudgetExceeded

instrument()
client = anthropic.Anthropic()
requests = [{"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": [{"role": "user", "content": "word " * n}],
             "extra_headers": {"x-sandbox-batch-ms": "700", "x-sandbox-output-tokens": "10"}} for n in range(1, 21)]
"""
SUBMIT = (
    COMMON
    + """
with route("nightly", team="search"):
    map_batch(client, requests)
"""
)
READ = (
    COMMON
    + """
with route("collector"):
    print(len(list(client.messages.batches.results(sys.argv[1]))), flush=True)
flush(10)
sys.stdin.readline()
messages = map_batch(client, requests, batch_ids=[sys.argv[1]])
print(*(message.usage.input_tokens for message in messages))
flush(10)
"""
)
LIMITED = (
    COMMON
    + """
answers = map_batch(client, requests)
print(*("refused" if isinstance(answer, BudgetExceeded) else answer.type for answer in answers))
flush(10)
"""
)


def batches(home: House) -> list[str]:
    """The batches of the sandbox that have been created."""
    headers = {"x-api-key": "sk-ant-sandbox", "anthropic-version": "2023-06-01"}
    return [batch["id"] for batch in httpx.get(f"{home.sandbox}/v1/messages/batches", headers=headers).json()["data"]]


def ended(home: House) -> bool:
    headers = {"x-api-key": "sk-ant-sandbox", "anthropic-version": "2023-06-01"}
    (batch,) = httpx.get(f"{home.sandbox}/v1/messages/batches", headers=headers).json()["data"]
    return bool(batch["processing_status"] == "ended")


def booked(home: House) -> bool:
    return not any((home.folder / "state" / "journal").glob("*.jsonl"))


def test_a_process_killed_after_its_batch_was_created(tmp_path: Path) -> None:
    """Its requests are estimates, until another process reads the results: then ledger and bill are equal."""
    with house(tmp_path, limit="10 USD") as home, home.agent():
        app = home.start(program(tmp_path, SUBMIT))
        until(lambda: len(batches(home)) == 1, "the batch to be created")
        app.kill()
        app.communicate()
        until(lambda: booked(home) and home.total()["charges"] == 20, "the agent to adopt the journal")
        assert home.total()["estimated_nano_usd"] == home.total()["nano_usd"] > 0
        until(lambda: ended(home), "the batch to end")
        (batch_id,) = batches(home)

        reader = home.start(program(tmp_path, READ), batch_id)
        assert reader.stdout is not None
        assert reader.stdout.readline().split() == ["20"]
        until(lambda: home.total()["estimated_nano_usd"] == 0, "the charges to be booked")
        bill, total = home.bill, home.total()
        assert bill["requests"] == total["charges"] == total["calls"] == 20
        assert total["nano_usd"] == bill["nano_usd"]
        assert {(row["route"], row["basis"]) for row in home.by("route", "basis")} == {("nightly", "usage")}

        out, err = reader.communicate("\n")
        assert reader.returncode == 0, err
        sizes = [int(size) for size in out.split()]
        assert sizes == sorted(sizes), "in the order of the list"
        assert len(sizes) == 20
        assert home.bill["nano_usd"] == bill["nano_usd"], "nothing was paid twice"
        assert home.total()["charges"] == 20
        (balance,) = home.balances()
        assert (balance["spent"], balance["lent"]) == (bill["nano_usd"], 0)


def test_a_budget_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    """At batch price: half a cent holds some of the list, and those refused are not sent."""
    with house(tmp_path, limit="0.005 USD") as home, home.agent():
        told = home.run(program(tmp_path, LIMITED)).split()
        sent = told.count("message")
        # 100 tokens out at 5 USD per million are 0.0005 USD; what goes in is the smaller part.
        assert 5 <= sent <= 9
        assert told == ["message"] * sent + ["refused"] * (20 - sent)
        assert home.bill["requests"] == home.total()["charges"] == sent
        assert home.total()["nano_usd"] == home.bill["nano_usd"]
        (balance,) = home.balances()
        assert (balance["spent"], balance["lent"]) == (home.bill["nano_usd"], 0)
