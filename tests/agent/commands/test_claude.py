"""Claims about Claude Code under `bursar run`: it is told whom to tell, and nothing that is set is set anew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.agent.spans.claudecodedata import DATA, needs_data

from bursar.agent.app import serving_agent
from bursar.agent.commands import claude
from bursar.agent.commands.run import Order, RunError, run
from bursar.agent.ledger import open_for_reading, reports
from bursar.agent.settings import Settings, UnixSocket

AGENT = "http://127.0.0.1:4319"

FAKE = """#!{python} -IS
import json, os, sys, time, urllib.request
if os.environ.get("CLAUDE_CODE_ENABLE_TELEMETRY") != "1":
    sys.exit(9)
assert os.environ["OTEL_LOGS_EXPORTER"] == "otlp" and os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
name, _, value = os.environ["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
with open({recorded!r}) as file:
    told = json.load(file)
for record in told["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
    record["timeUnixNano"] = str(time.time_ns())
    for one in record["attributes"]:
        if one["key"] == "duration_ms":
            one["value"] = {{"intValue": 1}}
request = urllib.request.Request(
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/logs",
    json.dumps(told).encode(),
    {{name: value.replace("%20", " "), "content-type": "application/json"}},
)
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request)
sys.exit(3 if "--bad" in sys.argv else 0)
"""
"""A `claude` that tells what the real one told, as of now: its request began after it did."""


def telling(tmp_path: Path, **environ: str) -> dict[str, str]:
    return claude.telling(AGENT, "s3cret/", environ, tmp_path)


def test_over_tls_it_trusts_the_agents_authority_too(tmp_path: Path) -> None:
    """In the variable that Node has for that; not where the agent has no certificate, nor over one's own choice."""
    ours = {"BURSAR_CA_FILE": "/ca.pem"}
    over_tls = claude.telling("https://agent:4319", None, ours, tmp_path)
    assert over_tls["NODE_EXTRA_CA_CERTS"] == "/ca.pem"
    assert "NODE_EXTRA_CA_CERTS" not in claude.telling(AGENT, None, ours, tmp_path)
    chosen = {**ours, "NODE_EXTRA_CA_CERTS": "/all.pem"}
    assert "NODE_EXTRA_CA_CERTS" not in claude.telling("https://agent:4319", None, chosen, tmp_path)


def test_claude_is_known_by_its_name() -> None:
    """A path to it is it, and nothing else is."""
    assert claude.is_claude(["claude", "-p", "hi"])
    assert claude.is_claude(["/opt/bin/claude"])
    assert not claude.is_claude(["claude-monitor"])


def test_all_variables_are_set(tmp_path: Path) -> None:
    """Events and metrics in protobuf to the agent, with its token, every second and every ten."""
    assert telling(tmp_path) == {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": AGENT,
        "OTEL_LOGS_EXPORT_INTERVAL": "1000",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20s3cret%2F",
    }


@pytest.mark.parametrize("name", ["CLAUDE_CODE_ENABLE_TELEMETRY", "OTEL_LOGS_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL"])
def test_what_is_set_stays(tmp_path: Path, name: str) -> None:
    """A user's own value is not among what is added."""
    assert name not in telling(tmp_path, **{name: "0"})


def test_the_token_goes_to_the_agent_alone(tmp_path: Path) -> None:
    """Who sends his telemetry to a collector of his own does not send it our secret."""
    added = telling(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT="https://collector.example")
    assert not any("s3cret" in value for value in added.values())


def test_the_repository_and_the_labels_go_with_it(tmp_path: Path) -> None:
    """Of the origin, owner and name without its credentials; beside what is set, and not where it names one."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert claude.repository(tmp_path) == tmp_path.name
    url = "https://me:pass@git.example/acme/desk.git"
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", url], check=True)
    labelled = telling(tmp_path, OTEL_RESOURCE_ATTRIBUTES="team=core", BURSAR_LABELS="env=prod, tenant=a b")
    assert labelled["OTEL_RESOURCE_ATTRIBUTES"] == (
        "team=core,vcs.repository.name=acme%2Fdesk,bursar.label.env=prod,bursar.label.tenant=a%20b"
    )
    named = telling(tmp_path, OTEL_RESOURCE_ATTRIBUTES="repository=mine")
    assert named["OTEL_RESOURCE_ATTRIBUTES"] == "repository=mine"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("git@git.example:acme/desk.git", "acme/desk"),
        ("ssh://git@git.example:2222/acme/desk", "acme/desk"),
        ("https://git.example/group/acme/desk.git/", "acme/desk"),
    ],
)
def test_an_origin_is_read_in_each_of_its_forms(tmp_path: Path, url: str, name: str) -> None:
    """As git writes them."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "remote", "add", "origin", url], check=True)
    assert claude.repository(tmp_path) == name


@needs_data
def test_a_session_under_bursar_run_is_counted(tmp_path: Path) -> None:
    """A `claude` that posts what was recorded, as its variables say: one request, its price, its exit code."""
    script = tmp_path / "claude"
    script.write_text(FAKE.format(python=sys.executable, recorded=str(DATA / "haiku_json.013_logs.raw.json")))
    script.chmod(0o755)
    said: list[str] = []
    environ = {"PATH": os.pathsep.join((str(tmp_path), os.environ["PATH"])), "HOME": str(tmp_path)}
    ledger = tmp_path / "ledger.sqlite"
    assert run(Order(("claude", "--bad"), db=ledger), environ, said.append) == 3
    with open_for_reading(ledger) as db:
        total = reports.totals(db, 0, 2**62)
    assert (total["calls"], total["nano_usd"], total["told_nano_usd"]) == (1, 632_440, 632_440)
    assert said == ["bursar: 1 call, 0.00063244 USD (0 estimated)"]


def test_a_session_that_tells_nothing_is_said_so(tmp_path: Path) -> None:
    """Somebody has switched its telemetry off: that nothing was counted is no success of ours, and no failure of it."""
    script = tmp_path / "claude"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    said: list[str] = []
    assert run(Order((str(script),)), {**os.environ, "CLAUDE_CODE_ENABLE_TELEMETRY": "0"}, said.append) == 0
    assert said[-1] == claude.UNTOLD


def test_an_agent_behind_a_unix_socket_hears_nothing_of_it(tmp_path: Path) -> None:
    """Said before it is started, since nothing would be counted; with an endpoint of its own it is started."""
    script = tmp_path / "claude"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    place = UnixSocket(tmp_path / "a.sock")
    environ = {**os.environ, "BURSAR_AGENT": str(place)}
    with serving_agent(Settings(tmp_path / "state", tmp_path / "db", listen=(place,))):
        with pytest.raises(RunError, match=r"tells nobody over a Unix socket: name .* a second --listen"):
            run(Order((str(script),)), environ, print)
        said: list[str] = []
        assert run(Order((str(script),)), {**environ, claude.ENDPOINT: AGENT}, said.append) == 0
    assert said == [f"bursar: the calls were told to the agent at {place}; see `bursar report`"]


def test_a_limit_is_refused(tmp_path: Path) -> None:
    """It could not be held: nothing of Claude Code is asked before it sends."""
    script = tmp_path / "claude"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    with pytest.raises(RunError, match="cannot be held"):
        run(Order((str(script),), limit="1 USD"), dict(os.environ), print)
