"""Claims about the agent as a whole: it starts or says why not, does its chores, and stops clean."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.certificates import authority

from bursar.agent import app
from bursar.agent.app import Running, run_agent, serving_agent
from bursar.agent.ledger import Ledger, LedgerInUse, outbox, reports
from bursar.agent.rules import RulesError
from bursar.agent.sandbox.app import create_app
from bursar.agent.sandbox.server import serving as serving_sandbox
from bursar.agent.serving.listening import ListenError
from bursar.agent.settings import ModelsApi, Settings, SettingsError, Tcp, UnixSocket, read_settings
from bursar.policies.charge import Basis, Charge
from bursar.policies.protocol import PATH, Holder, SyncRequest, to_json
from bursar.policies.records import Settled, to_line
from bursar.policies.records import to_json as record_json
from bursar.policies.usage import Usage

SECOND = 10**9
USD = 10**9
NOON = 1_795_262_400 * SECOND
POLICY = """\
version = 1
mode = "observe"
[[budget]]
name = "day"
limit = "10 USD"
every = "day"
watch = []
[budget.at]
"80%" = "alert team"
"90%" = "batch"
[[channel]]
name = "team"
kind = "webhook"
url_env = "TEAM_URL"
"""


def settings(folder: Path, *, policy: str | None = None, port: int = 0, **secrets: str) -> Settings:
    """Settings of an agent on a port of its own choice, in this folder."""
    if policy is not None:
        (folder / "bursar.toml").write_text(policy)
    return Settings(
        state_dir=folder / "state",
        db=folder / "state" / "bursar.sqlite",
        listen=(Tcp(port=port),),
        policy=folder / "bursar.toml" if policy is not None else None,
        secrets=secrets,
    )


def charge(attempt_id: str, cost: int) -> Settled:
    return Settled(Charge(attempt_id, cost, Usage(output=1), Basis.USAGE, "opus", "opus", "desk", at_ns=NOON))


def post(url: str, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    """Status and JSON (or text) of a POST."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json", **headers})
        response = connection.getresponse()
        data = response.read()
        return response.status, json.loads(data) if response.status == 200 else data.decode()
    finally:
        connection.close()


def sync(url: str, *records: Settled) -> int:
    request = SyncRequest(Holder("h", 42, "host", NOON), 0, records=tuple(record_json(record) for record in records))
    return post(url, PATH, to_json(request))[0]


def spent(running: Running) -> int:
    with running.ledger.reading() as db:
        total: int = reports.totals(db, 0, 2**62)["nano_usd"]
    return total


def until(true: Callable[[], bool]) -> None:
    """Look again and again until it is so, for ten seconds at most."""
    waiting = threading.Event()
    assert any(true() or waiting.wait(0.02) for _ in range(500))


@dataclass
class Webhook:
    """A webhook that answers these, then 200, and keeps what it accepted."""

    url: str
    answers: list[int]
    accepted: list[dict[str, Any]]
    arrived: threading.Event


@contextmanager
def webhook(*answers: int) -> Generator[Webhook]:
    """A real webhook while the block lasts."""
    hook = Webhook("", list(answers), [], threading.Event())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = hook.answers.pop(0) if hook.answers else 200
            if status == 200:
                hook.accepted.append(json.loads(body))
                hook.arrived.set()
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it is called by
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        hook.url = f"http://127.0.0.1:{listener.server_port}/hook"
        try:
            yield hook
        finally:
            listener.shutdown()
            thread.join()


def test_from_charge_to_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A charge over a step arrives at the webhook at once, as one message, with the route it went to."""
    monkeypatch.setattr(app, "DELIVER_SECONDS", 3600)
    with (
        webhook() as hook,
        serving_agent(settings(tmp_path, policy=POLICY, TEAM_URL=hook.url), clock_ns=lambda: NOON) as running,
    ):
        assert sync(running.url, charge("a", 8 * USD)) == 200
        assert hook.arrived.wait(10)
        assert sync(running.url, charge("b", USD)) == 200
    assert [(told["budget"], told["step"], told["spent"]) for told in hook.accepted] == [("day", "80%", 8 * USD)]
    assert hook.accepted[0]["routes"] == [{"route": "desk", "nano": 8 * USD, "before": None}]


def test_alert_over_a_restart(tmp_path: Path) -> None:
    """An alert that was refused before a restart is told after it, once."""
    now = [NOON]
    with webhook(500) as hook:
        there = settings(tmp_path, policy=POLICY, TEAM_URL=hook.url)
        with serving_agent(there, clock_ns=lambda: now[0]) as running:
            sync(running.url, charge("a", 8 * USD))
            until(lambda: tried(running) == 1)
        assert hook.accepted == []
        now[0] += 5 * SECOND
        with serving_agent(there, clock_ns=lambda: now[0]) as running:
            assert hook.arrived.wait(10)
            until(lambda: tried(running) == 2)
    assert len(hook.accepted) == 1


DIGEST = """\
version = 1
mode = "observe"
[digest]
channel = "team"
day = "saturday"
hour = 12
[[channel]]
name = "team"
kind = "webhook"
url_env = "TEAM_URL"
"""


def test_the_week_is_told(tmp_path: Path) -> None:
    """At noon of Saturday the week up to its midnight, once, also over a restart."""
    week_ago = replace(charge("a", 8 * USD).charge, at_ns=NOON - 86_400 * SECOND)
    with webhook() as hook:
        there = settings(tmp_path, policy=DIGEST, TEAM_URL=hook.url)
        ledger = Ledger(make(there.db), clock_ns=lambda: NOON)
        ledger.book([Settled(week_ago)], holder="h", policy=None).result()
        ledger.close()
        for _ in range(2):
            with serving_agent(there, clock_ns=lambda: NOON) as running:
                assert hook.arrived.wait(10)
                until(lambda: tried(running) == 1)
    assert [(told["kind"], told["spent"], told["week"]["until"]) for told in hook.accepted] == [
        ("digest", 8 * USD, "2026-11-21T00:00:00+00:00")
    ]


def make(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    return path


def tried(running: Running) -> int:
    with running.ledger.reading() as db:
        return sum(alert.tries for alert in outbox.recent(db, 0))


def test_journals_are_adopted(tmp_path: Path) -> None:
    """What processes left behind while no agent ran is booked at the start."""
    there = settings(tmp_path)
    there.journals.mkdir(parents=True)
    path = there.journals / "dead.jsonl"
    path.write_bytes(to_line(charge("a", 7)))
    with serving_agent(there) as running:
        until(lambda: not path.exists())
        assert spent(running) == 7


def test_spans_are_taken(tmp_path: Path) -> None:
    """The receiver of spans stands beside the guards' door."""
    with serving_agent(settings(tmp_path)) as running:
        assert post(running.url, "/v1/traces", {"resourceSpans": []})[0] == 200


def test_rules_are_read_again(tmp_path: Path) -> None:
    """A policy that changes is in force without a restart."""
    there = settings(tmp_path, policy=POLICY, TEAM_URL="http://127.0.0.1:9/")
    with serving_agent(there) as running:
        before = running.rules.current
        (tmp_path / "bursar.toml").write_text(POLICY.replace("10 USD", "1000 USD"))
        until(lambda: running.rules.current is not before)
        policy = running.rules.current.policy
        assert policy is not None
        assert policy.budgets[0].limit.amount == 1000 * USD


def test_the_models_api_is_asked_at_the_start(tmp_path: Path) -> None:
    """And every process that asks hears of it with the rules."""
    with serving_sandbox(create_app()) as url:
        api = ModelsApi(url, {"x-api-key": "k"})
        set_up = replace(settings(tmp_path, policy=POLICY, TEAM_URL="http://127.0.0.1:9"), models_api=api)
        with serving_agent(set_up) as running:
            until(lambda: running.rules.current.snapshot.models is not None)
            status, answer = post(running.url, PATH, to_json(SyncRequest(Holder("h", 42, "host", NOON), 1)))
    assert status == 200
    assert '"claude-fable-5-2"' in answer["snapshot"]["models"]


def test_token(tmp_path: Path) -> None:
    """With a token file, guards that do not show the token are turned away."""
    (tmp_path / "token").write_text("right\n")
    there = read_settings(
        {"BURSAR_STATE_DIR": str(tmp_path), "BURSAR_TOKEN_FILE": str(tmp_path / "token")}, listen=("127.0.0.1:0",)
    )
    body = to_json(SyncRequest(Holder("h", 42, "host", NOON), 0))
    with serving_agent(there) as running:
        assert post(running.url, PATH, body)[0] == 401
        assert post(running.url, PATH, body, authorization="Bearer right")[0] == 200


@pytest.mark.parametrize(
    ("text", "told"), [(None, "the token file .*token cannot be read"), (" \n", "the token file .*token is empty")]
)
def test_bad_token_file(tmp_path: Path, text: str | None, told: str) -> None:
    """A token file that holds nothing would let everybody in, or nobody: the agent does not start."""
    if text is not None:
        (tmp_path / "token").write_text(text)
    there = Settings(state_dir=tmp_path, db=tmp_path / "db", listen=(Tcp(port=0),), token_file=tmp_path / "token")
    with pytest.raises(SettingsError, match=told), serving_agent(there):
        pass


def test_tls_files_that_are_no_pair(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that is missing, or another certificate's: exit code 3, and what to do."""
    ca = authority(tmp_path / "ca")
    one, other = ca.issue("one"), ca.issue("other")
    for key in (tmp_path / "none.key", other.key):
        assert run_agent(replace(settings(tmp_path), tls=replace(one, key=key))) == 3
    missing, mixed = capsys.readouterr().err.splitlines()
    assert missing.startswith(f"bursar agent: the file {tmp_path}/none.key of --tls-cert or --tls-key cannot be read")
    assert mixed.startswith(f"bursar agent: --tls-key {other.key} is not the key of --tls-cert {one.cert}")


def test_several_places_at_once(tmp_path: Path) -> None:
    """Each is told in the line that says it is ready; one that cannot be had lets the others go again."""
    places = (UnixSocket(tmp_path / "a.sock"), Tcp(port=0))
    there = replace(settings(tmp_path), listen=places)
    with serving_agent(there) as running:
        socket_file, port = running.urls
        assert (running.url, socket_file) == (socket_file, f"unix:{tmp_path}/a.sock")
        assert post(port, PATH, {})[0] == 400
    assert not places[0].path.exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = (places[0], Tcp(port=taken.getsockname()[1]))
        with pytest.raises(ListenError, match="stop what uses it"), serving_agent(replace(there, listen=wanted)):
            pass
    assert not places[0].path.exists()


def test_state_folder_is_private(tmp_path: Path) -> None:
    """The state folder is made for its owner alone."""
    there = settings(tmp_path)
    with serving_agent(there):
        assert there.state_dir.stat().st_mode & 0o777 == 0o700


def test_what_fails_later_takes_the_rest_down(tmp_path: Path) -> None:
    """An agent that cannot have its ledger lets its port go again."""
    there = settings(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    there.state_dir.mkdir()
    owner = Ledger(there.db, clock_ns=lambda: NOON)
    with pytest.raises(LedgerInUse), serving_agent(settings(tmp_path, port=port)):
        pass
    owner.close()
    with serving_agent(settings(tmp_path, port=port)) as running:
        assert running.url == f"http://127.0.0.1:{port}"


def test_second_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second agent on the same state folder, or the same port, says so in one sentence and exits with 3."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    with serving_agent(settings(first)) as running:
        port = urlsplit(running.url).port or 0
        with pytest.raises(SettingsError, match=f"agent of process {os.getpid()}"), serving_agent(settings(first)):
            pass
        with pytest.raises(ListenError), serving_agent(settings(second, port=port)):
            pass
        assert run_agent(replace(settings(first), db=tmp_path / "other.sqlite")) == 3
        assert run_agent(settings(second, port=port)) == 3
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].startswith(f"bursar agent: the state folder {first / 'state'} is in use")
    assert told[1].startswith(f"bursar agent: cannot listen on 127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (POLICY.replace('"observe"', '"watch"'), "bursar.toml:2: mode"),
        (POLICY, "the environment variable TEAM_URL is not set"),
    ],
)
def test_bad_policy_at_start(tmp_path: Path, policy: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy that cannot hold keeps the agent from starting, and says where it is wrong."""
    there = settings(tmp_path, policy=policy)
    with pytest.raises(RulesError), serving_agent(there):
        pass
    assert run_agent(there) == 3
    assert told in capsys.readouterr().err


_RUNNER = """\
import os, sys
from pathlib import Path
from bursar.agent.app import run_agent
from bursar.agent.settings import read_settings
policy = Path(sys.argv[1]) if sys.argv[1:] else None
settings = read_settings(os.environ, listen=("127.0.0.1:0",), policy=policy)
sys.exit(run_agent(settings, stop_with_input="STOP_WITH_INPUT" in os.environ))
"""


@contextmanager
def process(folder: Path, *arguments: str, **environ: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A real agent process, with its line of readiness."""
    with subprocess.Popen(
        [sys.executable, "-c", _RUNNER, *arguments],
        env={**os.environ, "BURSAR_STATE_DIR": str(folder / "state"), **environ},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stderr is not None
        try:
            yield agent, agent.stderr.readline()
        finally:
            agent.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals(tmp_path: Path, number: signal.Signals) -> None:
    """A real agent says that it is ready, and a signal ends it with 0, everything booked."""
    with process(tmp_path) as (agent, ready):
        url = ready.partition(" ready at ")[2].partition(",")[0]
        assert ready == (
            f"bursar agent: ready at {url}, ledger {tmp_path}/state/bursar.sqlite, "
            "no policy, so calls are counted and none is refused\n"
        )
        assert sync(url, charge("a", 7)) == 200
        agent.send_signal(number)
        assert agent.wait(10) == 0
        assert agent.stderr is not None
        assert agent.stderr.read() == ""
    ledger = Ledger(tmp_path / "state" / "bursar.sqlite", clock_ns=lambda: NOON)
    with ledger.reading() as db:
        assert reports.totals(db, 0, 2**62)["nano_usd"] == 7
    ledger.close()


def test_hangup_and_end_of_input(tmp_path: Path) -> None:
    """Each SIGHUP reads a policy again, and a bad one is told with its mistake; the end of input stops the agent."""
    policy = tmp_path / "bursar.toml"
    policy.write_text(POLICY)
    with process(tmp_path, str(policy), TEAM_URL="http://127.0.0.1:9/", STOP_WITH_INPUT="1") as (agent, ready):
        assert agent.stderr is not None
        assert agent.stdin is not None
        assert ready.endswith(f"policy {policy} (mode observe)\n")
        assert agent.stderr.readline().startswith('warning: budget "day": step "90%" = "batch" puts nothing off')
        policy.write_text(POLICY.replace("[budget.at]", "[budget.when]"))
        for _ in range(2):
            agent.send_signal(signal.SIGHUP)
            told = agent.stderr.readline() + agent.stderr.readline()
            assert "the rules before stay in force" in told
            assert "when" in told
        agent.stdin.close()
        assert agent.wait(10) == 0
