"""Claims about fingerprints that processes tell: kept before they are acknowledged, and nonsense refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from tests.agent.ledger import fresh

from bursar.agent.ledger import Ledger
from bursar.agent.serving import prints
from bursar.policies import fingerprint
from bursar.policies.fingerprint import Block, Fingerprint, Prints, Section

BLOCK = Block("00" * 8, Section.SYSTEM, 0, 0, "text", "", 400, 100)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(fresh.file(tmp_path / "db"), clock_ns=lambda: 1)
    yield made
    made.close()


def post(ledger: Ledger, told: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=prints.routes(ledger, lambda: 7)))
        async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
            if isinstance(told, bytes):
                return await client.post(fingerprint.PATH, content=told)
            return await client.post(fingerprint.PATH, json=told)

    return asyncio.run(send())


def told(count: int) -> Any:
    return fingerprint.to_json(Prints("h", tuple(Fingerprint(f"a{n}", (BLOCK,)) for n in range(count))))


def test_what_is_acknowledged_is_kept_and_counted_once(ledger: Ledger) -> None:
    """Also more of them than go into one transaction, and told again after an answer that was lost."""
    assert post(ledger, told(120)).json() == {"kept": 120}
    assert post(ledger, told(121)).json() == {"kept": 1}
    with ledger.reading() as db:
        assert db.conn.execute("SELECT count(*), min(told_ns) FROM fingerprints").fetchone() == (121, 7)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, {"holder": "h"}, [], {"blocks": [[1]], "prints": []}])
def test_nonsense_is_refused_in_a_sentence(body: Any, ledger: Ledger) -> None:
    answer = post(ledger, body)
    assert answer.status_code == 400
    assert len(answer.text.strip().splitlines()) == 1


def test_a_ledger_has_one_key_for_ever(ledger: Ledger) -> None:
    """64 hex digits; another would make all that was told before strange."""
    key = prints.key_of(ledger)
    assert (prints.key_of(ledger), len(bytes.fromhex(key))) == (key, 32)
