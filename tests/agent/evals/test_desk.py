"""The agent takes what the rules in force ask for, keeps it sealed where there is a key, and tells what evals said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet, MultiFernet
from tests.agent.batching.house import House
from tests.agent.ledger.test_evalbook import MADE

from bursar.agent.batching.vault import Vault, VaultError
from bursar.agent.evals.desk import EVALS, FORGET, Desk, take_up_licences
from bursar.agent.ledger import evalbook, samplebook
from bursar.agent.ledger.deferralbook import Text
from bursar.agent.serving.server import ServerState, create_app
from bursar.policies.licence import from_text, objection
from bursar.policies.sample import PATH, Sample, to_body

POLICY = """\
version = 1
mode = "observe"
[[route]]
name = "triage"
capture = "eval 2 for 1h"
"""
SAMPLE = Sample("a-1", "triage", 7, "claude-opus-5-5", "", '{"model": "claude-opus-5-5"}', "Yes")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, policy=POLICY)
    yield made
    made.close()


def desk(house: House) -> Desk:
    return Desk(house.bookkeeper, house.vault, house.clock.ns)


def post(house: House, *messages: tuple[str, bytes | dict[str, Any]]) -> list[httpx.Response]:
    async def work() -> list[httpx.Response]:
        app = create_app(ServerState(house.bookkeeper), desk(house).routes())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return [
                await client.post(path, content=told if isinstance(told, bytes) else json.dumps(told))
                for path, told in messages
            ]

    return asyncio.run(work())


def kept(house: House, route: str = "triage") -> list[samplebook.Kept]:
    with house.ledger.reading() as db:
        return samplebook.found(db, route)


def test_a_sample_is_kept_where_the_rules_ask_for_it(house: House) -> None:
    """A route that they do not name is told that nothing of it is wanted."""
    other = to_body(Sample("a-2", "chat", 7, "m", "", "{}", "No"))
    answers = post(house, (PATH, to_body(SAMPLE)), (PATH, other))
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"below": None}), (200, {"below": 0})]
    (found,) = kept(house)
    assert (found.attempt_id, found.answer) == ("a-1", Text(sealed=False, text=b"Yes"))
    assert kept(house, "chat") == []


def test_with_a_key_nothing_is_readable_without_it(tmp_path: Path) -> None:
    """Neither in the rows nor anywhere in the file."""
    key = Fernet.generate_key()
    house = House(tmp_path, policy=POLICY, vault=Vault(MultiFernet([Fernet(key)])))
    secret = Sample("a-1", "triage", 7, "m", "", '{"system": "the tall ship"}', "the white whale")
    post(house, (PATH, to_body(secret)))
    (found,) = kept(house)
    assert (house.vault.open(found.request), house.vault.open(found.answer)) == (secret.request, secret.answer)
    house.close()
    for path in tmp_path.iterdir():
        if path.is_file():
            assert b"tall ship" not in path.read_bytes()
            assert b"white whale" not in path.read_bytes()


def test_an_agent_without_the_key_of_its_samples_does_not_start(tmp_path: Path) -> None:
    """It would keep some under another key, and none could be read together."""
    house = House(tmp_path, policy=POLICY, vault=Vault(MultiFernet([Fernet(Fernet.generate_key())])))
    post(house, (PATH, to_body(SAMPLE)))
    house.vault = Vault()
    with pytest.raises(VaultError, match="BURSAR_DEFERRALS_KEY_FILE"):
        house.restart()
    house.close()


def test_what_is_old_is_purged_by_the_clock(house: House) -> None:
    """An hour, as the policy says."""
    post(house, (PATH, to_body(SAMPLE)))
    (chore,) = desk(house).chores()
    for seconds, left in ((3_599, 1), (1, 0)):
        house.later(seconds)
        asyncio.run(chore.do())  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        assert len(kept(house)) == left


def test_a_route_is_forgotten_at_once(house: House) -> None:
    """Answered with how many that were."""
    (_, answer) = post(house, (PATH, to_body(SAMPLE)), (FORGET, {"route": "triage"}))
    assert answer.json() == {"forgotten": 1}
    assert kept(house) == []


def test_an_eval_is_in_force_once_it_is_kept(house: House) -> None:
    """For the guards of this agent, and after its next start."""
    before = house.rules.current.snapshot
    (answer,) = post(house, (EVALS, asdict(MADE)))
    assert (answer.status_code, answer.json()) == (201, {"passed": True})
    told = house.rules.current.snapshot
    assert told.id != before.id
    assert objection(from_text(told.licences or ""), route="triage", model="haiku", at_ns=8) is None
    with house.ledger.reading() as db:
        assert evalbook.history(db) == [MADE]
    house.restart()
    take_up_licences(house.ledger, house.rules)
    assert house.rules.current.snapshot == told


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, b"no JSON"),
        (PATH, b"[]"),
        (PATH, b"{}"),
        (EVALS, b"{}"),
        (EVALS, b"["),
        (EVALS, rb'{"route": "\ud800"}'),
        (FORGET, b"{}"),
        (FORGET, b"7"),
    ],
)
def test_what_cannot_be_understood_is_told_so(house: House, path: str, body: bytes) -> None:
    """With a sentence, and nothing is changed."""
    (answer,) = post(house, (path, body))
    assert answer.status_code == 400
    assert answer.text.strip()
