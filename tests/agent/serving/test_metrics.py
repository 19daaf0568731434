"""Claims about /metrics: what stands in it, who may have it, and that scraping often is not reading often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.agent.ledger import fresh
from tests.agent.ledger.booked import OPUS, unexplained, used

from bursar.agent.bookkeeper import Bookkeeper
from bursar.agent.ledger import Ledger, LedgerError, meterbook
from bursar.agent.ledger.forwardtables import TargetState
from bursar.agent.rules import Rules, RulesInForce
from bursar.agent.serving import metrics
from bursar.agent.serving.server import ServerState, create_app
from bursar.agent.settings import Settings
from bursar.policies.policyfile import parse_policy
from bursar.policies.pricefile import shipped_book
from bursar.policies.protocol import Snapshot
from bursar.policies.usage import Usage

NOON = 1_795_262_400
POLICY = """\
version = 1
mode = "enforce"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
"""
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bookkeeper(tmp_path: Path) -> Iterator[Bookkeeper]:
    ledger = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: NOON * 10**9)
    rules = Rules(parse_policy(POLICY, file="f"), shipped_book(), Snapshot("s", POLICY))
    in_force = RulesInForce(Settings(state_dir=tmp_path, db=tmp_path / "db"), read=lambda _: rules)
    yield Bookkeeper(ledger, in_force, clock_ns=lambda: NOON * 10**9, on_alert=lambda: None)
    ledger.close()


def scraping(
    bookkeeper: Bookkeeper,
    talking: Callable[[httpx.AsyncClient], Awaitable[None]],
    *,
    clock: Callable[[], float] = lambda: 0.0,
    token: str | None = None,
    forwards: Callable[[], list[TargetState]] = list,
) -> None:
    """Talk to a server that has the route."""

    async def run() -> None:
        routes = metrics.routes(bookkeeper, lambda: NOON * 10**9, forwards, clock=clock)
        app = create_app(ServerState(bookkeeper, token), routes)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:4319") as client:
            await talking(client)

    asyncio.run(run())


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_told(bookkeeper: Bookkeeper) -> None:
    """A call of 0.0006 dollars, its tokens, the budget that it counts in, and the agent's own state."""
    bookkeeper.ledger.book(
        used("a", Usage(input=100, cache_read=1_000), at=NOON), holder="h", policy=bookkeeper.rules.current.policy
    ).result(10)
    bookkeeper.ledger.book(unexplained("b", None, at=NOON), holder="h", policy=None).result(10)

    async def talking(client: httpx.AsyncClient) -> None:
        answer = await client.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain; version=")
        found = samples(answer.text)
        of = (("model", OPUS), ("route", "desk"))
        assert found["bursar_spend_usd_total", of] == 0.0006
        assert found["bursar_charges_total", of] == 2
        assert found["bursar_unknown_charges", of] == 1
        assert found["bursar_tokens_total", (("class", "cache_read"), *of)] == 1_000
        assert found["bursar_budget_limit", (("budget", "day"), ("scope", ""), ("unit", "usd"))] == 10
        assert found["bursar_budget_used_ratio", (("budget", "day"), ("scope", ""))] == 0.00006
        assert found["bursar_ledger_last_commit_timestamp_seconds", ()] == NOON
        assert found["bursar_ledger_failing", ()] == 0
        assert found["bursar_ledger_queue", ()] == 0
        assert ("bursar_alerts_oldest_timestamp_seconds", ()) not in found

    scraping(bookkeeper, talking)


def test_openmetrics(bookkeeper: Bookkeeper) -> None:
    """A scraper that asks for it gets it."""

    async def talking(client: httpx.AsyncClient) -> None:
        answer = await client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert answer.text.endswith("# EOF\n")

    scraping(bookkeeper, talking)


def test_scraping_often(bookkeeper: Bookkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within five seconds, and at the same time, all scrapes share one reading; after them there is a new one."""
    reads: list[int] = []
    read = meterbook.read

    def counted(db: object, now_ns: int) -> meterbook.Reading:
        reads.append(now_ns)
        return read(db, now_ns)  # type: ignore[arg-type]

    monkeypatch.setattr(meterbook, "read", counted)
    clock = Clock()

    async def talking(client: httpx.AsyncClient) -> None:
        await asyncio.gather(*(client.get("/metrics") for _ in range(5)))
        clock.now = 4.9
        await client.get("/metrics")
        assert len(reads) == 1
        clock.now = 5.0
        await client.get("/metrics")
        assert len(reads) == 2

    scraping(bookkeeper, talking, clock=clock)


def test_the_same_door(bookkeeper: Bookkeeper) -> None:
    """Where a token is set, a scrape shows it."""

    async def talking(client: httpx.AsyncClient) -> None:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"authorization": "Bearer t"})).status_code == 200

    scraping(bookkeeper, talking, token="t")


def test_a_ledger_that_cannot_be_read(bookkeeper: Bookkeeper, tmp_path: Path) -> None:
    """503 and a sentence: Prometheus counts it as down."""
    (tmp_path / "db").rename(tmp_path / "gone")

    async def talking(client: httpx.AsyncClient) -> None:
        answer = await client.get("/metrics")
        assert answer.status_code == 503
        assert "the ledger cannot be read" in answer.text

    scraping(bookkeeper, talking)


def test_forwards(bookkeeper: Bookkeeper) -> None:
    """What waits for each receiver of the policy, what became of the rest, and when it last took any; others not."""
    jaeger = TargetState(
        "jaeger", present=True, spans=3, bytes=900, sent=7, refused=2, overflowed=1, tries=4, oldest_ns=NOON * 10**9
    )

    async def talking(client: httpx.AsyncClient) -> None:
        found = samples((await client.get("/metrics")).text)
        of = (("forward", "jaeger"),)
        assert found["bursar_forward_waiting_spans", of] == 3
        assert found["bursar_forward_waiting_bytes", of] == 900
        assert found["bursar_forward_failed_tries", of] == 4
        assert found["bursar_forward_oldest_timestamp_seconds", of] == NOON
        fates = {dict(labels)["fate"]: value for (name, labels), value in found.items() if name.endswith("spans_total")}
        assert fates == {"sent": 7, "refused": 2, "overflowed": 1, "abandoned": 0, "passed_over": 0}
        assert ("bursar_forward_last_sent_timestamp_seconds", of) not in found
        assert found["bursar_forward_queue_failing", ()] == 0
        assert not any("gone" in dict(labels).values() for _, labels in found)

    scraping(bookkeeper, talking, forwards=lambda: [TargetState("gone", spans=1), jaeger])


def test_many_forwards(bookkeeper: Bookkeeper) -> None:
    """Fifty have names; of the two others the sums are told, and the one that fares worse."""
    many = [TargetState(f"f{n:02}", present=True, spans=n, sent=1, last_sent_ns=n * 10**9) for n in range(52)]

    async def talking(client: httpx.AsyncClient) -> None:
        found = samples((await client.get("/metrics")).text)
        waiting = {dict(labels)["forward"]: value for (name, labels), value in found.items() if "waiting_spans" in name}
        assert len(waiting) == 51
        assert waiting["other"] == 50 + 51
        assert found["bursar_forward_last_sent_timestamp_seconds", (("forward", "other"),)] == 50

    scraping(bookkeeper, talking, forwards=lambda: many)


def test_a_queue_of_spans_that_cannot_be_read(bookkeeper: Bookkeeper) -> None:
    """It is told as that, beside all that the ledger says."""

    def broken() -> list[TargetState]:
        raise LedgerError("the queue is broken")

    async def talking(client: httpx.AsyncClient) -> None:
        found = samples((await client.get("/metrics")).text)
        assert found["bursar_forward_queue_failing", ()] == 1
        assert found["bursar_ledger_failing", ()] == 0

    scraping(bookkeeper, talking, forwards=broken)


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=x", "text/plain; version=1.x"])
def test_an_accept_header_of_nonsense(bookkeeper: Bookkeeper, accept: str) -> None:
    """It is answered, and never by a trace."""

    async def talking(client: httpx.AsyncClient) -> None:
        assert (await client.get("/metrics", headers={"accept": accept})).status_code in (200, 400)

    scraping(bookkeeper, talking)
