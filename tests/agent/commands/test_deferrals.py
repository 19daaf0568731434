"""Claims about `bursar deferrals`, against a real agent and a real sandbox: listed, shown, waited for, cancelled."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet
from tests.agent.batching.house import KEY, request

from bursar.agent.app import Running, serving_agent
from bursar.agent.cli import cli
from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.server import serving
from bursar.agent.settings import Settings, Tcp
from bursar.policies.deferral import PATH, Offer, Taken, taken_from_json, to_json

SECOND = 10**9


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """An agent that every command finds, and that has a credential and a key of its own."""
    key = tmp_path / "key"
    key.write_bytes(Fernet.generate_key())
    with serving(create_app()) as api:
        secrets = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api}
        settings = Settings(tmp_path, tmp_path / "db", listen=(Tcp(port=0),), secrets=secrets, deferrals_key_file=key)
        with serving_agent(settings) as running:
            monkeypatch.setenv("BURSAR_AGENT", running.url)
            monkeypatch.setenv("BURSAR_DB", str(settings.db))
            monkeypatch.setenv("BURSAR_STATE_DIR", str(tmp_path))
            monkeypatch.setenv("BURSAR_DEFERRALS_KEY_FILE", str(key))
            monkeypatch.setenv("COLUMNS", "140")
            yield running


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def offer(agent: Running, name: str, seconds: int) -> Taken:
    now_ns = time.time_ns()
    made = Offer(
        id=f"d-{name}",
        call_id=f"call-{name}",
        attempt_id=f"try-{name}",
        at_ns=now_ns,
        due_ns=now_ns + seconds * SECOND,
        route="digest",
        model="claude-haiku-4-5",
        requested_model="claude-haiku-4-5",
        body=request(name),
        credential=agent.rules.current.snapshot.credentials[0],
        key="invoice-4711",
    )
    parts = urlsplit(agent.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("POST", PATH, body=json.dumps(to_json(replace(made, key=f"invoice-{name}"))))
    response = connection.getresponse()
    taken = taken_from_json(json.loads(response.read()))
    connection.close()
    return taken


def test_a_call_from_its_offer_to_its_answer(agent: Running) -> None:
    """Taken, waited for from another process, and shown with its one attempt; then it is over, and cannot be undone."""
    assert offer(agent, "a", 10).accepted
    waited = call("deferrals", "wait", "d-a")
    assert waited.exit_code == 0
    answer = json.loads(waited.stdout)
    assert (answer["state"], answer["message"]["role"]) == ("succeeded", "assistant")
    shown = json.loads(call("deferrals", "show", "d-a").stdout)
    assert (shown["state"], shown["key"], shown["answer"]) == ("delivered", "invoice-a", answer)
    assert [(one["attempt_id"], one["outcome"]) for one in shown["attempts"]] == [("try-a", "succeeded")]
    assert call("deferrals").stdout == "No call is put off.\n"
    over = call("deferrals", "cancel", "d-a")
    assert (over.exit_code, over.stderr) == (1, "bursar: d-a is over: it succeeded\n")


def test_listed_and_cancelled(agent: Running) -> None:
    """With its age, when it is due and what it cost; a call that is let go fails whoever waits for it."""
    assert offer(agent, "b", 7_200).accepted
    (row,) = json.loads(call("deferrals", "--json").stdout)["deferrals"]
    assert (row["id"], row["state"], row["nano_usd"], row["attempts"]) == ("d-b", "queued", 0, 1)
    table = call("deferrals").stdout
    assert "invoice-b" in table
    assert "in 2 h" in table
    assert call("deferrals", "cancel", "d-b").stderr == "bursar: d-b is cancelled\n"
    waited = call("deferrals", "wait", "d-b")
    assert waited.exit_code == 1
    assert json.loads(waited.stdout)["reason"] == "cancelled by `bursar deferrals cancel`"
    assert "delivered" in call("deferrals", "--all").stdout


@pytest.mark.parametrize("command", ["show", "wait", "cancel"])
def test_an_unknown_call(agent: Running, command: str) -> None:
    """Is said to be none, with where they stand."""
    result = call("deferrals", command, "d-z")
    assert result.exit_code == 1
    assert "there is no call d-z that was put off: `bursar deferrals --all` lists them" in result.stderr


def test_an_unknown_batch(agent: Running) -> None:
    """The agent says so."""
    result = call("batches", "cancel", "none")
    assert (result.exit_code, result.stderr) == (1, "bursar: there is no batch none: `bursar batches` lists them\n")
