"""Message Batches from end to end: what results cost is what the sandbox bills, once, whoever reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tests.agent.ledger import fresh
from tests.instrumentation.batching import Host, async_client, client

from bursar.agent.ledger import booking, reports
from bursar.agent.sandbox import create_app, serving
from bursar.instrumentation import route

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-haiku-4-5")
SYSTEM = [{"type": "text", "text": "x" * 20_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
HELLO = [{"role": "user", "content": "x"}]
FOR_EVER = 2**62


@contextmanager
def sandbox() -> Generator[tuple[str, Any]]:
    app = create_app()
    with serving(app) as url:
        yield url, app.state.bill


def requests(count: int, **changes: Any) -> list[Any]:
    """Requests to all models in turn, of different lengths."""
    return [
        {
            "custom_id": f"c{number}",
            "params": {
                "model": MODELS[number % len(MODELS)],
                "max_tokens": 200,
                "messages": [{"role": "user", "content": "word " * (number + 1)}],
                **changes,
            },
        }
        for number in range(count)
    ]


def booked(*hosts: Host) -> reports.Row:
    """What a ledger makes of the records of several processes, each told twice."""
    with fresh.ledger() as db:
        for _ in range(2):
            for number, host in enumerate(hosts):
                booking.book(db, host.records, holder=f"h{number}", policy=None, now_ns=1)
        return reports.totals(db, 0, FOR_EVER)


def test_the_ledger_and_the_bill_agree() -> None:
    """To the nano-dollar: cached prompts, several models, failures between; read here, there, in part and again."""
    with sandbox() as (url, bill), route("nightly"):
        first, second = Host(), Host()
        one, other = client(first, base_url=url), client(second, base_url=url)
        failures = {"x-sandbox-batch-outcomes": "c1=errored, c2=expired, c3=canceled"}
        batch = one.messages.batches.create(requests=requests(40, system=SYSTEM), extra_headers=failures)
        for place, _ in enumerate(one.beta.messages.batches.results(batch.id)):
            if place == 10:
                break
        partly = len(first.told)
        assert 8 <= partly <= 37
        for reader in (other, one, other):
            assert len(list(reader.messages.batches.results(batch.id))) == 40
        assert (len(first.told), len(second.told)) == (37, 37)
        total = booked(first, second)
        assert (total["nano_usd"], total["charges"]) == (bill.totals()["nano_usd"], 37)
        assert (total["calls"], total["unknown_charges"]) == (37, 0)
        by_model: dict[str, int] = {}
        for charge in second.told:
            by_model[charge.model] = by_model.get(charge.model, 0) + (charge.cost_nano_usd or 0)
        assert by_model == bill.totals()["by_model"]
        assert {charge.modifiers for charge in second.told} == {("batch",)}


def test_plain_calls_beside_a_batch() -> None:
    """A plain call is charged by its own response; the joint charges the batch's results alone. Async."""

    async def run(host: Host, url: str) -> list[str]:
        async with async_client(host, base_url=url) as c:
            batch = await c.messages.batches.create(requests=requests(5))
            await c.messages.count_tokens(model=MODELS[0], messages=HELLO)
            before.append(bill.totals()["nano_usd"])
            await c.messages.create(model=MODELS[0], max_tokens=9, messages=HELLO)
            return [line.result.type async for line in await c.messages.batches.results(batch.id)]

    before: list[int] = []
    host = Host()
    with sandbox() as (url, bill):
        assert asyncio.run(run(host, url)) == ["succeeded"] * 5
        assert [booked(host)["nano_usd"]] == before
        assert before[0] < bill.totals()["nano_usd"]
